"""The HTTP server: authenticates, routes, answers, records. Everything it serves, it serves on
loopback.

Owns the listening socket and the order of things in a request; what a request means is decided in
`handlers` and its siblings.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from random import Random
from typing import Any, Self

from aiohttp import web

from simulator.apiserver import bootstrap, discovery, status_errors
from simulator.apiserver.admission import Admission
from simulator.apiserver.authentication import ANONYMOUS, PUBLIC_PATHS, Authenticator, split_prefix
from simulator.apiserver.call import JSON, Answer, Call
from simulator.apiserver.handlers import DEFAULT_BOOKMARK_SECONDS, Handlers
from simulator.apiserver.kinds import BINDING, KINDS
from simulator.apiserver.objects import Object, name_of, namespace_of
from simulator.apiserver.paths import Target
from simulator.apiserver.pod_logs import PodLogs
from simulator.apiserver.questions import answer_question
from simulator.apiserver.request_log import RequestLog, RequestRecord
from simulator.apiserver.resources import Resources
from simulator.apiserver.store import DEFAULT_HISTORY, Store
from simulator.apiserver.subresources import Subresources

_log = logging.getLogger(__name__)
_LARGEST_BODY_BYTES = 3 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.2
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiServer:
    """An API server on 127.0.0.1; an async context manager that must be used on one event loop.

    `history` is how many changes of each kind a watch may lie behind, `seed` makes uids and generated names
    repeatable, `port` 0 takes a free one.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 0,
        history: int = DEFAULT_HISTORY,
        bookmark_seconds: float = DEFAULT_BOOKMARK_SECONDS,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        rng = Random(seed)
        self.store = Store(KINDS, history=history)
        self.authenticator = Authenticator()
        self.log = RequestLog()
        self._now = now
        self._port = port
        self._runner: web.AppRunner | None = None
        self._open: set[asyncio.Task[Any]] = set()
        resources = Resources(self.store, now=now, rng=rng)
        admission = Admission(self.store, rng=rng)
        self._handlers = Handlers(self.store, resources, admission, now=now, rng=rng, bookmark_seconds=bookmark_seconds)
        self._subresources = Subresources(self._handlers, resources, self.authenticator, now=now)
        self._logs = PodLogs(resources)

    async def __aenter__(self) -> Self:
        await bootstrap.create_first_objects(self._handlers)
        app = web.Application(client_max_size=_LARGEST_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=512)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._open:
            stream.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._logs.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def dump(self) -> dict[str, Object]:
        """Every object now, keyed "apps/v1/Deployment/NAMESPACE/NAME". The objects are not to be changed."""
        found = {}
        for collection in self.store.collections():
            kind = f"{collection.kind.api_version}/{collection.kind.kind}"
            for stored in collection.all():
                found[f"{kind}/{namespace_of(stored.body)}/{name_of(stored.body)}"] = stored.body
        return found

    def forget_history(self) -> None:
        """Makes every watch position and continue token of the past answer 410, as a compaction of etcd does."""
        self.store.forget_history()
        self._handlers.lister.forget()

    @property
    def open_streams(self) -> int:
        """How many watches and logs are being sent."""
        return len(self._open)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        user, verb, body = ANONYMOUS, request.method.lower(), b""
        path = split_prefix(request.path)[1]
        try:
            user, path = self.authenticator.user(request.headers.get("Authorization", ""), request.path)
            body = await request.read()
            verb, respond = self._route(request, path, user, body)
            answer = await respond()
        except status_errors.StatusError as error:
            answer = Answer.of(error.body(), error.code)
            answer.headers.update(error.headers)
        except web.HTTPRequestEntityTooLarge:
            too_large = status_errors.too_large(_LARGEST_BODY_BYTES)
            answer = Answer.of(too_large.body(), too_large.code)
        except Exception as error:  # noqa: BLE001 - a fault of ours must reach the client as a Status too
            _log.exception("%s %s failed", request.method, path)
            answer = Answer.of(status_errors.internal(repr(error)).body(), 500)
        self._record(request, path, user=user, verb=verb, code=answer.code, body=body)
        return await self._send(request, answer)

    def _route(
        self, request: web.Request, path: str, user: str, body: bytes
    ) -> tuple[str, Callable[[], Awaitable[Answer]]]:
        """The Kubernetes verb of a request, and what answers it. Raises StatusError 404 or 405."""
        if path in PUBLIC_PATHS - {"/version"}:
            return "get", _healthy
        found = discovery.document(path, prefix=request.path.removesuffix(path))
        if found is not None:
            if request.method not in ("GET", "HEAD"):
                raise status_errors.method_not_allowed()
            return "get", lambda: _at_once(Answer.of(found))
        target = Target.parse(path)
        call = Call(
            target=target,
            user=user,
            query=dict(request.query),
            accept=request.headers.get("Accept", JSON),
            content_type=request.content_type if "Content-Type" in request.headers else "",
            body=body,
        )
        verb = target.verb(request.method, call.query)
        return verb, lambda: self._dispatch(call, verb)

    async def _dispatch(self, call: Call, verb: str) -> Answer:
        subresource = call.target.subresource
        if subresource and subresource != "status":
            return await self._on_subresource(call, verb)
        if call.kind is BINDING and verb == "create":
            return await self._subresources.binding(call)
        if verb not in call.kind.verbs or (subresource and verb not in ("get", "update", "patch")):
            raise status_errors.method_not_allowed()
        if verb == "create" and call.target.name:
            raise status_errors.method_not_allowed()
        if call.kind.virtual:
            return await answer_question(call)
        handle: Callable[[Call], Awaitable[Answer]] = getattr(self._handlers, verb)
        return await handle(call)

    async def _on_subresource(self, call: Call, verb: str) -> Answer:
        name = call.target.subresource
        if name == "scale":
            return await self._subresources.scale(call, verb)
        if name == "log" and verb == "get":
            return await self._logs.read(call)
        if name == "finalize" and verb == "update":
            return await self._subresources.finalize(call)
        if name in ("binding", "eviction", "token") and verb == "create":
            handle: Callable[[Call], Awaitable[Answer]] = getattr(self._subresources, name)
            return await handle(call)
        raise status_errors.method_not_allowed()

    def _record(self, request: web.Request, path: str, *, user: str, verb: str, code: int, body: bytes) -> None:
        self.log.add(
            RequestRecord(
                time=self._now(),
                user=user,
                user_agent=request.headers.get("User-Agent", ""),
                verb=verb,
                method=request.method,
                path=path,
                query=dict(request.query),
                code=code,
                body=body if body and verb in _WRITES else None,
            )
        )

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.chunks is None:
            return web.Response(
                body=answer.body, status=answer.code, content_type=answer.content_type, headers=answer.headers
            )
        response = web.StreamResponse(status=answer.code, headers=answer.headers)
        response.content_type = answer.content_type
        response.enable_chunked_encoding()
        await response.prepare(request)
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
        try:
            await _stream(response, answer.chunks)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the server is stopping: the stream simply ends
        finally:
            if task is not None:
                self._open.discard(task)
        return response


async def _stream(response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> None:
    async with aclosing(chunks) as open_chunks:  # type: ignore[type-var]  # every iterator here is a generator
        async for chunk in open_chunks:
            await response.write(chunk)
    await response.write_eof()


async def _healthy() -> Answer:
    return Answer(b"ok", content_type="text/plain")


async def _at_once(answer: Answer) -> Answer:
    return answer
