"""Where a pod may run: affinity, spreading, tolerations (`pkg/apis/core/validation`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import dns_label_problems, label_value_problems, subdomain_problems
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import (
    POSITIVE,
    fits,
    label_name,
    label_selector,
    needs_values,
    one_of,
)

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists")
_NO_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def affinity(stated: Object | None, where: str) -> Iterator[FieldError]:
    """Complaints about `affinity`."""
    kinds = stated or {}
    node = kinds.get("nodeAffinity") or {}
    if node.get(_REQUIRED) is not None:
        yield from node_selector(node[_REQUIRED], f"{where}.nodeAffinity.{_REQUIRED}")
    for index, term in enumerate(items_at(node, _PREFERRED)):
        here = f"{where}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight(term, here)
        yield from _node_term(term.get("preference") or {}, f"{here}.preference", judge_values=False)
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_terms(kinds.get(kind) or {}, f"{where}.{kind}")


def node_selector(selector: Object, where: str) -> Iterator[FieldError]:
    """The terms of which a node has to meet one."""
    here = f"{where}.nodeSelectorTerms"
    if not selector.get("nodeSelectorTerms"):
        yield required(here, "must have at least one node selector term")
    for index, term in enumerate(items_at(selector, "nodeSelectorTerms")):
        yield from _node_term(term, f"{here}[{index}]", judge_values=True)


def _node_term(term: Object, where: str, *, judge_values: bool) -> Iterator[FieldError]:
    for index, one in enumerate(items_at(term, "matchExpressions")):
        here = f"{where}.matchExpressions[{index}]"
        if one.get("operator") not in ("Gt", "Lt"):
            yield from needs_values(one, here, ("In", "NotIn"), ("Exists", "DoesNotExist"))
        elif len(one.get("values") or ()) != 1:
            yield required(f"{here}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
        yield from label_name(one.get("key"), f"{here}.key")
        for place, value in enumerate(one.get("values") or () if judge_values else ()):
            yield from fits(value, f"{here}.values[{place}]", label_value_problems)
    for index, one in enumerate(items_at(term, "matchFields")):
        yield from _node_field(one, f"{where}.matchFields[{index}]")


def _node_field(one: Object, where: str) -> Iterator[FieldError]:
    operator, values = one.get("operator") or "", one.get("values") or ()
    if operator not in ("In", "NotIn"):
        yield invalid_value(f"{where}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{where}.values", why)
    if one.get("key") != "metadata.name":
        yield invalid_value(f"{where}.key", one.get("key") or "", "not a valid field selector key")
        return
    for index, value in enumerate(values):
        yield from fits(value, f"{where}.values[{index}]", subdomain_problems)


def _weight(term: Object, where: str) -> Iterator[FieldError]:
    if not 1 <= (term.get("weight") or 0) <= 100:
        yield invalid_value(f"{where}.weight", term.get("weight") or 0, _WEIGHT)


def _pod_terms(stated: Object, where: str) -> Iterator[FieldError]:
    for index, term in enumerate(items_at(stated, _REQUIRED)):
        yield from _pod_term(term, f"{where}.{_REQUIRED}[{index}]")
    for index, weighted in enumerate(items_at(stated, _PREFERRED)):
        here = f"{where}.{_PREFERRED}[{index}]"
        yield from _weight(weighted, here)
        yield from _pod_term(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")


def _pod_term(term: Object, where: str) -> Iterator[FieldError]:
    yield from label_selector(term.get("labelSelector"), f"{where}.labelSelector")
    yield from label_selector(term.get("namespaceSelector"), f"{where}.namespaceSelector")
    for name in term.get("namespaces") or ():
        yield from fits(name, f"{where}.namespace", dns_label_problems)
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        yield from _label_keys(term, field, where)
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{where}.topologyKey", "can not be empty")
    yield from label_name(key, f"{where}.topologyKey")


def _label_keys(term: Object, field: str, where: str) -> Iterator[FieldError]:
    if term.get(field) and term.get("labelSelector") is None:
        yield forbidden_field(f"{where}.{field}", "must not be specified when labelSelector is not set")
        return
    for index, key in enumerate(term.get(field) or ()):
        yield from label_name(key, f"{where}.{field}[{index}]")


def spread_constraints(spec: Object, where: str) -> Iterator[FieldError]:
    """Complaints about `topologySpreadConstraints`."""
    constraints = list(items_at(spec, "topologySpreadConstraints"))
    for index, one in enumerate(constraints):
        here, action = f"{where}[{index}]", one.get("whenUnsatisfiable") or ""
        if (one.get("maxSkew") or 0) <= 0:
            yield invalid_value(f"{here}.maxSkew", one.get("maxSkew") or 0, POSITIVE)
        if not one.get("topologyKey"):
            yield required(f"{here}.topologyKey", "can not be empty")
        yield from one_of(action, f"{here}.whenUnsatisfiable", _ACTIONS)
        if any(_same_constraint(one, other) for other in constraints[index + 1 :]):
            pair = f"{{{one.get('topologyKey')}, {action}}}"
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", pair)
        yield from _fewest_domains(one, action, f"{here}.minDomains")
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from one_of(one.get(field), f"{here}.{field}", ("Honor", "Ignore"))
        yield from _label_keys(one, "matchLabelKeys", here)
        yield from label_selector(one.get("labelSelector"), f"{here}.labelSelector")


def _same_constraint(one: Object, other: Object) -> bool:
    return all(one.get(field) == other.get(field) for field in ("topologyKey", "whenUnsatisfiable"))


def _fewest_domains(one: Object, action: str, where: str) -> Iterator[FieldError]:
    fewest = one.get("minDomains")
    if fewest is None:
        return
    if fewest <= 0:
        yield invalid_value(where, fewest, POSITIVE)
    if action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield invalid_value(where, fewest, why)


def tolerations(spec: Object, where: str) -> Iterator[FieldError]:
    """Complaints about `tolerations`."""
    for index, one in enumerate(items_at(spec, "tolerations")):
        here, operator, value = f"{where}[{index}]", one.get("operator") or "", one.get("value") or ""
        if one.get("key"):
            yield from label_name(one["key"], f"{here}.key")
        elif operator != "Exists":
            yield invalid_value(f"{here}.operator", operator, _NO_KEY)
        effect = one.get("effect") or ""
        if one.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield invalid_value(f"{here}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _operator(operator, value, f"{here}.operator")
        yield from one_of(effect or None, f"{here}.effect", _EFFECTS)


def _operator(operator: str, value: str, where: str) -> Iterator[FieldError]:
    if operator in ("Equal", ""):
        problems = ";".join(label_value_problems(value))
        if problems:
            yield invalid_value(where, value, problems)
    elif operator == "Exists":
        if value:
            yield invalid_value(where, value, "value must be empty when `operator` is 'Exists'")
    elif operator in ("Lt", "Gt"):
        yield unsupported(where, operator, (*_OPERATORS, "Lt", "Gt"))
    else:
        yield unsupported(where, operator, _OPERATORS)
