"""Autoscalers, disruption budgets, quotas, limit ranges, bindings of roles, classes of priority and runtime, webhooks
(`pkg/apis/autoscaling`, `policy`, `core`, `rbac`, `scheduling`, `admissionregistration`, Kubernetes v1.36).
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, items_at, name_of
from simulator.apiserver.strategies.plain import content_generation, drop_status
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.apiserver.strategies.workload import NOT_NEGATIVE, validate_bound
from simulator.quantities import canonical, parse

_RBAC = "rbac.authorization.k8s.io"
_CPU_METRIC: Object = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_HIGHEST_USER_PRIORITY = 1_000_000_000
_STANDARD_QUOTAS = frozenset(
    [
        "cpu",
        "memory",
        "ephemeral-storage",
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    ]
)
_SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating")
_QUALIFIED = re.compile(r"[^/]+/[^/]+")


def _default_autoscaler(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        spec["metrics"] = [{**_CPU_METRIC, "resource": {**_CPU_METRIC["resource"]}}]
    for rules in ((spec.get("behavior") or {}).get(one) for one in ("scaleUp", "scaleDown")):
        if rules is not None:
            rules["selectPolicy"] = rules.get("selectPolicy") or "Max"


def _validate_autoscaler(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    least, most = spec["minReplicas"], spec.get("maxReplicas") or 0
    if least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    if most < least:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    if not target.get("apiVersion"):
        yield invalid_value("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group")


def _validate_budget(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    bounds = [one for one in ("minAvailable", "maxUnavailable") if spec.get(one) is not None]
    if len(bounds) == 2:
        yield invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for one in bounds:
        yield from validate_bound(spec[one], f"spec.{one}", at_most_all=True)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in (None, "IfHealthyBudget", "AlwaysAllow"):
        yield unsupported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def _validate_quota(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    for name, value in (spec.get("hard") or {}).items():
        where = f"spec.hard[{name}]"
        if name not in _STANDARD_QUOTAS and not _QUALIFIED.fullmatch(name):
            yield invalid_value(where, name, "must be a standard resource type or fully qualified")
            yield invalid_value(where, name, "must be a standard resource for quota")
        if parse(value) < 0:
            yield invalid_value(where, value, NOT_NEGATIVE)
    for scope in spec.get("scopes") or ():
        if scope not in _SCOPES:
            yield invalid_value("spec.scopes", spec["scopes"], "unsupported scope")


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
        if kind in seen:
            yield FieldError(f"{where}.type", "FieldValueDuplicate", f'Duplicate value: "{kind}"')
        seen.add(kind)
        if kind != "Container":
            for field in ("default", "defaultRequest"):
                if limit.get(field) and kind == "Pod":
                    yield forbidden_field(f"{where}.{field}", "may not be specified when `type` is 'Pod'")
        yield from _validate_limit(limit, where)


_ORDER = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)


def _validate_limit(limit: Object, where: str) -> Iterator[FieldError]:
    names = sorted({name for field in ("max", "min", "default", "defaultRequest") for name in limit.get(field) or ()})
    for name in names:
        values = {field: (limit.get(field) or {}).get(name) for field in ("max", "min", "default", "defaultRequest")}
        for less, more, field, shown, text in _ORDER:
            low, high = values[less], values[more]
            if low is not None and high is not None and parse(low) > parse(high):
                yield invalid_value(f"{where}.{field}[{name}]", values[shown], text.format(low, high))
        ratio = (limit.get("maxLimitRequestRatio") or {}).get(name)
        if ratio is not None and parse(ratio) < 1:
            detail = f"ratio {ratio} is less than 1"
            yield invalid_value(f"{where}.maxLimitRequestRatio[{name}]", ratio, detail)


def added(amounts: Iterator[Any]) -> Fraction:
    """The sum of quantities."""
    return sum((parse(one) for one in amounts), Fraction(0))


def as_quantity(value: Fraction, like: str) -> str:
    """A sum in the suffix family of one of its parts, in canonical form."""
    suffix = "Ki" if re.search("[KMGTPE]i$", like) and (value / 1024).denominator == 1 else ""
    if suffix:
        return canonical(f"{value / 1024}Ki")
    return canonical(str(value) if value.denominator == 1 else f"{value * 1000}m")


def _default_binding(obj: Object) -> None:
    role = obj.setdefault("roleRef", {})
    role["apiGroup"] = role.get("apiGroup") or _RBAC
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _RBAC


def _validate_binding(obj: Object) -> Iterator[FieldError]:
    role = obj["roleRef"]
    kinds = ("Role", "ClusterRole") if obj.get("kind") == "RoleBinding" else ("ClusterRole",)
    if role.get("kind") not in kinds:
        yield unsupported("roleRef.kind", role.get("kind") or "", kinds)
    if not role.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        where = f"subjects[{index}]"
        if not subject.get("name"):
            yield required(f"{where}.name")
        words = ("ServiceAccount", "User", "Group")
        if subject.get("kind") not in words:
            yield unsupported(f"{where}.kind", subject.get("kind") or "", words)
        elif subject["kind"] == "ServiceAccount" and not subject.get("namespace") and obj.get("kind") != "RoleBinding":
            yield required(f"{where}.namespace")


def _role_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("roleRef") != old.get("roleRef"):
        shown = {key[:1].upper() + key[1:]: value for key, value in new["roleRef"].items()}
        shown = {"APIGroup": shown.pop("ApiGroup", ""), **shown}
        yield invalid_value("roleRef", shown, "cannot change roleRef")


def _default_priority(obj: Object) -> None:
    obj["preemptionPolicy"] = obj.get("preemptionPolicy") or "PreemptLowerPriority"


_SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def _validate_priority(obj: Object) -> Iterator[FieldError]:
    name = name_of(obj)
    if name.startswith("system-"):
        if _SYSTEM_PRIORITIES.get(name) != obj.get("value", 0):
            yield forbidden_field(
                "metadata.name",
                "priority class names with 'system-' prefix are reserved for system use only. "
                f"error: {name} is not a known system priority class",
            )
    elif obj.get("value", 0) > _HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_USER_PRIORITY}"
        yield forbidden_field("value", detail)


def _priority_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("value") != old.get("value"):
        yield forbidden_field("value", "may not be changed in an update.")
    if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
        yield immutable("preemptionPolicy", new.get("preemptionPolicy"))


def _handler_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("handler") != old.get("handler"):
        yield immutable("handler", new.get("handler"))


def _default_webhooks(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        if obj.get("kind") == "MutatingWebhookConfiguration":
            hook.setdefault("reinvocationPolicy", "Never")
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")
        if isinstance(at(hook, "clientConfig.service"), dict):
            hook["clientConfig"]["service"].setdefault("port", 443)


def _default_flow_schema(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or 1000


def _validate_role(obj: Object) -> Iterator[FieldError]:
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{where}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            yield required(f"{where}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{where}.resources", "resource rules must supply at least one resource")


AUTOSCALER = Strategy(default=_default_autoscaler, create=drop_status, validate=_validate_autoscaler)
DISRUPTION_BUDGET = Strategy(create=drop_status, validate=_validate_budget, generation=spec_generation)
RESOURCE_QUOTA = Strategy(create=drop_status, validate=_validate_quota, validate_update=_quota_stays)
LIMIT_RANGE = Strategy(default=_default_limits, validate=_validate_limits)
ROLE = Strategy(validate=_validate_role)
ROLE_BINDING = Strategy(default=_default_binding, validate=_validate_binding, validate_update=_role_stays)
PRIORITY_CLASS = Strategy(
    default=_default_priority,
    validate=_validate_priority,
    validate_update=_priority_stays,
    generation=content_generation,
)
RUNTIME_CLASS = Strategy(validate_update=_handler_stays)
WEBHOOKS = Strategy(default=_default_webhooks, generation=content_generation)
FLOW_SCHEMA = Strategy(default=_default_flow_schema, create=drop_status, generation=spec_generation)
