"""Transports for tests: a cluster in memory that only reads, and one that loses requests and answers.

Neither stands in for the API server's meaning of a write: wherever a patch has to be applied, the embedded API
server does it.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import orjson

from incidents.objects import CONTROLLER_REVISION, KINDS, LISTED
from tools.cluster.errors import ClusterError, NotFound, Unreachable
from tools.cluster.transport import Query, Transport

Object = dict[str, Any]
_LISTED = (*LISTED.values(), CONTROLLER_REVISION)
_KNOWN = {**KINDS, **{(kind.api_version, kind.kind): kind for kind in _LISTED}}


class ScriptedCluster(Transport):
    """Serves the objects it is given; ``fail`` makes every request raise that."""

    def __init__(self, *objects: Object) -> None:
        self.fail: ClusterError | None = None
        self.requests: list[tuple[str, str]] = []
        self._objects: list[Object] = []
        self.serve(*objects)

    @property
    def server(self) -> str:
        return "http://scripted"

    @property
    def user_agent(self) -> str:
        return "tests"

    def serve(self, *objects: Object) -> None:
        """What there is from now on."""
        self._objects = list(objects)

    async def read(self, path: str, query: Query | None = None) -> bytes:
        return await self.send("GET", path, query=query)

    async def send(self, method: str, path: str, *, query: Query | None = None, **_: Any) -> bytes:
        self.requests.append((method, path))
        if self.fail is not None:
            raise self.fail
        for found in self._objects:
            if path == _path(found):
                return orjson.dumps(found)
        kinds = {_collection(found) for found in self._objects}
        if path.endswith("/log") or (path.rsplit("/", 1)[0] in kinds and path not in kinds):
            raise NotFound(f"{path} not found", code=404)
        fields = unquote(str((query or {}).get("fieldSelector", "")))
        items = [] if "involvedObject" in fields else [one for one in self._objects if _listed(one, path)]
        return orjson.dumps({"items": items, "metadata": {}})


def _path(found: Object) -> str:
    kind, metadata = _KNOWN[(found["apiVersion"], found["kind"])], found["metadata"]
    return kind.path(metadata.get("namespace", ""), metadata["name"])


def _collection(found: Object) -> str:
    return _path(found).rsplit("/", 1)[0]


def _listed(found: Object, path: str) -> bool:
    kind = _KNOWN[(found["apiVersion"], found["kind"])]
    return path in (kind.path(found["metadata"].get("namespace", "")), kind.path())


class Unreliable(Transport):
    """In front of a real one. ``script`` is asked before and after every request and may raise instead of it."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner._client, user_agent=inner.user_agent)
        self.before: Callable[[str], None] = _nothing
        self.after: Callable[[str], None] = _nothing
        self.sent: list[tuple[str, bool, str]] = []  # method, dry run, user agent

    async def read(self, path: str, query: Query | None = None) -> bytes:
        return await self.send("GET", path, query=query)  # without the waits between attempts

    async def send(self, method: str, path: str, *, query: Query | None = None, **options: Any) -> bytes:
        self.sent.append((method, "dryRun" in (query or {}), str(options.get("user_agent"))))
        self.before(method)
        answer = await super().send(method, path, query=query, **options)
        self.after(method)
        return answer

    def writes(self) -> Iterable[str]:
        """The user agents of everything that was to be stored."""
        return [agent for method, dry, agent in self.sent if method != "GET" and not dry]


def _nothing(_: str) -> None:
    """Lets everything through."""


def losing(*methods: str) -> Callable[[str], None]:
    """Cuts the connection at requests of these methods."""

    def cut(method: str) -> None:
        if method in methods:
            raise Unreachable("the connection was cut")

    return cut
