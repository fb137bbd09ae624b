"""Reading the cluster: GET and nothing else, whatever it is asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

from incidents.objects import NAMESPACE, POD, ClusterId, Kind, ObjectRef
from tools.cluster.errors import NotFound
from tools.cluster.transport import Query, Transport, parse_object

PAGE = 500  # objects; the page size the API server's own clients use
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")  # an RFC 1123 subdomain, as every kind read here is named


class Reader:
    """Reads objects, lists and logs as raw JSON. Raises ClusterError.

    ``secret_keys``: whether the optional role that lets Secrets be listed has been granted. It is for who would ask:
    without it nobody does, and nothing is known of them.
    """

    def __init__(self, transport: Transport, *, secret_keys: bool = False) -> None:
        self._transport = transport
        self.secret_keys = secret_keys
        self.requests = 0  # every GET so far, so that a caller can keep a budget

    @property
    def server(self) -> str:
        """The API server's address without its path, which may carry a credential."""
        address = urlsplit(self._transport.server)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"

    async def cluster_id(self) -> ClusterId:
        """What identifies the cluster: the uid of its kube-system namespace."""
        namespace = await self.get(NAMESPACE, "", "kube-system")
        return ClusterId(namespace["metadata"]["uid"])

    async def version(self) -> str:
        """The API server's version."""
        return str(parse_object(await self._get("/version")).get("gitVersion", "unknown"))

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        """One object. Raises NotFound when there is none, or can be none of that name."""
        _check_names(name, namespace)
        return _without_nulls(parse_object(await self._get(kind.path(namespace, name))))

    async def find(self, ref: ObjectRef) -> dict[str, Any] | None:
        """The object a reference names, or None if it is gone or the name belongs to another object now."""
        if ref.known_kind is None:
            return None
        try:
            found = await self.get(ref.known_kind, ref.namespace, ref.name)
        except NotFound:
            return None
        return found if not ref.uid or found["metadata"]["uid"] == ref.uid else None

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects of a kind, page by page, each with the kind and apiVersion that list items lack."""
        return [item async for item in self.each(kind, namespace, labels=labels, fields=fields)]

    async def each(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Like ``list``, one object at a time, so that a large cluster is never held at once."""
        query: dict[str, str | int] = {"limit": PAGE}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        while True:
            page = parse_object(await self._get(kind.path(namespace), query))
            for item in page.get("items") or ():
                yield as_object(kind, item)
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool, lines: int, limit_bytes: int
    ) -> str:
        """The end of a container's log, bounded on the server by lines and here by bytes."""
        _check_names(pod, namespace)
        query: dict[str, str | int] = {"container": container, "tailLines": lines}
        if previous:
            query["previous"] = "true"
        text = (await self._get(POD.path(namespace, pod, subresource="log"), query)).decode(errors="replace")
        return text[-limit_bytes:]

    def stream(
        self, path: str, query: Query, *, silence_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A watch's bytes as they come."""
        self.requests += 1
        return self._transport.stream(path, query, silence_seconds=silence_seconds)

    async def page(self, path: str, query: Query) -> dict[str, Any]:
        """One answer of a list, with its metadata."""
        return parse_object(await self._get(path, query))

    async def renew(self) -> bool:
        """Read the credentials again; whether they have changed, the server's address among them."""
        return await self._transport.renew()

    async def raw(self, path: str, query: Query) -> bytes:
        """One answer as it came."""
        return await self._get(path, query)

    async def _get(self, path: str, query: Query | None = None) -> bytes:
        self.requests += 1
        return await self._transport.read(path, query)


def as_object(kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
    """An object of a list, with the kind that it lacks there."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **_without_nulls(item)}


def _without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    """The object without the nulls in it and in its parts: they say as little as a field that is not there."""
    return {
        key: {name: field for name, field in value.items() if field is not None} if isinstance(value, dict) else value
        for key, value in item.items()
        if value is not None
    }


def _check_names(name: str, namespace: str) -> None:
    """Names come from events and owner references, which strangers write: ``../secrets/x`` is a path, not a name."""
    if not _NAME.fullmatch(name) or (namespace and not _NAME.fullmatch(namespace)):
        raise NotFound(f"no object can have the name {name[:80]!r} in namespace {namespace[:80]!r}")
