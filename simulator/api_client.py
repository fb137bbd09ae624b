"""A raw-JSON client of a Kubernetes API server, as thin as the controllers need it.

Objects are plain dicts exactly as the server sent them: nothing is dropped, nothing is validated. The same
client talks to the embedded API server (http, token) and to a real kube-apiserver (https, token, CA file).
It refuses to retry: whoever calls knows whether the request may be repeated.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

Body = Mapping[str, Any] | list[dict[str, Any]]
"""An object, or the operations of a JSON Patch."""

_REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Connection:
    """Where the API server is and as whom to speak to it. ``ca_file`` is needed for https only."""

    server: str
    token: str | None = None
    ca_file: str | None = None
    user_agent: str = "embedded-cluster"


@dataclass(frozen=True)
class Resource:
    """One kind of the API, with what its paths are made of. ``group`` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``, as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of a subresource."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, *(part for part in (name, subresource) if part)]
        return "/".join(parts)


class ApiError(Exception):
    """The server refused, or could not be reached (``code`` 0). Built from the Status body."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message

    def __repr__(self) -> str:
        return f"ApiError({self.code}, {self.reason!r}, {self.message!r})"


class ApiClient:
    """An async context manager around one HTTP session. Every method raises ``ApiError`` and nothing else."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"User-Agent": self.connection.user_agent, "Accept": "application/json"}
        if self.connection.token:
            headers["Authorization"] = f"Bearer {self.connection.token}"
        self._session = aiohttp.ClientSession(
            self.connection.server,
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, ssl=_tls(self.connection)),
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object, live from the server."""
        return await self.request("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> dict[str, Any]:
        """The raw list object: ``items`` and ``metadata.resourceVersion``."""
        query = _selectors(label_selector, field_selector)
        return await self.request("GET", resource.path(namespace), query=query)

    async def create(self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None) -> dict[str, Any]:
        """Create; the namespace defaults to the body's own."""
        where = namespace or body.get("metadata", {}).get("namespace")
        return await self.request("POST", resource.path(where), body=body)

    async def update(
        self, resource: Resource, body: Mapping[str, Any], *, subresource: str | None = None
    ) -> dict[str, Any]:
        """Replace the object that the body's metadata names; 409 when its resourceVersion is stale."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self.request("PUT", path, body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        content_type: str = MERGE_PATCH,
    ) -> dict[str, Any]:
        """Patch with any of the content types the server knows."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body=body, content_type=content_type)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> dict[str, Any]:
        """Delete one object; returns what the server answers: the object if it lingers, else a Status."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy is not None:
            options["propagationPolicy"] = propagation_policy
        return await self.request("DELETE", resource.path(namespace, name), body=options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Any request that answers with one JSON object."""
        headers = {"Content-Type": content_type} if body is not None else {}
        data = orjson.dumps(body) if body is not None else None
        try:
            async with self._open.request(method, path, params=query, data=data, headers=headers) as response:
                raw = await response.read()
                if response.status >= 400:
                    raise _error(response.status, raw)
                answer: dict[str, Any] = orjson.loads(raw)
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "ConnectionFailed", f"{method} {path}: {error or type(error).__name__}") from error

    async def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
    ) -> AsyncIterator[dict[str, Any]]:
        """Raw watch events, bookmarks and ERROR events included, until the server ends the stream."""
        lines = self.watch_lines(
            resource,
            resource_version=resource_version,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            timeout_seconds=timeout_seconds,
        )
        async with aclosing(lines):
            async for line in lines:
                yield orjson.loads(line)

    async def watch_lines(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[bytes, None]:
        """The same events as the server's bytes."""
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds),
        }
        timeout = aiohttp.ClientTimeout(total=timeout_seconds + _REQUEST_SECONDS)
        path = resource.path(namespace)
        try:
            async with self._open.get(path, params=query, timeout=timeout) as response:
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                async for line in _lines(response.content):
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(f"watch {path}", error) from error

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ApiError(0, "ClientClosed", "the client is used outside its `async with` block")
        return self._session


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines of any length: ``readline`` would refuse those beyond the reader's buffer."""
    tail = b""
    async for chunk in stream.iter_any():
        *whole, tail = (tail + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line
    if tail.strip():
        yield tail


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    query = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in query.items() if value}


def _error(code: int, raw: bytes) -> ApiError:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ApiError(code, "Unknown", raw[:200].decode(errors="replace").strip() or f"HTTP status {code}")
    if not isinstance(body, dict):
        return ApiError(code, "Unknown", f"HTTP status {code}")
    return ApiError(code, str(body.get("reason") or "Unknown"), str(body.get("message") or f"HTTP status {code}"))


def _unreachable(what: str, error: Exception) -> ApiError:
    return ApiError(0, "ConnectionFailed", f"{what}: {error or type(error).__name__}")


def _tls(connection: Connection) -> ssl.SSLContext | bool:
    if not connection.server.startswith("https:"):
        return True
    return ssl.create_default_context(cafile=connection.ca_file)
