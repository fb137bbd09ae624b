"""Claims of volumes, alone and as templates in other kinds (`pkg/apis/core`, Kubernetes v1.36)."""

import json
from collections.abc import Iterator
from difflib import unified_diff

from simulator.apiserver.field_errors import FieldError, forbidden_field, immutable, invalid_value, required
from simulator.apiserver.names import subdomain_problems
from simulator.apiserver.objects import Object, at, copy_of, metadata
from simulator.apiserver.strategies.forms import POSITIVE, as_struct, fits, label_selector, one_of
from simulator.apiserver.strategies.pod_warnings import fractions
from simulator.apiserver.strategies.strategy import Strategy
from simulator.quantities import parse

VOLUME_MODES = ("Block", "Filesystem")
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_IMMUTABLE_CLAIM = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def protect(obj: Object, finalizer: str) -> None:
    """Puts a finalizer on a new object."""
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
    protect(claim, "kubernetes.io/pvc-protection")


def _validate_claim(claim: Object) -> Iterator[FieldError]:
    yield from validate_claim_spec(claim["spec"], "spec")


def validate_claim_spec(spec: Object, where: str) -> Iterator[FieldError]:
    """Complaints about a claim's spec, alone or in a template; `where` it stands."""
    modes = spec.get("accessModes") or []
    if not modes:
        yield required(f"{where}.accessModes", "at least 1 access mode is required")
    yield from label_selector(spec.get("selector"), f"{where}.selector")
    for mode in modes:
        yield from one_of(mode, f"{where}.accessModes", ACCESS_MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(ACCESS_MODES) != {"ReadWriteOncePod"}:
        yield forbidden_field(f"{where}.accessModes", "may not use ReadWriteOncePod with other access modes")
    size, field = at(spec, "resources.requests.storage"), f"{where}.resources[storage]"
    if size is None:
        yield required(field)
    elif parse(size) <= 0:
        yield invalid_value(field, size, POSITIVE)
    if spec.get("storageClassName"):
        yield from fits(spec["storageClassName"], f"{where}.storageClassName", subdomain_problems)
    yield from one_of(spec.get("volumeMode"), f"{where}.volumeMode", VOLUME_MODES)


def _claim_stays(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = copy_of(new["spec"]), copy_of(old.get("spec") or {})
    bound = at(old, "status.phase") == "Bound"
    before, after = at(theirs, "resources.requests.storage"), at(mine, "resources.requests.storage")
    if bound:
        mine.get("resources", {}).get("requests", {})["storage"] = before
        _keep(mine, theirs, "volumeAttributesClassName")
    if not theirs.get("volumeName"):  # the binder sets it once
        _keep(theirs, mine, "volumeName")
    if theirs.get("storageClassName") is None:  # a claim that was left without a class may be given one
        _keep(mine, theirs, "storageClassName")
    if mine != theirs:
        yield forbidden_field("spec", f"{_IMMUTABLE_CLAIM}\n{_difference(theirs, mine)}")
    floor = at(old, "status.capacity.storage") or "0"
    if before and after and parse(after) < parse(before) and parse(after) <= parse(floor):
        yield forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity")
    if mine.get("volumeMode") != theirs.get("volumeMode"):
        yield immutable("volumeMode", mine.get("volumeMode"))


def _keep(spec: Object, like: Object, field: str) -> None:
    spec.pop(field, None)
    if like.get(field) is not None:
        spec[field] = like[field]


def _difference(old: Object, new: Object) -> str:
    """What changes, as the real server shows it: a unified diff of its internal types written as JSON."""
    before, after = (_as_shown(spec) for spec in (old, new))
    return "".join(unified_diff(before, after, "", "", n=3))[len("--- \n+++ \n") :]


def _as_shown(spec: Object) -> list[str]:
    resources = spec.get("resources") or {}
    shown = as_struct(
        {**spec, "resources": as_struct(resources, "limits", "requests")},
        "accessModes", "selector", "resources", "volumeName", "storageClassName", "volumeMode", "dataSource",
        "dataSourceRef", "volumeAttributesClassName",
    )  # fmt: skip
    shown["VolumeName"] = spec.get("volumeName") or ""
    return json.dumps(shown, indent=1).splitlines(keepends=True)


def _claim_warnings(claim: Object) -> Iterator[str]:
    yield from fractions(at(claim, "spec.resources.requests"), "spec.resources.requests", ("storage",))


CLAIM = Strategy(
    default=default_claim,
    create=_create_claim,
    validate=_validate_claim,
    validate_update=_claim_stays,
    warnings=_claim_warnings,
)
