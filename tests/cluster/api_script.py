"""A server that plays the API server's part in a conversation about events, exactly as a test writes it down."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]
Object = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request, as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def watches(self) -> bool:
        return self.query.get("watch") == "true"


class ApiScript:
    """Answers lists and watches with the next step of each queue; without one a list is empty, a watch silent."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.lists: deque[Step] = deque()
        self.watches: deque[Step] = deque()
        self.always: dict[str, Step] = {}  # the answer to every list of a path
        self.watching = asyncio.Event()
        self._over = asyncio.Event()
        self._silent_ones: list[asyncio.Transport] = []
        self._runner: web.ServerRunner | None = None
        self.server = ""

    @property
    def watched(self) -> list[Asked]:
        """The watches that were asked for."""
        return [asked for asked in self.asked if asked.watches]

    @property
    def listed(self) -> list[Asked]:
        """The lists that were asked for."""
        return [asked for asked in self.asked if not asked.watches]

    @property
    def kubeconfig(self) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "script", "cluster": {"server": self.server}}],
            "users": [{"name": "tester", "user": {"token": "very-secret-token"}}],
            "contexts": [{"name": "script", "context": {"cluster": "script", "user": "tester"}}],
            "current-context": "script",
        }

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.server = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def cut(self) -> None:
        """Break the connections of all silent watches."""
        for transport in self._silent_ones:
            transport.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers))
        self.asked.append(asked)
        queue, usual = (self.watches, self._silent) if asked.watches else (self.lists, page())
        fixed = None if asked.watches else self.always.get(asked.path)
        step: Step = fixed or (queue.popleft() if queue else usual)
        return await step(request)  # type: ignore[arg-type]  # a step needs no more than a BaseRequest has

    async def _silent(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.watching.set()
        if request.transport is not None:
            self._silent_ones.append(request.transport)
        await self._over.wait()
        return response


def page(*items: Object, version: str = "1", token: str = "") -> Step:
    """A page of a list."""
    metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
    return reply(200, {"kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": list(items)})


def reply(code: int, body: Any, **headers: str) -> Step:
    """One whole answer."""

    async def step(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=code, headers=named)

    return step


def status(code: int, reason: str, message: str, **headers: str) -> Step:
    """A Status in place of an answer."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return reply(code, body | {"code": code}, **headers)


def stream(*lines: Object | bytes, cut: bool = False) -> Step:
    """A watch that sends these and ends; ``cut``: its connection breaks instead."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else frame(line))
        if cut and request.transport is not None:
            await asyncio.sleep(0.05)  # what was written is on its way before the connection breaks
            request.transport.close()
        return response

    return step


def frame(event: Object) -> bytes:
    """One line of a watch."""
    return json.dumps(event).encode() + b"\n"


def event(version: str, *, name: str = "web.1", **fields: Any) -> Object:
    """A Warning event at that resourceVersion."""
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": version}
    about = {"kind": "Pod", "namespace": "shop", "name": "web"}
    return {"metadata": metadata, "involvedObject": about, "type": "Warning", "reason": "Failed", **fields}


def added(version: str, **fields: Any) -> Object:
    """That event, as a watch tells it."""
    return {"type": "ADDED", "object": event(version, **fields)}


def bookmark(version: str) -> Object:
    """Nothing but a place in the stream."""
    return {"type": "BOOKMARK", "object": {"kind": "Event", "metadata": {"resourceVersion": version}}}


def gone() -> Object:
    """410, as a watch says it inside a 200 answer."""
    return {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
