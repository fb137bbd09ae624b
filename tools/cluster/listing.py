"""Lists of what stands beside a subject, for evidence: bounded, and without anything that nobody may keep.

Of ConfigMaps and Secrets only the names of the keys come out of here: the values are bytes that are never decoded and
go with the page they came in. Of nodes, which carry the names of hundreds of images, only what scheduling looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import msgspec

from incidents.objects import CONFIG_MAP, NODE, SECRET, Kind
from tools.cluster.errors import ClusterError
from tools.cluster.reader import PAGE, Reader, as_object

MOST = 1_000  # objects of one kind; more would be no evidence but a dump
PAGE_OF_CONTENTS = 50  # objects that may be a mebibyte each: what they hold comes with them, and goes with the page


class TooMany(ClusterError):
    """There are more objects of a kind than evidence may hold."""


class _Metadata(TypedDict):
    name: str
    uid: str
    namespace: NotRequired[str | None]
    labels: NotRequired[dict[str, str] | None]
    creationTimestamp: NotRequired[str | None]
    deletionTimestamp: NotRequired[str | None]
    ownerReferences: NotRequired[list[dict[str, Any]] | None]


class _Keyed(TypedDict):
    metadata: _Metadata
    type: NotRequired[str | None]
    data: NotRequired[dict[str, msgspec.Raw] | None]
    binaryData: NotRequired[dict[str, msgspec.Raw] | None]


class _NodeSpec(TypedDict):
    taints: NotRequired[list[dict[str, Any]] | None]
    unschedulable: NotRequired[bool | None]


class _NodeStatus(TypedDict):
    allocatable: NotRequired[dict[str, str] | None]
    conditions: NotRequired[list[dict[str, Any]] | None]
    nodeInfo: NotRequired[dict[str, Any] | None]


class _Node(TypedDict):
    metadata: _Metadata
    spec: NotRequired[_NodeSpec | None]
    status: NotRequired[_NodeStatus | None]


class _Page(msgspec.Struct):
    metadata: dict[str, Any] = {}
    items: list[msgspec.Raw] | None = None


_pages = msgspec.json.Decoder(_Page)
_keyed = msgspec.json.Decoder(_Keyed)
_node = msgspec.json.Decoder(_Node)
_anything = msgspec.json.Decoder(dict[str, Any])


async def list_beside(reader: Reader, kind: Kind, namespace: str, *, fields: str = "") -> list[dict[str, Any]]:
    """The objects of a kind in a namespace; of the whole cluster where the kind has none, or the namespace is empty.

    Raises ClusterError, and TooMany for more than ``MOST``.
    """
    query: dict[str, str | int] = {"limit": PAGE_OF_CONTENTS if kind in (CONFIG_MAP, SECRET) else PAGE}
    if fields:
        query["fieldSelector"] = fields
    found: list[dict[str, Any]] = []
    while True:
        body = await reader.raw(kind.path(namespace if kind.namespaced else ""), query)
        try:
            page = _pages.decode(body)
            found += [as_object(kind, _shape(kind)(raw)) for raw in page.items or ()]
        except msgspec.DecodeError as error:
            raise ClusterError(f"the list of {kind.plural} cannot be read: {error}") from error
        token = page.metadata.get("continue")
        if len(found) > MOST or (token and len(found) >= MOST):
            raise TooMany(f"there are more than {MOST} {kind.plural}")
        if not token:
            return found
        query["continue"] = str(token)


def _shape(kind: Kind) -> Callable[[msgspec.Raw], dict[str, Any]]:
    if kind in (CONFIG_MAP, SECRET):
        return _with_key_names
    if kind == NODE:
        return lambda raw: dict(_node.decode(raw))
    return _anything.decode


def _with_key_names(raw: msgspec.Raw) -> dict[str, Any]:
    """The object with its keys, each with an empty value."""
    item = _keyed.decode(raw)
    keys = [*(item.get("data") or ()), *(item.get("binaryData") or ())]
    return {"metadata": item["metadata"], "type": item.get("type"), "data": dict.fromkeys(sorted(keys), "")}
