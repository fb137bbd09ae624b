"""Deployments and ReplicaSets (`pkg/apis/apps`, `pkg/registry/apps`, Kubernetes v1.36).

A Deployment's generation also counts changes of its annotations, as the real one's does; that is why
controllers write the revision annotation through the status subresource.
"""

import re
from collections.abc import Iterator, Set
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import label_errors
from simulator.apiserver.objects import Object, at, metadata
from simulator.apiserver.selectors import LabelSelector, SelectorSyntaxError
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.pod_defaults import default_pod_spec
from simulator.apiserver.strategies.pod_validation import validate_pod_spec
from simulator.apiserver.strategies.strategy import Strategy, spec_generation

_PERCENT = re.compile(r"[0-9]+%")
NOT_NEGATIVE = "must be greater than or equal to 0"
NO_MATCH = "`selector` does not match template `labels`"
_TEMPLATE_LABELS = "spec.template.metadata.labels"


def default_replicated(obj: Object) -> Object:
    """Fills replicas and template; returns the spec."""
    spec: Object = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec)
    return spec


def default_template(spec: Object) -> None:
    """Fills the pod template of a workload's spec."""
    template = spec.setdefault("template", {})
    metadata(template)
    default_pod_spec(template.setdefault("spec", {}))


def _default_deployment(obj: Object) -> None:
    spec = default_replicated(obj)
    strategy = spec.setdefault("strategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        for bound in ("maxUnavailable", "maxSurge"):
            if rolling.get(bound) is None:
                rolling[bound] = "25%"
    for field, value in (("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)):
        if spec.get(field) is None:
            spec[field] = value


def _default_replica_set(obj: Object) -> None:
    default_replicated(obj)


def validate_replicated(obj: Object, owner: str, *, volumes: Set[str] = frozenset()) -> Iterator[FieldError]:
    """Replicas, selector and template; `volumes` are names that may be mounted beside the template's own volumes."""
    spec = obj.get("spec") or {}
    yield from not_negative(spec, "spec", "replicas")
    yield from validate_template(spec, owner, volumes=volumes)


def not_negative(spec: Object, path: str, *fields: str) -> Iterator[FieldError]:
    for field in fields:
        if (spec.get(field) or 0) < 0:
            yield invalid_value(f"{path}.{field}", spec[field], NOT_NEGATIVE)


def validate_template(
    spec: Object, owner: str, *, selector_required: bool = True, volumes: Set[str] = frozenset()
) -> Iterator[FieldError]:
    """The selector and the template of a workload whose pods always restart."""
    template = spec.get("template") or {}
    if spec.get("selector") is None and selector_required:
        yield required("spec.selector")
    yield from _validate_selector(spec.get("selector"), at(template, "metadata.labels") or {}, owner)
    yield from label_errors(at(template, "metadata.labels"), _TEMPLATE_LABELS)
    yield from validate_pod_spec(template.get("spec") or {}, "spec.template.spec", volumes=volumes)
    policy = at(template, "spec.restartPolicy")
    if policy in ("OnFailure", "Never"):
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))


def _validate_selector(selector: Object | None, labels: dict[str, str], owner: str) -> Iterator[FieldError]:
    if selector is None:
        yield invalid_value(_TEMPLATE_LABELS, labels or None, NO_MATCH)
        return
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid_value("spec.selector", selector, f"empty selector is invalid for {owner}")
        return
    try:
        matches = LabelSelector.of_object(selector).matches(labels)
    except SelectorSyntaxError as error:
        yield invalid_value("spec.selector", selector, str(error))
        return
    if not matches:
        yield invalid_value(_TEMPLATE_LABELS, labels or None, NO_MATCH)


def _validate_deployment(obj: Object) -> Iterator[FieldError]:
    yield from validate_replicated(obj, "deployment")
    spec = obj["spec"]
    yield from _validate_strategy(spec["strategy"])
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        deadline = spec["progressDeadlineSeconds"]
        yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _validate_strategy(strategy: Object) -> Iterator[FieldError]:
    path, rolling = "spec.strategy.rollingUpdate", strategy.get("rollingUpdate") or {}
    if strategy["type"] == "Recreate":
        if "rollingUpdate" in strategy:
            yield forbidden_field(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    if strategy["type"] != "RollingUpdate":
        yield unsupported("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
        return
    for bound in ("maxUnavailable", "maxSurge"):
        yield from validate_bound(rolling[bound], f"{path}.{bound}", at_most_all=bound == "maxUnavailable")
    if all(rolling[bound] in (0, "0%") for bound in ("maxUnavailable", "maxSurge")):
        shown = rolling["maxUnavailable"]
        yield invalid_value(f"{path}.maxUnavailable", shown, "may not be 0 when `maxSurge` is 0")


def validate_bound(value: Any, field: str, *, at_most_all: bool) -> Iterator[FieldError]:
    """A number or a percentage, of how many pods."""
    if isinstance(value, int):
        if value < 0:
            yield invalid_value(field, value, NOT_NEGATIVE)
    elif not _PERCENT.fullmatch(str(value)):
        yield invalid_value(
            field,
            value,
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
            "regex used for validation is '[0-9]+%')",
        )
    elif at_most_all and int(value[:-1]) > 100:
        yield invalid_value(field, value, "must not be greater than 100%")


def selector_stays(new: Object, old: Object) -> Iterator[FieldError]:
    """A workload selects the same pods all its life."""
    selector = at(new, "spec.selector")
    if selector is not None and selector != at(old, "spec.selector"):
        yield immutable("spec.selector", selector)


def _deployment_generation(obj: Object) -> Any:
    return obj.get("spec"), (obj.get("metadata") or {}).get("annotations") or {}


def _keep_labels(new: Object, old: Object) -> None:
    """A status write leaves the labels; annotations pass, as on the real server."""
    metadata(new).pop("labels", None)
    if metadata(old).get("labels"):
        metadata(new)["labels"] = metadata(old)["labels"]


DEPLOYMENT = Strategy(
    default=_default_deployment,
    create=drop_status,
    update_status=_keep_labels,
    validate=_validate_deployment,
    validate_update=selector_stays,
    generation=_deployment_generation,
)
REPLICA_SET = Strategy(
    default=_default_replica_set,
    create=drop_status,
    validate=lambda obj: validate_replicated(obj, "replica set"),
    validate_update=selector_stays,
    generation=spec_generation,
)
