"""Sources of volumes that pods and PersistentVolumes share (`pkg/apis/core/validation`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, invalid_value, required
from simulator.apiserver.names import subdomain_problems
from simulator.apiserver.objects import Object
from simulator.apiserver.strategies.forms import one_of, path_without_backsteps

_HOST_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip


def host_path(source: Object, where: str) -> Iterator[FieldError]:
    """A path on the node."""
    if not source.get("path"):
        yield required(f"{where}.path")
        return
    yield from path_without_backsteps(source["path"], f"{where}.path")
    yield from one_of(source.get("type"), f"{where}.type", _HOST_TYPES)


def nfs(source: Object, where: str) -> Iterator[FieldError]:
    """A path on an NFS server."""
    for field in ("server", "path"):
        if not source.get(field):
            yield required(f"{where}.{field}")
    if not str(source.get("path") or "").startswith("/"):
        yield invalid_value(f"{where}.path", source.get("path") or "", "must be an absolute path")


def csi_driver_name(name: str | None, where: str) -> Iterator[FieldError]:
    """The name of a driver, whatever its case."""
    if not name:
        yield required(where)
        return
    if len(name) > 63:
        yield FieldError(where, "FieldValueTooLong", "Too long: may not be more than 63 bytes")
    yield from (invalid_value(where, name, problem) for problem in subdomain_problems(name.lower()))
