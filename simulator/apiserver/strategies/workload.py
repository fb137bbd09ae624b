"""Deployments and ReplicaSets (`pkg/apis/apps`, `pkg/registry/apps`, Kubernetes v1.36).

A Deployment's generation also counts changes of its annotations, as the real one's does; that is why
controllers write the revision annotation through the status subresource.
"""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.metadata_checks import annotation_errors
from simulator.apiserver.names import label_errors
from simulator.apiserver.objects import Object, at, metadata
from simulator.apiserver.selectors import LabelSelector
from simulator.apiserver.strategies.forms import NOT_NEGATIVE, as_struct, label_selector, number_at_least
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.pod_defaults import default_pod_spec
from simulator.apiserver.strategies.pod_validation import validate_pod_spec
from simulator.apiserver.strategies.pod_warnings import pod_warnings
from simulator.apiserver.strategies.strategy import Strategy, spec_generation

_PERCENT = re.compile(r"[0-9]+%")
_NO_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
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


def validate_replica_set(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from number_at_least(0, spec, "spec", "replicas", "minReadySeconds")
    yield from validate_template(spec, selecting=_REPLICATED)


@dataclass(frozen=True)
class Selecting:
    """How a kind words its complaints: its own name, and those of what it selects pods for.

    `unusable` is said of a selector that cannot be used; `required` whether there has to be one.
    """

    owner: str
    pods_of: str
    unusable: str | None
    required: bool = True


_REPLICATED = Selecting("deployment", "ReplicaSet", "invalid label selector")


def validate_template(spec: Object, *, selecting: Selecting, volumes: Set[str] = frozenset()) -> Iterator[FieldError]:
    """The selector and the template of a workload whose pods always restart.

    `volumes` are names that may be mounted beside the template's own volumes.
    """
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None and selecting.required:
        yield required("spec.selector")
    unusable = list(label_selector(selector, "spec.selector"))
    yield from unusable
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid_value("spec.selector", selector, f"empty selector is invalid for {selecting.owner}")
    elif not unusable and not _selects(selector, at(template, "metadata.labels") or {}):
        labels = at(template, "metadata.labels") or {}
        yield invalid_value(_TEMPLATE_LABELS, dict(sorted(labels.items())) or None, NO_MATCH)
    if unusable and selecting.unusable is not None:
        yield invalid_value("spec.selector", selector, selecting.unusable)
        return
    yield from template_errors(template, "spec.template", volumes=volumes)
    policy = at(template, "spec.restartPolicy")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if at(template, "spec.activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {selecting.pods_of} is not Supported"
        yield forbidden_field("spec.template.spec.activeDeadlineSeconds", why)


def _selects(selector: Object | None, labels: dict[str, str]) -> bool:
    return selector is not None and LabelSelector.of_object(selector).matches(labels)


def template_errors(template: Object, where: str, *, volumes: Set[str] = frozenset()) -> Iterator[FieldError]:
    """A pod template by itself; the real server leaves `metadata` out of where it says labels stand."""
    meta = template.get("metadata") or {}
    yield from label_errors(meta.get("labels"), f"{where}.labels")
    yield from annotation_errors(meta.get("annotations"), f"{where}.annotations")
    spec = template.get("spec") or {}
    yield from validate_pod_spec(spec, f"{where}.spec", volumes=volumes)
    if spec.get("ephemeralContainers"):
        yield forbidden_field(f"{where}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def template_warnings(obj: Object) -> Iterator[str]:
    """What is odd about the template of a workload, and stored all the same."""
    template = at(obj, "spec.template") or {}
    yield from pod_warnings(template.get("spec") or {}, "spec.template.spec")


def _validate_deployment(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from number_at_least(0, spec, "spec", "replicas")
    yield from validate_template(spec, selecting=_REPLICATED)
    yield from _validate_strategy(spec["strategy"])
    yield from number_at_least(0, spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
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
        yield unsupported("spec.strategy", as_struct(strategy, "type", "rollingUpdate"), ("Recreate", "RollingUpdate"))
        return
    for bound in ("maxUnavailable", "maxSurge"):
        yield from number_or_percent(rolling[bound], f"{path}.{bound}")
    if all(is_none(rolling[bound]) for bound in ("maxUnavailable", "maxSurge")):
        shown = rolling["maxUnavailable"]
        yield invalid_value(f"{path}.maxUnavailable", shown, "may not be 0 when `maxSurge` is 0")
    yield from at_most_all(rolling["maxUnavailable"], f"{path}.maxUnavailable")


def is_none(bound: Any) -> bool:
    return bound in (0, "0%")


def number_or_percent(value: Any, where: str) -> Iterator[FieldError]:
    """A number or a percentage, of how many pods."""
    if isinstance(value, int):
        if value < 0:
            yield invalid_value(where, value, NOT_NEGATIVE)
    elif not _PERCENT.fullmatch(str(value)):
        yield invalid_value(where, value, _NO_PERCENT)


def at_most_all(value: Any, where: str) -> Iterator[FieldError]:
    """A percentage of at most 100."""
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        yield invalid_value(where, value, "must not be greater than 100%")


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
    warnings=template_warnings,
    generation=_deployment_generation,
)
REPLICA_SET = Strategy(
    default=_default_replica_set,
    create=drop_status,
    validate=validate_replica_set,
    validate_update=selector_stays,
    warnings=template_warnings,
    generation=spec_generation,
)
