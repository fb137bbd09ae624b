"""What stands between one daemon and the API server: it writes down each request, and kills at one of them.

The same in front of the embedded cluster and of a real one. A request is killed *before* (it never reaches the API
server) or *after* (it is carried out, its answer never comes). A write can be held back: the API server then gets it
late, whatever has become of whoever sent it. What a deletion is about to take away is read before it is passed on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import yarl
from aiohttp import web

from incidents.changes import CHANGE_ANNOTATION

_HOP_BY_HOP = frozenset({"host", "connection", "transfer-encoding", "content-length", "keep-alive"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Seen:
    """One request that the API server has answered."""

    method: str
    path: str
    user_agent: str
    dry_run: bool
    code: int
    body: bytes
    stood: Mapping[str, Any] | None = None  # what was there, where it was to be deleted

    @property
    def change(self) -> str:
        """The id of the change that it belongs to; empty if to none."""
        return self.user_agent.partition(" change/")[2]

    @property
    def landed(self) -> bool:
        """Whether it has changed an object that is not the program's own."""
        return self.method in _WRITES and not self.dry_run and self.code < 300 and "/leases" not in self.path

    @property
    def removes(self) -> str:
        """The uid of the object that it deletes; empty where it deletes nothing."""
        if self.method != "DELETE":
            return ""
        return str((json.loads(self.body or b"{}").get("preconditions") or {}).get("uid") or self.path)

    @property
    def takes_back(self) -> bool:
        """Whether it is a change's way back: it writes, and does not write the change's mark."""
        if self.removes:
            return False
        sent = json.loads(self.body)
        if self.method == "POST":
            return bool((sent["metadata"].get("annotations") or {}).get(CHANGE_ANNOTATION) != self.change)
        marks = [op for op in sent if op["op"] != "test" and _is_mark(op)]
        return not any(self.change in json.dumps(op.get("value")) for op in marks)

    @property
    def makes(self) -> bool:
        """Whether it has made its change: neither took it back, nor only cleared the way for it."""
        return self.landed and not self.removes and not self.takes_back


def _is_dry(request: web.Request, body: bytes) -> bool:
    """The server reads the options of a deletion from its body, all others from the query."""
    said = json.loads(body or b"{}").get("dryRun") if request.method == "DELETE" else None
    return said == ["All"] or request.query.get("dryRun") == "All"


def _is_mark(operation: dict[str, Any]) -> bool:
    return CHANGE_ANNOTATION.replace("/", "~1") in operation["path"] or operation["path"] == "/metadata/annotations"


class Proxy:
    """In front of one API server. ``kills`` is the number of the request at which ``pid`` dies, 0 for none."""

    def __init__(self, server: str, *, trust: ssl.SSLContext | None = None) -> None:
        self._upstream = urlsplit(server)
        self._trust = trust
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._on_their_way: set[asyncio.Task[Any]] = set()
        self._answers: list[aiohttp.ClientResponse] = []  # nobody may be there any more to close them
        self.port = 0
        self.pid = 0
        self.kills, self.before = 0, False
        self.killed = ""  # the request at which it was
        self.received = 0
        self.seen: list[Seen] = []
        self.deadly: Callable[[web.Request], bool] = lambda request: True
        self.hold: Callable[[web.Request, bytes], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._trust if self._trust is not None else True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._session is not None
        await asyncio.gather(*self._on_their_way, return_exceptions=True)
        await self._runner.cleanup()
        for answer in self._answers:
            answer.close()
        await self._session.close()

    def kubeconfig(self, content: dict[str, Any]) -> dict[str, Any]:
        """The kubeconfig with this in place of its server."""
        (cluster,) = content["clusters"]
        server = urlsplit(cluster["cluster"]["server"])
        here = urlunsplit(server._replace(scheme="http", netloc=f"127.0.0.1:{self.port}"))
        return {**content, "clusters": [{**cluster, "cluster": {"server": here}}]}

    def kill(self, request: web.Request) -> None:
        """End the daemon now, at this request."""
        self.killed = f"{request.method} {request.path}"
        os.kill(self.pid, signal.SIGKILL)

    def _kill(self, request: web.Request) -> web.Response:
        """The same; what is answered does not come through any more."""
        self.kill(request)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        due = False
        if self.deadly(request):
            self.received += 1
            due = self.received == self.kills
        if due and self.before:
            return self._kill(request)
        # A write goes on when its sender has gone: that is what "in flight" means.
        passing = asyncio.create_task(self._pass_on(request, body))
        if request.method in _WRITES:
            self._on_their_way.add(passing)
            passing.add_done_callback(self._on_their_way.discard)
            answer = await asyncio.shield(passing)
        else:
            answer = await passing
        if due:
            answer.close()
            return self._kill(request)
        return await self._answered(request, answer)

    async def _pass_on(self, request: web.Request, body: bytes) -> aiohttp.ClientResponse:
        assert self._session is not None
        if self.hold is not None:
            await self.hold(request, body)
        url = urlunsplit((self._upstream.scheme, self._upstream.netloc, request.raw_path, "", ""))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        stood = await self._read(url, headers) if request.method == "DELETE" else None
        answer = await self._session.request(
            request.method, yarl.URL(url, encoded=True), headers=headers, data=body or None, allow_redirects=False
        )
        self._answers.append(answer)
        if request.method in _WRITES:
            await answer.read()
        agent = request.headers.get("User-Agent", "")
        self.seen.append(Seen(request.method, request.path, agent, _is_dry(request, body), answer.status, body, stood))
        return answer

    async def _read(self, url: str, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
        """What stands there now; None for nothing."""
        assert self._session is not None
        alone = {name: value for name, value in headers.items() if name.lower() == "authorization"}
        where = yarl.URL(url, encoded=True).with_query(None)
        async with self._session.get(where, headers=alone) as answer:
            found: Mapping[str, Any] | None = await answer.json() if answer.status == 200 else None
            return found

    async def _answered(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        try:
            await response.prepare(request)
            if request.method in _WRITES:
                await response.write(await answer.read())
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
        except (ConnectionError, aiohttp.ClientError):
            pass  # one of the two ends has gone
        finally:
            answer.close()
        return response
