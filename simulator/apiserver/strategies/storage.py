"""Volumes and their classes (`pkg/apis/core`, `pkg/apis/storage`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import qualified_name_problems, subdomain_problems
from simulator.apiserver.objects import Object, at, copy_of, items_at, metadata
from simulator.apiserver.strategies.claims import ACCESS_MODES, VOLUME_MODES, protect
from simulator.apiserver.strategies.forms import POSITIVE, fits, label_name, one_of
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.pod_placement import node_selector
from simulator.apiserver.strategies.strategy import Strategy
from simulator.apiserver.strategies.volume_sources import csi_driver_name, host_path, nfs
from simulator.quantities import parse

_NOT_SOURCES = frozenset(
    [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ]
)
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_IMMUTABLE_SOURCE = "spec.persistentvolumesource is immutable after creation"
_CSI_DEFAULTS = {
    "attachRequired": True,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "podInfoOnMount": False,
    "requiresRepublish": False,
    "seLinuxMount": False,
    "storageCapacity": False,
    "volumeLifecycleModes": ["Persistent"],
}


def _default_volume(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
    if isinstance(spec.get("hostPath"), dict):
        spec["hostPath"].setdefault("type", "")


def _create_volume(volume: Object) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": metadata(volume).get("creationTimestamp")}
    protect(volume, "kubernetes.io/pv-protection")


def _sources(spec: Object) -> list[str]:
    return [key for key in spec if key not in _NOT_SOURCES]


def _validate_volume(volume: Object) -> Iterator[FieldError]:
    spec = volume["spec"]
    modes, capacity = spec.get("accessModes") or [], spec.get("capacity") or {}
    if not modes:
        yield required("spec.accessModes")
    for mode in modes:
        yield from one_of(mode, "spec.accessModes", ACCESS_MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(ACCESS_MODES) != {"ReadWriteOncePod"}:
        yield forbidden_field("spec.accessModes", "may not use ReadWriteOncePod with other access modes")
    if not capacity:
        yield required("spec.capacity")
    if "storage" not in capacity:
        yield unsupported("spec.capacity", spec.get("capacity"), ("storage",))
    for name, amount in capacity.items():
        if parse(amount) <= 0:
            yield invalid_value(f"spec.capacity[{name}]", amount, POSITIVE)
    yield from one_of(spec["persistentVolumeReclaimPolicy"], "spec.persistentVolumeReclaimPolicy", _RECLAIM_POLICIES)
    yield from _validate_node_affinity(spec)
    yield from _validate_volume_source(spec)
    if spec.get("storageClassName"):
        yield from fits(spec["storageClassName"], "spec.storageClassName", subdomain_problems)
    yield from one_of(spec["volumeMode"], "spec.volumeMode", VOLUME_MODES)


def _validate_node_affinity(spec: Object) -> Iterator[FieldError]:
    affinity = spec.get("nodeAffinity")
    if affinity is None:
        return
    if affinity.get("required") is None:
        yield required("spec.nodeAffinity.required", "must specify required node constraints")
    else:
        yield from node_selector(affinity["required"], "spec.nodeAffinity.required")


def _validate_volume_source(spec: Object) -> Iterator[FieldError]:
    sources = _sources(spec)
    if not sources:
        yield required("spec", "must specify a volume type")
        return
    source, where = spec[sources[0]], f"spec.{sources[0]}"
    if sources[0] == "hostPath":
        yield from host_path(source, where)
        if source.get("path") == "/" and spec["persistentVolumeReclaimPolicy"] == "Recycle":
            why = "may not be 'recycle' for a hostPath mount of '/'"
            yield forbidden_field("spec.persistentVolumeReclaimPolicy", why)
    elif sources[0] == "nfs":
        yield from nfs(source, where)
    elif sources[0] == "local":
        if not source.get("path"):
            yield required(f"{where}.path")
        if spec.get("nodeAffinity") is None:
            yield required("spec.nodeAffinity", "Local volume requires node affinity")
    elif sources[0] == "csi":
        yield from csi_driver_name(source.get("driver"), f"{where}.driver")
        if not source.get("volumeHandle"):
            yield required(f"{where}.volumeHandle")
    yield from (forbidden_field(f"spec.{one}", "may not specify more than 1 volume type") for one in sources[1:])


def _volume_stays(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = new["spec"], old.get("spec") or {}
    if {key: mine[key] for key in _sources(mine)} != {key: theirs[key] for key in _sources(theirs)}:
        yield forbidden_field("spec.persistentvolumesource", _IMMUTABLE_SOURCE)
    if mine.get("volumeMode") != theirs.get("volumeMode"):
        yield immutable("volumeMode", mine.get("volumeMode"))


def _update_volume_status(new: Object, old: Object) -> None:
    if at(new, "status.phase") == at(old, "status.phase") and at(old, "status.lastPhaseTransitionTime"):
        new["status"].setdefault("lastPhaseTransitionTime", at(old, "status.lastPhaseTransitionTime"))


def _default_class(obj: Object) -> None:
    obj["reclaimPolicy"] = obj.get("reclaimPolicy") or "Delete"
    obj["volumeBindingMode"] = obj.get("volumeBindingMode") or "Immediate"


def _validate_class(obj: Object) -> Iterator[FieldError]:
    if not obj.get("provisioner"):
        yield required("provisioner")
    else:
        yield from fits(obj["provisioner"].lower(), "provisioner", qualified_name_problems)
    if "" in (obj.get("parameters") or {}):
        yield invalid_value("parameters", "", "field can not be empty.")
    yield from one_of(obj["reclaimPolicy"], "reclaimPolicy", ("Delete", "Retain"))
    yield from one_of(obj["volumeBindingMode"], "volumeBindingMode", ("Immediate", "WaitForFirstConsumer"))
    for index, term in enumerate(items_at(obj, "allowedTopologies")):
        for place, one in enumerate(items_at(term, "matchLabelExpressions")):
            yield from _topology(one, f"allowedTopologies[{index}].matchLabelExpressions[{place}]")


def _topology(one: Object, where: str) -> Iterator[FieldError]:
    values = one.get("values") or []
    if not values:
        yield required(f"{where}.values")
    for index, value in enumerate(values):
        if value in values[:index]:
            yield duplicate(f"{where}.values[{index}]", value)
    yield from label_name(one.get("key"), f"{where}.key")


def _validate_driver(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from one_of(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy", ("File", "None", "ReadWriteOnceWithFSType"))
    for mode in spec.get("volumeLifecycleModes") or ():
        yield from one_of(mode, "spec.volumeLifecycleModes", ("Persistent", "Ephemeral"))


def _class_stays(new: Object, old: Object) -> Iterator[FieldError]:
    for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if new.get(field) != old.get(field):
            yield immutable(field, new.get(field))


def _default_driver(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _CSI_DEFAULTS.items():
        spec.setdefault(field, copy_of(value))


VOLUME = Strategy(
    default=_default_volume,
    create=_create_volume,
    update_status=_update_volume_status,
    validate=_validate_volume,
    validate_update=_volume_stays,
)
STORAGE_CLASS = Strategy(default=_default_class, validate=_validate_class, validate_update=_class_stays)
ATTRIBUTES_CLASS = Strategy(create=lambda obj: protect(obj, "kubernetes.io/vac-protection"))
CSI_DRIVER = Strategy(default=_default_driver, create=drop_status, validate=_validate_driver)
