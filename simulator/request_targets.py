"""Which object a request wrote to, and which of its fields. Pure; for request logs and audit logs alike."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from simulator.pointers import escape, leaves
from simulator.scenario_kinds import KINDS

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/(?!finalize|status)))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>.+))?"
)
_KINDS = {(resource.group, resource.plural): resource.kind for resource in KINDS.values()}
_ALL_OF_THEM = "*"
_MAPS = ("/metadata/annotations", "/metadata/labels")


class Request(Protocol):
    """One answered request, from the server's log or from an audit log."""

    @property
    def user(self) -> str: ...
    @property
    def verb(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def code(self) -> int: ...
    @property
    def dry_run(self) -> bool: ...
    @property
    def body(self) -> bytes | None: ...


@dataclass(frozen=True)
class Target:
    """An object by what a request's path says of it; ``kind`` is the plural where nobody here knows better."""

    api_version: str
    kind: str
    namespace: str
    name: str
    subresource: str = ""

    @property
    def object(self) -> "Target":
        """The same without the subresource it was reached through."""
        return replace(self, subresource="")

    @property
    def key(self) -> str:
        """As dumps call it."""
        return f"{self.api_version}/{self.kind}/{self.namespace}/{self.name}"


def writes_of(requests: Iterable[Request]) -> Iterator[tuple[Target, Request]]:
    """Every request that the server accepted and that may have changed something."""
    for request in requests:
        if request.verb in _WRITES and request.code < 400 and not is_rehearsal(request):
            yield target_of(request), request


def is_rehearsal(request: Request) -> bool:
    """Whether the server kept nothing of it.

    A deletion with a body is told by that alone (DeleteResource in apiserver's handlers/delete.go): a dry run that only
    its query asks for is a deletion.
    """
    if request.verb != "delete" or not request.body:
        return request.dry_run
    try:
        options = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(options, Mapping) and options.get("dryRun") == ["All"]


def target_of(request: Request) -> Target:
    """The object a request names; a created one's name is in its body."""
    found = _PATH.fullmatch(request.path.partition("?")[0].rstrip("/"))
    if found is None:
        return Target("", request.path, "", _ALL_OF_THEM)
    group, version, plural = found["group"] or "", found["version"], found["plural"]
    name = found["name"] or _name_in_body(request) or _ALL_OF_THEM
    api_version = f"{group}/{version}" if group else version
    kind = _KINDS.get((group, plural), plural)
    return Target(api_version, kind, found["namespace"] or "", name, found["subresource"] or "")


def touched_pointers(request: Request) -> set[str]:
    """The JSON pointers a write names; empty when the body says nothing (a delete, a forgotten body).

    Of a JSON Patch these are its operations' paths, tests aside; of any other body its leaves. A Scale's leaf
    ``/spec/replicas`` is the workload's own.
    """
    try:
        body = orjson.loads(request.body) if request.body else None
    except orjson.JSONDecodeError:
        return set()
    if isinstance(body, list):
        operations = [item for item in body if isinstance(item, Mapping) and item.get("op") != "test"]
        return {pointer for item in operations for pointer in _operation_pointers(item)}
    if not isinstance(body, Mapping) or request.verb == "delete":
        return set()
    return {pointer for key, value in body.items() for pointer in leaves(value, f"/{escape(key)}")}


def writes_zero_replicas(request: Request) -> bool:
    """Whether the write asks for no replicas at all, if only for a while."""
    try:
        body: Any = orjson.loads(request.body) if request.body else None
    except orjson.JSONDecodeError:
        return False
    if isinstance(body, list):
        return any(
            item.get("path") == "/spec/replicas" and item.get("value") == 0
            for item in body
            if isinstance(item, Mapping) and item.get("op") != "test"
        )
    spec = body.get("spec") if isinstance(body, Mapping) else None
    return isinstance(spec, Mapping) and spec.get("replicas") == 0


def _operation_pointers(operation: Mapping[str, Any]) -> set[str]:
    path = str(operation.get("path", ""))
    if path in _MAPS and isinstance(operation.get("value"), Mapping):
        return set(leaves(operation["value"], path))
    return {path, str(operation["from"])} if operation.get("op") == "move" else {path}


def _name_in_body(request: Request) -> str:
    try:
        body: Any = orjson.loads(request.body) if request.body else None
    except orjson.JSONDecodeError:
        return ""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return str(metadata.get("name") or metadata.get("generateName") or "")
