"""Pods: defaults, quality of service, and which of their fields may still change
(`pkg/registry/core/pod`, Kubernetes v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value, required
from simulator.apiserver.objects import Object, copy_of, metadata
from simulator.apiserver.strategies.pod_containers import only_in_pods
from simulator.apiserver.strategies.pod_defaults import containers, default_pod_spec, default_requests
from simulator.apiserver.strategies.pod_validation import only_on_create, validate_pod_spec
from simulator.apiserver.strategies.pod_warnings import pod_warnings
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
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
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


def _validate_new(pod: Object) -> Iterator[FieldError]:
    yield from only_on_create(pod.get("spec") or {})


def _warnings(pod: Object) -> Iterator[str]:
    yield from pod_warnings(pod.get("spec") or {}, "spec")


def _validate_update(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = new.get("spec") or {}, old.get("spec") or {}
    for group in ("containers", "initContainers"):
        if len(mine.get(group) or ()) != len(theirs.get(group) or ()):
            yield forbidden_field(f"spec.{group}", "pod updates may not add or remove containers")
            return
    yield from _images(mine)
    refused = list(_deadline_stays(mine, theirs))
    yield from refused
    if refused:
        return
    kept = mine.get("tolerations") or []
    if not all(any(_same_toleration(one, other) for other in kept) for one in theirs.get("tolerations") or ()):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden_field("spec.tolerations", why)
    before = {gate.get("name") for gate in theirs.get("schedulingGates") or ()}
    for index, gate in enumerate(mine.get("schedulingGates") or ()):
        if gate.get("name") not in before:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield forbidden_field(f"spec.schedulingGates[{index}].name", why)
    if _fixed_part(new, old) != theirs:
        yield forbidden_field("spec", _MAY_NOT_CHANGE)


def _images(spec: Object) -> Iterator[FieldError]:
    """Told twice, as by the real server: of any pod, and of one that changes."""
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            if not container.get("image"):
                yield required(f"spec.{group}[{index}].image")
    yield from only_in_pods(spec, "spec")


def _deadline_stays(mine: Object, theirs: Object) -> Iterator[FieldError]:
    """A deadline may be set once, and brought forward."""
    before, after = theirs.get("activeDeadlineSeconds"), mine.get("activeDeadlineSeconds")
    if before is None:
        return
    if after is None:
        why = "must not update from a positive integer to nil value"
        yield invalid_value("spec.activeDeadlineSeconds", None, why)
    elif after > before:
        why = "must be less than or equal to previous value"
        yield invalid_value("spec.activeDeadlineSeconds", after, why)


def _same_toleration(one: Object, other: Object) -> bool:
    return {**one, "tolerationSeconds": None} == {**other, "tolerationSeconds": None}


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
    spec.pop("tolerations", None)
    if "tolerations" in before:
        spec["tolerations"] = before["tolerations"]
    return spec


POD = Strategy(
    default=_default,
    create=_create,
    update_status=_update_status,
    validate=_validate,
    validate_new=_validate_new,
    validate_update=_validate_update,
    warnings=_warnings,
    generation=spec_generation,
)
