"""The volumes of a pod: exactly one source each, and what that source has to say
(`pkg/apis/core/validation`, Kubernetes v1.36).

Judged are the sources that work without a cloud: the rest are counted and otherwise taken as they come.
"""

from collections.abc import Callable, Iterator
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.claims import validate_claim_spec
from simulator.apiserver.strategies.forms import file_in_volume, file_mode, label
from simulator.apiserver.strategies.pod_environment import field_reference, resource_reference
from simulator.apiserver.strategies.volume_sources import csi_driver_name, host_path, nfs
from simulator.quantities import parse

_ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
"""The order in which the real server looks: the first source stands, the others are too many."""

_SECONDS = (600, 2**32)
_CONFLICT = "conflicting duplicate paths"
Check = Callable[[Any, str], Iterator[FieldError]]


def volumes(spec: Object, where: str) -> tuple[list[FieldError], dict[str, str]]:
    """Complaints, and the volumes that can be mounted: those without a complaint, by their type."""
    errors: list[FieldError] = []
    usable: dict[str, str] = {}
    for index, volume in enumerate(items_at(spec, "volumes")):
        here, name = f"{where}[{index}]", str(volume.get("name") or "")
        found = [*_source(volume, here), *label(name, f"{here}.name")]
        if name in usable:
            found.append(duplicate(f"{here}.name", name))
        if not found:
            usable[name] = next(one for one in _ORDER if volume.get(one) is not None)
        errors += found
    return errors, usable


def _source(volume: Object, where: str) -> Iterator[FieldError]:
    stated = [one for one in _ORDER if volume.get(one) is not None]
    if not stated:
        yield required(where, "must specify a volume type")
        return
    check = _CHECKS.get(stated[0])
    if check is not None:
        yield from check(volume[stated[0]], f"{where}.{stated[0]}")
    yield from (forbidden_field(f"{where}.{one}", "may not specify more than 1 volume type") for one in stated[1:])


def _empty(source: Object, where: str) -> Iterator[FieldError]:
    if parse(source.get("sizeLimit") or "0") < 0:
        yield forbidden_field(f"{where}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _secret(source: Object, where: str) -> Iterator[FieldError]:
    if not source.get("secretName"):
        yield required(f"{where}.secretName")
    yield from _files(source, where)


def _config_map(source: Object, where: str) -> Iterator[FieldError]:
    if not source.get("name"):
        yield required(f"{where}.name")
    yield from _files(source, where)


def _files(source: Object, where: str) -> Iterator[FieldError]:
    yield from file_mode(source.get("defaultMode"), f"{where}.defaultMode")
    for index, item in enumerate(items_at(source, "items")):
        yield from _key_to_path(item, f"{where}.items[{index}]")


def _key_to_path(item: Object, where: str) -> Iterator[FieldError]:
    for field in ("key", "path"):
        if not item.get(field):
            yield required(f"{where}.{field}")
    yield from file_in_volume(item.get("path"), f"{where}.path")
    yield from file_mode(item.get("mode"), f"{where}.mode")


def _claim(source: Object, where: str) -> Iterator[FieldError]:
    if not source.get("claimName"):
        yield required(f"{where}.claimName")


def _csi(source: Object, where: str) -> Iterator[FieldError]:
    yield from csi_driver_name(source.get("driver"), f"{where}.driver")


def _downward(source: Object, where: str) -> Iterator[FieldError]:
    yield from file_mode(source.get("defaultMode"), f"{where}.defaultMode")
    for item in items_at(source, "items"):
        yield from _downward_file(item, where)


def _downward_file(item: Object, where: str) -> Iterator[FieldError]:
    """The real server says nothing of which item it means."""
    if not item.get("path"):
        yield required(f"{where}.path")
    yield from file_in_volume(item.get("path"), f"{where}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        yield from field_reference(field, f"{where}.fieldRef", in_files=True)
        if resource is not None:
            why = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield invalid_value(where, "resource", why)
    elif resource is not None:
        yield from resource_reference(resource, f"{where}.resourceFieldRef", in_files=True)
    else:
        yield required(where, "one of fieldRef and resourceFieldRef is required")
    yield from file_mode(item.get("mode"), f"{where}.mode")


def _projected(source: Object, where: str) -> Iterator[FieldError]:
    yield from file_mode(source.get("defaultMode"), f"{where}.defaultMode")
    paths: set[str] = set()
    for index, part in enumerate(items_at(source, "sources")):
        here = f"{where}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if part.get(kind) is not None:
                yield from _projected_keys(part[kind], f"{here}.{kind}", where, paths)
        for item in items_at(part, "downwardAPI.items"):
            yield from _downward_file(item, f"{here}.downwardAPI")
            yield from _fresh(item.get("path"), item.get("path"), where, paths)
        if part.get("serviceAccountToken") is not None:
            yield from _token(part["serviceAccountToken"], f"{here}.serviceAccountToken", where)
        if sum(one is not None for one in part.values()) > 1:
            yield forbidden_field(here, "may not specify more than 1 volume type per source")


def _projected_keys(part: Object, here: str, where: str, paths: set[str]) -> Iterator[FieldError]:
    if not part.get("name"):
        yield required(f"{here}.name")
    for index, item in enumerate(items_at(part, "items")):
        yield from _key_to_path(item, f"{here}.items[{index}]")
        yield from _fresh(item.get("path"), part.get("name"), where, paths)


def _fresh(path: str | None, shown: Any, where: str, paths: set[str]) -> Iterator[FieldError]:
    """Two sources must not write the same file."""
    if path and path in paths:
        yield invalid_value(where, shown, _CONFLICT)
    paths.add(str(path))


def _token(token: Object, here: str, where: str) -> Iterator[FieldError]:
    seconds = token.get("expirationSeconds") or 0
    if seconds < _SECONDS[0]:
        yield invalid_value(f"{here}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > _SECONDS[1]:
        why = "may not specify a duration larger than 2^32 seconds"
        yield invalid_value(f"{here}.expirationSeconds", seconds, why)
    if not token.get("path"):
        yield required(f"{where}.path")
    else:
        yield from file_in_volume(token["path"], f"{where}.path")


def _ephemeral(source: Object, where: str) -> Iterator[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        yield required(f"{where}.volumeClaimTemplate")
    else:
        yield from validate_claim_spec(template.get("spec") or {}, f"{where}.volumeClaimTemplate.spec")


def _image(source: Object, where: str) -> Iterator[FieldError]:
    if not source.get("reference"):
        yield required(f"{where}.reference")
    policy, words = source.get("pullPolicy"), ("Always", "IfNotPresent", "Never")
    if policy and policy not in words:
        yield unsupported(f"{where}.pullPolicy", policy, words)


_CHECKS: dict[str, Check] = {
    "emptyDir": _empty,
    "hostPath": host_path,
    "secret": _secret,
    "nfs": nfs,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward,
    "configMap": _config_map,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
