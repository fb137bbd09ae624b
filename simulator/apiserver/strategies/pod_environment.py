"""The environment of a container: names, and the references that values come from
(`pkg/apis/core/validation`, Kubernetes v1.36).
"""

import re
from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, invalid_value, required, unsupported
from simulator.apiserver.names import qualified_name_problems, subdomain_problems
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import config_key_problems, fits, present, relative_path
from simulator.quantities import canonical

_NAME = re.compile(r"[ -<>-~]+")
_NAME_MESSAGE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_TOO_MANY = "may not have more than one field specified at a time"
_IN_VARIABLES = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_IN_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_PATHS = frozenset(
    [*_IN_VARIABLES, *_IN_FILES, "spec.restartPolicy", "spec.schedulerName", "spec.host", "status.phase"]
)
_SUBSCRIPT = re.compile(r"(?P<path>[^\[\]]+)\['(?P<key>.*)'\]")
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS = {
    "cpu": (("1m", "1"), "1m and 1 are supported with the cpu resource"),
    "memory": (_BYTE_DIVISORS, f"{', '.join(_BYTE_DIVISORS)} are supported with the memory resource"),
    "ephemeral-storage": (
        _BYTE_DIVISORS,
        f"{', '.join(_BYTE_DIVISORS)} are supported with the local ephemeral storage resource",
    ),
}


def environment(container: Object, where: str) -> Iterator[FieldError]:
    """Complaints about `env` and `envFrom`."""
    for index, variable in enumerate(items_at(container, "env")):
        here = f"{where}.env[{index}]"
        yield from present(variable.get("name"), f"{here}.name", _name_problems)
        if variable.get("valueFrom") is not None:
            yield from _value_from(variable, f"{here}.valueFrom")
    for index, source in enumerate(items_at(container, "envFrom")):
        yield from _env_from(source, f"{where}.envFrom", index)


def _name_problems(name: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield _NAME_MESSAGE


def _value_from(variable: Object, where: str) -> Iterator[FieldError]:
    stated = {one: variable["valueFrom"][one] for one in _SOURCES if variable["valueFrom"].get(one) is not None}
    if "fieldRef" in stated:
        yield from field_reference(stated["fieldRef"], f"{where}.fieldRef", in_files=False)
    if "resourceFieldRef" in stated:
        yield from resource_reference(stated["resourceFieldRef"], f"{where}.resourceFieldRef", in_files=False)
    for one in ("configMapKeyRef", "secretKeyRef"):
        if one in stated:
            yield from fits(stated[one].get("name") or "", f"{where}.{one}.name", subdomain_problems)
            yield from present(stated[one].get("key"), f"{where}.{one}.key", config_key_problems)
    if "fileKeyRef" in stated:
        yield from _file_key(stated["fileKeyRef"], f"{where}.fileKeyRef")
    if not stated:
        yield invalid_value(where, "", _NO_SOURCE)
    elif variable.get("value"):
        yield invalid_value(where, "", "may not be specified when `value` is not empty")
    elif len(stated) > 1:
        yield invalid_value(where, "", _TOO_MANY)


def _file_key(reference: Object, where: str) -> Iterator[FieldError]:
    for field in ("key", "volumeName", "path"):
        if not reference.get(field):
            yield required(f"{where}.{field}")
    yield from relative_path(str(reference.get("path") or ""), f"{where}.path")


def field_reference(reference: Object, where: str, *, in_files: bool) -> Iterator[FieldError]:
    """A field of the pod, for a variable or for a file."""
    for field in ("apiVersion", "fieldPath"):
        if not reference.get(field):
            yield required(f"{where}.{field}")
            return
    path = str(reference["fieldPath"])
    problem = _no_field(str(reference["apiVersion"]), path)
    subscripted = _SUBSCRIPT.fullmatch(path)
    if problem:
        yield invalid_value(f"{where}.fieldPath", path, f"error converting fieldPath: {problem}")
    elif subscripted:
        key = subscripted["key"]
        key = key.lower() if subscripted["path"] == "metadata.annotations" else key
        yield from fits(key, where, qualified_name_problems)
    elif path not in (supported := _IN_FILES if in_files else _IN_VARIABLES):
        yield unsupported(f"{where}.fieldPath", path, supported)


def _no_field(version: str, path: str) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    subscripted = _SUBSCRIPT.fullmatch(path)
    if subscripted:
        known = subscripted["path"] in ("metadata.annotations", "metadata.labels")
        return "" if known else f"field label does not support subscript: {path}"
    return "" if path in _KNOWN_PATHS else f"field label not supported: {path}"


def resource_reference(reference: Object, where: str, *, in_files: bool) -> Iterator[FieldError]:
    """A container's request or limit, for a variable or for a file."""
    resource = str(reference.get("resource") or "")
    if in_files and not reference.get("containerName"):
        yield required(f"{where}.containerName")
    elif not resource:
        yield required(f"{where}.resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        yield unsupported(f"{where}.resource", resource, _RESOURCES)
    divisor = canonical(reference.get("divisor") or "0")
    supported, said = _DIVISORS.get(resource.partition(".")[2], ((), ""))
    if supported and divisor != "0" and divisor not in supported:
        yield invalid_value(f"{where}.divisor", resource, f"only divisor's values {said}")


def _env_from(source: Object, where: str, index: int) -> Iterator[FieldError]:
    here = f"{where}[{index}]"
    if source.get("prefix"):
        yield from fits(source["prefix"], f"{here}.prefix", _name_problems)
    stated = [one for one in ("configMapRef", "secretRef") if source.get(one) is not None]
    for one in stated:
        yield from present(source[one].get("name"), f"{here}.{one}.name", _prefix_problems)
    if len(stated) != 1:
        yield invalid_value(where, "", _TOO_MANY if stated else "must specify one of: `configMapRef` or `secretRef`")


def _prefix_problems(name: str) -> Iterator[str]:
    """Of a name that more may be appended to: it may end in a hyphen."""
    yield from subdomain_problems(f"{name[:-1]}a" if name.endswith("-") else name)
