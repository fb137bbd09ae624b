"""autoscaling/v1 beside v2: a HorizontalPodAutoscaler with one target, and all else in annotations.

As `pkg/apis/autoscaling/v1/conversion.go` of Kubernetes v1.36 converts: v1 has a field for the utilisation of cpu;
other metrics, the behaviour, conditions and current metrics go round in annotations, which v2 does not show.
"""

from dataclasses import replace
from typing import Any

import orjson

from simulator.apiserver.kind import Kind, OtherForm
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.schema import Misfit, Reading, read, struct

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _BEHAVIOR = f"{_PREFIX}metrics", f"{_PREFIX}behavior"
_CURRENT, _CONDITIONS = f"{_PREFIX}current-metrics", f"{_PREFIX}conditions"
_ANNOTATIONS = (_METRICS, _BEHAVIOR, _CURRENT, _CONDITIONS)
_SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}
# Of each source, v1's field and where v2 has it; `@` stands for `target` in a spec and `current` in a status.
_FIELDS = {
    "resource": (
        ("name", "name"), ("@AverageUtilization", "@.averageUtilization"), ("@AverageValue", "@.averageValue"),
    ),
    "containerResource": (
        ("name", "name"), ("@AverageUtilization", "@.averageUtilization"), ("@AverageValue", "@.averageValue"),
        ("container", "container"),
    ),
    "pods": (
        ("metricName", "metric.name"), ("@AverageValue", "@.averageValue"), ("selector", "metric.selector"),
    ),
    "object": (
        ("target", "describedObject"), ("metricName", "metric.name"), ("@Value", "@.value"),
        ("selector", "metric.selector"), ("averageValue", "@.averageValue"),
    ),
    "external": (
        ("metricName", "metric.name"), ("metricSelector", "metric.selector"), ("@Value", "@.value"),
        ("@AverageValue", "@.averageValue"),
    ),
}  # fmt: skip
_ALWAYS = {("object", "targetValue"), ("object", "currentValue"), ("external", "currentValue")}
_SPEC_FIELDS = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS_FIELDS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def first_autoscalers(second: Kind) -> Kind:
    """The kind of version v1, given that of v2."""
    return replace(second, version="v1", form_of=OtherForm(second, to_stored=_to_second, of_stored=_of_second))


def _is_cpu(metric: Object) -> bool:
    return at(metric, "resource.name") == "cpu" and at(metric, "resource.target.averageUtilization") is not None


def _of_second(second: Object) -> Object:
    spec = {field: at(second, f"spec.{field}") for field in _SPEC_FIELDS}
    status = {field: at(second, f"status.{field}") for field in _STATUS_FIELDS}
    cpu = next((one for one in items_at(second, "spec.metrics") if _is_cpu(one)), None)
    spec["targetCPUUtilizationPercentage"] = at(cpu, "resource.target.averageUtilization")
    for one in items_at(second, "status.currentMetrics"):
        if at(one, "resource.name") == "cpu":
            status["currentCPUUtilizationPercentage"] = at(one, "resource.current.averageUtilization")
    meta = dict(second.get("metadata") or {})
    annotations = (meta.get("annotations") or {}) | _annotations(second)
    if annotations:
        meta["annotations"] = dict(sorted(annotations.items()))
    return _read("v1", {"metadata": meta, "spec": _given(spec), "status": _given(status)})


def _annotations(second: Object) -> dict[str, str]:
    """What v1 has no fields for."""
    order = ("type", "status", "lastTransitionTime", "reason", "message")
    found: dict[str, Any] = {
        _METRICS: [_metric_of_second(one, "target") for one in items_at(second, "spec.metrics") if not _is_cpu(one)],
        _CURRENT: [_metric_of_second(one, "current") for one in items_at(second, "status.currentMetrics")],
        _CONDITIONS: [_given({key: one.get(key) for key in order}) for one in items_at(second, "status.conditions")],
        _BEHAVIOR: _behavior_of_second(at(second, "spec.behavior")),
    }
    return {name: orjson.dumps(value).decode() for name, value in found.items() if value}


def _metric_of_second(metric: Object, about: str) -> Object:
    source = _SOURCES.get(str(metric.get("type")), "")
    said = metric.get(source) or {}
    shown: Object = {}
    for field, path in _FIELDS.get(source, ()):
        name, value = field.replace("@", about), at(said, path.replace("@", about))
        if value is None and (source, name) in _ALWAYS:
            value = "0"
        if name == "target":
            value = _given({key: value.get(key) for key in ("kind", "name", "apiVersion")})
        if value is not None:
            shown[name] = value
    return {"type": metric.get("type"), source: shown}


def _metric_to_second(metric: Object, about: str) -> Object:
    source = _SOURCES[metric["type"]]
    said, made = metric[source], dict[str, Any]()
    for field, path in _FIELDS[source]:
        value, steps = said.get(field.replace("@", about)), path.replace("@", about).split(".")
        if value is None or (steps == ["target", "value"] and said.get("averageValue") is not None):
            continue
        inner = made
        for step in steps[:-1]:
            inner = inner.setdefault(step, {})
        inner[steps[-1]] = value
    if about == "target":
        made["target"] = {"type": _target_type(made.get("target") or {})} | (made.get("target") or {})
    return {"type": metric["type"], source: made}


def _target_type(target: Object) -> str:
    if "averageUtilization" in target:
        return "Utilization"
    return "AverageValue" if "averageValue" in target else "Value"


def _behavior_of_second(behavior: Object | None) -> Object | None:
    """In Go's names, as the real server writes its internal type."""
    if not behavior:
        return None
    return {"ScaleUp": _rules(behavior.get("scaleUp")), "ScaleDown": _rules(behavior.get("scaleDown"))}


def _rules(rules: Object | None) -> Object | None:
    if rules is None:
        return None
    policies = [
        {"Type": one.get("type"), "Value": one.get("value"), "PeriodSeconds": one.get("periodSeconds")}
        for one in rules.get("policies") or ()
    ]
    return {
        "StabilizationWindowSeconds": rules.get("stabilizationWindowSeconds"),
        "SelectPolicy": rules.get("selectPolicy"),
        "Policies": policies,
        "Tolerance": rules.get("tolerance"),
    }


def _to_second(first: Object) -> Object:
    meta, annotations = dict(first.get("metadata") or {}), dict(at(first, "metadata.annotations") or {})
    kept = {name: annotations.pop(name) for name in _ANNOTATIONS if name in annotations}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    spec = {field: at(first, f"spec.{field}") for field in _SPEC_FIELDS}
    metrics = _metrics_in(kept.get(_METRICS), "target")
    wanted = at(first, "spec.targetCPUUtilizationPercentage")
    if wanted is not None:
        target = {"type": "Utilization", "averageUtilization": wanted}
        metrics = [*metrics, {"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    spec |= {"metrics": metrics or None, "behavior": _lowered(_parsed(kept.get(_BEHAVIOR)))}
    status = {field: at(first, f"status.{field}") for field in _STATUS_FIELDS}
    status |= {"currentMetrics": _current(first, kept), "conditions": _parsed(kept.get(_CONDITIONS))}
    try:
        return _read("v2", {"metadata": meta, "spec": _given(spec), "status": _given(status)})
    except Misfit:  # an annotation that a stranger has written is not worth an error
        plain = {name: value for name, value in annotations.items() if name not in kept}
        return _to_second(first | {"metadata": meta | {"annotations": plain}})


def _current(first: Object, kept: dict[str, str]) -> list[Object] | None:
    found = _metrics_in(kept.get(_CURRENT), "current")
    seen = at(first, "status.currentCPUUtilizationPercentage")
    if found or seen is None:
        return found or None
    current = {"averageUtilization": seen, "averageValue": "0"}
    return [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]


def _metrics_in(text: str | None, about: str) -> list[Object]:
    """The metrics of an annotation; none if it holds anything else."""
    try:
        return [_metric_to_second(one, about) for one in _parsed(text) or ()]
    except (KeyError, TypeError, AttributeError):  # whatever stood there, it was not written by this conversion
        return []


def _parsed(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _lowered(value: Any) -> Any:
    """Go's names of fields as JSON's."""
    if isinstance(value, dict):
        return _given({key[:1].lower() + key[1:]: _lowered(inner) for key, inner in value.items()})
    return [_lowered(one) for one in value] if isinstance(value, list) else value


def _given(value: Object) -> Object:
    return {key: inner for key, inner in value.items() if inner is not None}


def _read(version: str, obj: Object) -> Object:
    head = {"kind": "HorizontalPodAutoscaler", "apiVersion": f"autoscaling/{version}"}
    return read(head | obj, struct(f"autoscaling/{version}.HorizontalPodAutoscaler"), Reading())
