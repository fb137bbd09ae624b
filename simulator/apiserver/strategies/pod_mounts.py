"""Where a container finds its volumes: mounts and block devices (`pkg/apis/core/validation`, Kubernetes v1.36)."""

from collections.abc import Iterator, Mapping

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    invalid_value,
    not_found_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.forms import one_of, path_without_backsteps, relative_path

Volumes = Mapping[str, str]
"""The name of each volume that can be mounted, to its type."""

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_BLOCK_TYPES = ("persistentVolumeClaim", "ephemeral")


def mounts(container: Object, where: str, volumes: Volumes) -> Iterator[FieldError]:
    """Complaints about `volumeMounts`."""
    devices = {one.get("name"): one.get("devicePath") for one in items_at(container, "volumeDevices")}
    paths: set[str] = set()
    for index, mount in enumerate(items_at(container, "volumeMounts")):
        here, name, path = f"{where}[{index}]", str(mount.get("name") or ""), str(mount.get("mountPath") or "")
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield not_found_value(f"{here}.name", name)
        if not path:
            yield required(f"{here}.mountPath")
        if path in paths:
            yield invalid_value(f"{here}.mountPath", path, "must be unique")
        paths.add(path)
        if name in devices:
            yield invalid_value(f"{here}.name", name, "must not already exist in volumeDevices")
        if path in devices.values():
            yield invalid_value(f"{here}.mountPath", path, "must not already exist as a path in volumeDevices")
        yield from _inner_path(mount, where, here)
        yield from _spreading(mount, where, privileged=bool(at(container, "securityContext.privileged")))


def _inner_path(mount: Object, where: str, here: str) -> Iterator[FieldError]:
    inner, pattern = mount.get("subPath"), mount.get("subPathExpr")
    if inner:
        yield from relative_path(inner, f"{where}.subPath")
    if pattern:
        if inner:
            yield invalid_value(f"{here}.subPathExpr", pattern, "subPathExpr and subPath are mutually exclusive")
        yield from relative_path(pattern, f"{where}.subPathExpr")


def _spreading(mount: Object, where: str, *, privileged: bool) -> Iterator[FieldError]:
    """Mounts beneath the mount: which way they spread, and whether they are read-only too."""
    spread, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    yield from one_of(spread, f"{where}.mountPropagation", _PROPAGATIONS)
    if spread == "Bidirectional" and not privileged:
        why = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden_field(f"{where}.mountPropagation", why)
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            yield forbidden_field(f"{where}.recursiveReadOnly", "may only be specified when readOnly is true")
        if spread not in (None, "None"):
            why = "may only be specified when mountPropagation is None or not specified"
            yield forbidden_field(f"{where}.recursiveReadOnly", why)
    elif recursive is not None and recursive not in _RECURSIVE:
        yield unsupported(f"{where}.recursiveReadOnly", recursive, _RECURSIVE)


def devices(container: Object, where: str, volumes: Volumes) -> Iterator[FieldError]:
    """Complaints about `volumeDevices`."""
    mounted = {one.get("name"): one.get("mountPath") for one in items_at(container, "volumeMounts")}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(items_at(container, "volumeDevices")):
        here, name, path = f"{where}[{index}]", str(device.get("name") or ""), str(device.get("devicePath") or "")
        yield from _device_name(name, f"{here}.name", names, volumes)
        if not path:
            yield required(f"{here}.devicePath")
        if path in paths:
            yield invalid_value(f"{here}.devicePath", path, "must be unique")
        if list(path_without_backsteps(path, here)):
            yield invalid_value(f"{here}.devicePath", path, "can not contain backsteps ('..')")
        else:
            paths.add(path)
        if name in mounted:
            yield invalid_value(f"{here}.name", name, "must not already exist in volumeMounts")
        if path in mounted.values():
            yield invalid_value(f"{here}.devicePath", path, "must not already exist as a path in volumeMounts")
        names.add(name)


def _device_name(name: str, where: str, seen: set[str], volumes: Volumes) -> Iterator[FieldError]:
    if not name:
        yield required(where)
    elif name in seen:
        yield invalid_value(where, name, "must be unique")
    if name not in volumes:
        yield not_found_value(where, name)
    elif volumes[name] not in _BLOCK_TYPES:
        why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield invalid_value(where, name, why)
