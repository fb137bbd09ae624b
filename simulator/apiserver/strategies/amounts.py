"""ResourceQuotas and LimitRanges: what a namespace, and what a container in it, may take (`pkg/apis/core`, Kubernetes
v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    immutable,
    invalid_value,
    required,
)
from simulator.apiserver.names import qualified_name_problems
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.container_resources import (
    COUNTED,
    NO_STANDARD,
    STANDARD,
    amount_errors,
    resource_name,
)
from simulator.apiserver.strategies.forms import fits
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.strategy import Strategy
from simulator.quantities import parse

_QUOTAS = COUNTED | (STANDARD - {"storage"})
_SCOPES = frozenset(
    ["BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating"]
)
_CLASHES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_OF_PODS = frozenset(["pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"])
_LIMITED = ("Container", "PersistentVolumeClaim", "Pod")
_COMPARED = ("max", "min", "default", "defaultRequest")
_ORDER = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest",
     "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest",
     "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest",
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip
"""What must not be greater than what; the field that is blamed, the value that is shown, and the words."""


def _validate_quota(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    for name, value in (spec.get("hard") or {}).items():
        where = f"spec.hard[{name}]"
        yield from _quota_name(name, where)
        yield from amount_errors(name, value, where)
    yield from _scopes(spec)
    for one in items_at(spec, "scopeSelector.matchExpressions"):
        yield from _scope_requirement(one, "spec.scopeSelector.matchExpressions")


def _quota_name(name: str, where: str) -> Iterator[FieldError]:
    problems = list(qualified_name_problems(name))
    yield from (invalid_value(where, name, problem) for problem in problems)
    if "/" in name or name in _QUOTAS or _is_of_huge_pages(name):
        return
    if not problems and name != "storage":
        yield invalid_value(where, name, NO_STANDARD)
    yield invalid_value(where, name, "must be a standard resource for quota")


def _is_of_huge_pages(name: str) -> bool:
    return name.removeprefix("requests.").startswith("hugepages-")


def _scopes(spec: Object) -> Iterator[FieldError]:
    scopes, hard = spec.get("scopes") or [], spec.get("hard") or {}
    for scope in scopes:
        if scope not in _SCOPES:
            yield invalid_value("spec.scopes", scopes, "unsupported scope")
        for name in sorted(hard.keys() & _QUOTAS):
            if not _counts(scope, name):
                yield invalid_value("spec.scopes", scopes, "unsupported scope applied to resource")
    if any(pair <= set(scopes) for pair in _CLASHES):
        yield invalid_value("spec.scopes", scopes, "conflicting scopes")


def _counts(scope: str, name: str) -> bool:
    """Whether a quota of that scope can count the resource."""
    return name == "pods" if scope == "BestEffort" else name in _OF_PODS


def _scope_requirement(one: Object, where: str) -> Iterator[FieldError]:
    operator, values = one.get("operator") or "", one.get("values") or []
    if one.get("scopeName") not in _SCOPES:
        yield invalid_value(f"{where}.scopeName", one.get("scopeName"), "unsupported scope")
    if operator in ("In", "NotIn") and not values:
        why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        yield required(f"{where}.values", why)
    elif operator in ("Exists", "DoesNotExist") and values:
        why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        yield invalid_value(f"{where}.values", values, why)
    elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        yield invalid_value(f"{where}.operator", operator, "not a valid selector operator")


def _quota_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if at(new, "spec.scopes") != at(old, "spec.scopes"):
        yield immutable("spec.scopes", at(new, "spec.scopes"))


def _default_limits(obj: Object) -> None:
    """Of containers, a default that is not given is the maximum, and a default request the default or the minimum."""
    for limit in items_at(obj, "spec.limits"):
        if limit.get("type") != "Container":
            continue
        default = (limit.get("max") or {}) | (limit.get("default") or {})
        requested = (limit.get("min") or {}) | default | (limit.get("defaultRequest") or {})
        for field, values in (("default", default), ("defaultRequest", requested)):
            if values:
                limit[field] = values


def _validate_limits(obj: Object) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, limit in enumerate(items_at(obj, "spec.limits")):
        where, kind = f"spec.limits[{index}]", str(limit.get("type") or "")
        problems = list(fits(kind, f"{where}.type", qualified_name_problems))
        yield from problems
        if not problems and "/" not in kind and kind not in _LIMITED:
            yield invalid_value(f"{where}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            yield duplicate(f"{where}.type", kind)
        seen.add(kind)
        yield from _validate_limit(limit, kind, where)


def _validate_limit(limit: Object, kind: str, where: str) -> Iterator[FieldError]:
    for field in _COMPARED:
        if kind == "Pod" and field.startswith("default"):
            if limit.get(field):
                yield forbidden_field(f"{where}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        for name in limit.get(field) or ():
            yield from resource_name(name, f"{where}.{field}[{name}]", of_container=kind in ("Container", "Pod"))
    if kind == "PersistentVolumeClaim" and not any("storage" in (limit.get(one) or ()) for one in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{where}.limits", why)
    names = sorted({name for field in (*_COMPARED, "maxLimitRequestRatio") for name in limit.get(field) or ()})
    for name in names:
        yield from _in_order(limit, name, where)


def _in_order(limit: Object, name: str, where: str) -> Iterator[FieldError]:
    values = {field: (limit.get(field) or {}).get(name) for field in _COMPARED}
    for less, more, field, shown, text in _ORDER:
        low, high = values[less], values[more]
        if low is not None and high is not None and parse(low) > parse(high):
            yield invalid_value(f"{where}.{field}[{name}]", values[shown], text.format(low, high))
    ratio = (limit.get("maxLimitRequestRatio") or {}).get(name)
    if ratio is not None and parse(ratio) < 1:
        yield invalid_value(f"{where}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1")


RESOURCE_QUOTA = Strategy(create=drop_status, validate=_validate_quota, validate_update=_quota_stays)
LIMIT_RANGE = Strategy(default=_default_limits, validate=_validate_limits)
