"""Pods: defaults, quality of service, and which of their fields may still change
(`pkg/registry/core/pod`, Kubernetes v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field
from simulator.apiserver.objects import Object, copy_of, metadata
from simulator.apiserver.strategies.pod_defaults import containers, default_pod_spec, default_requests
from simulator.apiserver.strategies.pod_validation import validate_pod_spec
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.quantities import QuantityError, canonical

_MAY_NOT_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "lastProbeTime": None,
    "lastTransitionTime": None,
}
_QOS_RESOURCES = ("cpu", "memory")


def _default(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    default_requests(spec)
    spec.setdefault("enableServiceLinks", True)


def _create(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(pod.get("spec") or {})}
    if (pod.get("spec") or {}).get("schedulingGates"):
        pod["status"]["conditions"] = [dict(_GATED)]


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' requests and limits of cpu and memory."""
    stated, guaranteed = False, True
    for container in containers(spec):
        resources = container.get("resources") or {}
        limits = _relevant(resources.get("limits"))
        requests = _relevant(resources.get("requests"))
        stated = stated or bool(limits or requests)
        guaranteed = guaranteed and len(limits) == len(_QOS_RESOURCES) and limits == requests
    if not stated:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _relevant(listed: Object | None) -> dict[str, str]:
    found = {}
    for name in _QOS_RESOURCES:
        try:
            value = canonical((listed or {}).get(name, "0"))
        except QuantityError:  # validation refuses it right after
            continue
        if value != "0":
            found[name] = value
    return found


def _update_status(new: Object, old: Object) -> None:
    """A status write keeps the spec and the owners; labels and annotations pass, as on the real server."""
    metadata(new)["ownerReferences"] = metadata(old).get("ownerReferences")
    if metadata(new)["ownerReferences"] is None:
        del metadata(new)["ownerReferences"]
    status = new.setdefault("status", {})
    status["qosClass"] = (old.get("status") or {}).get("qosClass", "BestEffort")


def _validate(pod: Object) -> Iterator[FieldError]:
    yield from validate_pod_spec(pod.get("spec") or {}, "spec")


def _validate_update(new: Object, old: Object) -> Iterator[FieldError]:
    if _fixed_part(new, old) != old.get("spec"):
        yield forbidden_field("spec", _MAY_NOT_CHANGE)


def _fixed_part(new: Object, old: Object) -> Object:
    """The new spec with everything that may change set back to what it was."""
    spec: Object = copy_of(new.get("spec") or {})
    before = old.get("spec") or {}
    for group in ("containers", "initContainers"):
        for mine, theirs in zip(spec.get(group) or (), before.get(group) or (), strict=False):
            mine["image"] = theirs.get("image")
    for field in ("activeDeadlineSeconds", "schedulingGates"):
        spec.pop(field, None)
        if field in before:
            spec[field] = before[field]
    kept = before.get("tolerations") or []
    if all(one in (spec.get("tolerations") or []) for one in kept):
        spec["tolerations"] = kept
        if "tolerations" not in before:
            del spec["tolerations"]
    return spec


POD = Strategy(
    default=_default,
    create=_create,
    update_status=_update_status,
    validate=_validate,
    validate_update=_validate_update,
    generation=spec_generation,
)
