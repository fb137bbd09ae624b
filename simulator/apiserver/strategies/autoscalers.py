"""HorizontalPodAutoscalers (`pkg/apis/autoscaling`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value, required, unsupported
from simulator.apiserver.names import dns_label_problems, name_problem
from simulator.apiserver.objects import Object, at, copy_of, items_at
from simulator.apiserver.strategies.forms import POSITIVE, fits, one_of, present
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.strategy import Strategy
from simulator.quantities import parse

_CPU_METRIC: Object = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_TYPES = {
    "ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
    "Resource": "resource",
}  # fmt: skip
_LOOKED_AT = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = ("Utilization", "Value", "AverageValue")
_DOUBLED = {"type": "Percent", "value": 100, "periodSeconds": 15}
_DOWN: Object = {"selectPolicy": "Max", "policies": [_DOUBLED]}
_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, _DOUBLED],
}
_LONGEST_WINDOW_SECONDS = 3600
_LONGEST_PERIOD_SECONDS = 1800


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        spec["metrics"] = [{**_CPU_METRIC, "resource": {**_CPU_METRIC["resource"]}}]
    if spec.get("behavior") is None:
        return
    for field, defaults in (("scaleUp", _UP), ("scaleDown", _DOWN)):
        rules = spec["behavior"][field] = spec["behavior"].get(field) or {}
        for name, value in defaults.items():
            if rules.get(name) in (None, ""):
                rules[name] = copy_of(value)


def _validate(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    least, most = spec["minReplicas"], spec.get("maxReplicas") or 0
    if least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 0:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to 1")
    if most < least:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from _target_object(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    metrics = list(items_at(spec, "metrics"))
    for index, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{index}]")
    if least == 0 and not {"Object", "External"} & {str(one.get("type")) for one in metrics}:
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden_field("spec.metrics", why)
    for field in ("scaleUp", "scaleDown"):
        rules = at(spec, f"behavior.{field}")
        if rules is not None:
            yield from _rules(rules, f"spec.behavior.{field}")


def _path_problems(name: str) -> Iterator[str]:
    problem = name_problem(name, "path")
    if problem:
        yield problem


def _target_object(target: Object, where: str, *, needs_group: bool = True) -> Iterator[FieldError]:
    for field in ("kind", "name"):
        yield from present(target.get(field), f"{where}.{field}", _path_problems)
    if needs_group and not target.get("apiVersion"):
        yield invalid_value(f"{where}.apiVersion", "", "apiVersion must specify API group")


def _metric(metric: Object, where: str) -> Iterator[FieldError]:
    kind = str(metric.get("type") or "")
    if not kind:
        yield required(f"{where}.type", "must specify a metric source type")
    if kind not in _TYPES:
        yield unsupported(f"{where}.type", kind, tuple(_TYPES))
    stated = [one for one in _LOOKED_AT if metric.get(one) is not None]
    if stated:
        yield from _source(stated[0], metric[stated[0]], f"{where}.{stated[0]}")
    meant = _TYPES.get(kind, "")
    if not meant:
        yield unsupported(f"{where}.type", kind, tuple(_TYPES))
    elif meant not in stated:
        yield required(f"{where}.{meant}", "must populate information for the given metric source")
    for one in (one for one in stated if len(stated) > 1 and one != meant):
        yield forbidden_field(f"{where}.{one}", "must populate the given metric source only")


def _source(kind: str, source: Object, where: str) -> Iterator[FieldError]:
    target, here = source.get("target") or {}, f"{where}.target"
    if kind == "object":
        described = source.get("describedObject") or {}
        yield from _target_object(described, f"{where}.describedObject", needs_group=False)
    if kind in ("resource", "containerResource"):
        yield from _resource(kind, source, where)
    else:
        name = at(source, "metric.name")
        yield from fits(name, f"{where}.metric.name", _path_problems) if name else ()
        if not name:
            yield required(f"{where}.metric.name", "must specify a metric name")
    yield from _target(target, here)
    yield from _amounts(kind, target, here)


def _resource(kind: str, source: Object, where: str) -> Iterator[FieldError]:
    if not source.get("name"):
        yield required(f"{where}.name", "must specify a resource name")
    if kind == "containerResource":
        if not source.get("container"):
            yield required(f"{where}.container", "must specify a container")
        else:
            yield from fits(source["container"], f"{where}.container", dns_label_problems)


def _target(target: Object, where: str) -> Iterator[FieldError]:
    kind = target.get("type") or ""
    if not kind:
        yield required(f"{where}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield invalid_value(f"{where}.type", kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if target.get(field) is not None and parse(target[field]) <= 0:
            yield invalid_value(f"{where}.{field}", target[field], "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield invalid_value(f"{where}.averageUtilization", share, "must be greater than 0")


def _amounts(kind: str, target: Object, where: str) -> Iterator[FieldError]:
    value, average, share = (target.get(field) for field in ("value", "averageValue", "averageUtilization"))
    if kind in ("resource", "containerResource"):
        if share is None and average is None:
            why = "must set either a target raw value or a target utilization"
            yield required(f"{where}.averageUtilization", why)
        elif share is not None and average is not None:
            why = "may not set both a target raw value and a target utilization"
            yield forbidden_field(f"{where}.averageValue", why)
    elif kind == "pods":
        if average is None:
            yield required(f"{where}.averageValue", "must specify a positive target averageValue")
    elif value is None and average is None:
        meant = "value or averageValue" if kind == "object" else "value for metric or a per-pod target"
        yield required(f"{where}.averageValue", f"must set either a target {meant}")
    elif value is not None and average is not None and kind == "external":
        yield forbidden_field(f"{where}.value", "may not set both a target value for metric and a per-pod target")


def _rules(rules: Object, where: str) -> Iterator[FieldError]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield invalid_value(f"{where}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    elif window is not None and window > _LONGEST_WINDOW_SECONDS:
        why = f"must be less than or equal to {_LONGEST_WINDOW_SECONDS}"
        yield invalid_value(f"{where}.stabilizationWindowSeconds", window, why)
    yield from one_of(rules.get("selectPolicy"), f"{where}.selectPolicy", ("Disabled", "Max", "Min"))
    if rules.get("policies") is not None and not rules["policies"]:
        yield required(f"{where}.policies", "must specify at least one Policy")
    for index, policy in enumerate(items_at(rules, "policies")):
        yield from _policy(policy, f"{where}.policies[{index}]")


def _policy(policy: Object, where: str) -> Iterator[FieldError]:
    yield from one_of(policy.get("type"), f"{where}.type", ("Percent", "Pods"))
    for field in ("value", "periodSeconds"):
        if (policy.get(field) or 0) <= 0:
            yield invalid_value(f"{where}.{field}", policy.get(field) or 0, POSITIVE)
    if (policy.get("periodSeconds") or 0) > _LONGEST_PERIOD_SECONDS:
        why = f"must be less than or equal to {_LONGEST_PERIOD_SECONDS}"
        yield invalid_value(f"{where}.periodSeconds", policy["periodSeconds"], why)


AUTOSCALER = Strategy(default=_default, create=drop_status, validate=_validate)
