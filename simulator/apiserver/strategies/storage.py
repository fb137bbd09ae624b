"""Claims, volumes and their classes (`pkg/apis/core`, `pkg/apis/storage`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, copy_of, metadata
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.strategy import Strategy
from simulator.quantities import QuantityError, parse

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
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
_IMMUTABLE_CLAIM = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
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


def _protect(obj: Object, finalizer: str) -> None:
    found = metadata(obj).get("finalizers") or []
    if finalizer not in found:
        metadata(obj)["finalizers"] = [*found, finalizer]


def default_claim(claim: Object) -> None:
    """A claim of its own, or a template of one."""
    spec = claim.setdefault("spec", {})
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
    status = claim["status"] = claim.get("status") or {}
    status["phase"] = status.get("phase") or "Pending"


def _create_claim(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}
    _protect(claim, "kubernetes.io/pvc-protection")


def _validate_claim(claim: Object) -> Iterator[FieldError]:
    spec = claim["spec"]
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    yield from (unsupported("spec.accessModes", one, _ACCESS_MODES) for one in modes if one not in _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden_field("spec.accessModes", "may not use ReadWriteOncePod with other access modes")
    size = at(spec, "resources.requests.storage")
    if size is None:
        yield required("spec.resources[storage]")
    elif parse(size) <= 0:
        yield invalid_value("spec.resources[storage]", size, "must be greater than zero")


def _claim_stays(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = copy_of(new["spec"]), copy_of(old.get("spec") or {})
    bound = at(old, "status.phase") == "Bound"
    before, after = at(theirs, "resources.requests.storage"), at(mine, "resources.requests.storage")
    if bound:
        for spec in (mine, theirs):
            (spec.get("resources") or {}).pop("requests", None)
            spec.pop("volumeAttributesClassName", None)
    if not theirs.get("volumeName"):  # the binder sets it once
        theirs["volumeName"] = mine.get("volumeName")
        theirs = {key: value for key, value in theirs.items() if value is not None}
    if theirs.get("storageClassName") is None and mine.get("storageClassName") is not None and not bound:
        mine.pop("storageClassName")  # a claim that was left without a class may be given one
    if mine != theirs:
        yield forbidden_field("spec", _IMMUTABLE_CLAIM)
        if mine.get("volumeMode") != theirs.get("volumeMode"):
            yield immutable("volumeMode", mine.get("volumeMode"))
    elif bound and before and after and _less(after, before, old):
        yield forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity")


def _less(after: str, before: str, old: Object) -> bool:
    floor = at(old, "status.capacity.storage")
    try:
        return parse(after) < parse(floor or before)
    except QuantityError:
        return True


def _default_volume(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
    if isinstance(spec.get("hostPath"), dict):
        spec["hostPath"].setdefault("type", "")


def _create_volume(volume: Object) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": metadata(volume).get("creationTimestamp")}
    _protect(volume, "kubernetes.io/pv-protection")


def _sources(spec: Object) -> list[str]:
    return [key for key in spec if key not in _NOT_SOURCES]


def _validate_volume(volume: Object) -> Iterator[FieldError]:
    spec = volume["spec"]
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    if not spec.get("capacity"):
        yield required("spec.capacity")
    if "storage" not in (spec.get("capacity") or {}):
        yield unsupported("spec.capacity", spec.get("capacity"), ("storage",))
    sources = _sources(spec)
    if not sources:
        yield required("spec", "must specify a volume type")
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
    for field, words in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        if obj[field] not in words:
            yield unsupported(field, obj[field], words)


def _class_stays(new: Object, old: Object) -> Iterator[FieldError]:
    for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if new.get(field) != old.get(field):
            yield immutable(field, new.get(field))


def _default_driver(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _CSI_DEFAULTS.items():
        spec.setdefault(field, copy_of(value))


CLAIM = Strategy(default=default_claim, create=_create_claim, validate=_validate_claim, validate_update=_claim_stays)
VOLUME = Strategy(
    default=_default_volume,
    create=_create_volume,
    update_status=_update_volume_status,
    validate=_validate_volume,
    validate_update=_volume_stays,
)
STORAGE_CLASS = Strategy(default=_default_class, validate=_validate_class, validate_update=_class_stays)
ATTRIBUTES_CLASS = Strategy(create=lambda obj: _protect(obj, "kubernetes.io/vac-protection"))
CSI_DRIVER = Strategy(default=_default_driver, create=drop_status)
