"""The HTTP server: authenticates, routes, answers, records. Everything it serves, it serves on
loopback.

Owns the listening socket and the order of things in a request; what a request means is decided in
`handlers` and its siblings.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Self, TypeVar

from aiohttp import web

from simulator.apiserver import bootstrap, status_errors
from simulator.apiserver.admission import Admission
from simulator.apiserver.aggregation import Aggregation
from simulator.apiserver.authentication import ANONYMOUS, PUBLIC_PATHS, Authenticator, Identity, split_prefix
from simulator.apiserver.authorization import attributes, forbidden
from simulator.apiserver.call import JSON, Answer, Call
from simulator.apiserver.custom.serving import CustomResources
from simulator.apiserver.deadlines import allowed_seconds, out_of_time
from simulator.apiserver.discovery import Discovery, answers_any_method
from simulator.apiserver.escalation import Escalation
from simulator.apiserver.eviction import Evictions
from simulator.apiserver.faults import UNANSWERED, Fault, Faults
from simulator.apiserver.handlers import DEFAULT_BOOKMARK_SECONDS, Handlers
from simulator.apiserver.impersonation import impersonated
from simulator.apiserver.kinds import BINDING, KINDS, Registry
from simulator.apiserver.objects import Object, name_of, namespace_of
from simulator.apiserver.paths import Target
from simulator.apiserver.pod_logs import PodLogs
from simulator.apiserver.questions import Questions
from simulator.apiserver.rbac import RoleAuthorizer
from simulator.apiserver.request_log import RequestLog, RequestRecord
from simulator.apiserver.resources import Resources
from simulator.apiserver.scaling import Scaling
from simulator.apiserver.sending import Sender
from simulator.apiserver.store import DEFAULT_HISTORY, Store
from simulator.apiserver.subresources import Subresources

_log = logging.getLogger(__name__)
_LARGEST_BODY_BYTES = 3 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.2
_ANSWER_SECONDS = 10.0
_ORDINARY = ("status", "resize")
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})

T = TypeVar("T")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiServer:
    """An API server on 127.0.0.1; an async context manager that must be used on one event loop.

    `history` is how many changes of each kind a watch may lie behind, `seed` makes uids and generated names
    repeatable, `port` 0 takes a free one. With `rbac` users may do what roles allow them, else everything.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 0,
        history: int = DEFAULT_HISTORY,
        bookmark_seconds: float = DEFAULT_BOOKMARK_SECONDS,
        now: Callable[[], datetime] = _utc_now,
        rbac: bool = False,
    ) -> None:
        rng = Random(seed)
        self.store = Store(KINDS, history=history)
        self.authenticator = Authenticator(now)
        self.log = RequestLog()
        self._now = now
        self._port = port
        self._runner: web.AppRunner | None = None
        self._sender = Sender()
        self._authorizer = RoleAuthorizer(self.store) if rbac else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.faults = Faults(
            drop_watches=lambda: self._on_loop(self._sender.cut_streams),
            compact=lambda: self._on_loop(self.forget_history),
        )
        admission = Admission(self.store, rng=rng)
        resources = Resources(self.store, now=now, rng=rng, judge=admission.judge)
        self.kinds = Registry()
        self._custom = CustomResources(self.store, self.kinds, resources, now=now)
        self._handlers = Handlers(
            self.store, resources, admission, now=now, rng=rng, bookmark_seconds=bookmark_seconds,
            mutate=lambda call, obj: self.faults.mutated(call.verb, call.path, call.user, obj),
            **({"guard": Escalation(self._authorizer).check} if self._authorizer else {}),
        )  # fmt: skip
        self._subresources = Subresources(self._handlers, resources, self.authenticator, now=now)
        self._aggregation = Aggregation(self.store, resources, self.kinds.custom, now=now)
        self._discovery = Discovery(self.kinds.all, self._aggregation)
        self._evictions = Evictions(self.store, resources, now=now)
        self._scaling = Scaling(resources, self._handlers.ownership)
        self._logs = PodLogs(resources)
        self._questions = Questions(self._authorizer, self.authenticator, now=now)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await bootstrap.create_first_objects(self._handlers)
        if self._authorizer is not None:
            await bootstrap.create_first_roles(self._handlers)
        self._aggregation.register_local()
        app = web.Application(client_max_size=_LARGEST_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=512)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._aggregation.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sender.end_streams()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._logs.close()
        await self._aggregation.close()

    async def bind_role(self, role: str, user: str) -> None:
        """Gives a part of the cluster itself the rights of a ClusterRole; for servers with `rbac`."""
        await bootstrap.bind_user(self._handlers, role, user)

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
        return len(self._sender)

    def _on_loop(self, call: Callable[[], T]) -> T:
        """The result of a call that belongs to the server's thread, whichever thread asks."""
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if self._loop is None or self._loop.is_closed() or here is self._loop:
            return call()

        async def made() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result(timeout=_ANSWER_SECONDS)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        who, verb, body = Identity(ANONYMOUS), request.method.lower(), b""
        path, met = split_prefix(request.path)[1], list[Fault]()
        try:
            who, path = self.authenticator.user(request.headers.get("Authorization", ""), request.path)
            body = await request.read()
            wanted = attributes(request.method, path, request.query)
            until = _deadline(allowed_seconds(request.query, wanted))
            verb, met = wanted.verb, self.faults.met_by(wanted.verb, path, who.name)
            answer = await self._in_time(request, path, who=who, body=body, met=met, until=until)
        except status_errors.NoSuchPath as error:
            answer = Answer(error.text.encode(), error.code, "text/plain; charset=utf-8")
        except status_errors.StatusError as error:
            answer = Answer.of(error.body(), error.code)
            answer.headers.update(error.headers)
        except web.HTTPRequestEntityTooLarge:
            too_large = status_errors.too_large(_LARGEST_BODY_BYTES)
            answer = Answer.of(too_large.body(), too_large.code)
        except Exception as error:  # noqa: BLE001 - a fault of ours must reach the client as a Status too
            _log.exception("%s %s failed", request.method, path)
            answer = Answer.of(status_errors.internal(repr(error)).body(), 500)
        self._record(request, path, user=who.name, verb=verb, code=answer.code, body=body)
        return await self._sender.send(request, answer, {fault.form for fault in met})

    async def _in_time(
        self, request: web.Request, path: str, *, who: Identity, body: bytes, met: list[Fault], until: float | None
    ) -> Answer:
        """What is answered, at the latest at `until` (the loop's time): what waits goes no further. Raises StatusError.

        It goes no further either once the client has gone; nothing waits after it has written.
        """
        try:
            async with asyncio.timeout_at(until) as limit:
                stopped = await self._stopped(met)
                if until is not None and asyncio.get_running_loop().time() >= until:
                    return out_of_time()
                return stopped or await self._answer(request, path, who=who, body=body)
        except TimeoutError:
            if not limit.expired():
                raise
            return out_of_time()

    async def _stopped(self, met: list[Fault]) -> Answer | None:
        """The fault that stands in the place of an answer, after the delays before it."""
        for fault in met:
            if fault.form == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.form == "refuse":
                return fault.answer()
            elif fault.form == "cut_before":
                return Answer(code=UNANSWERED)
        return None

    async def _answer(self, request: web.Request, path: str, *, who: Identity, body: bytes) -> Answer:
        """Raises StatusError."""
        if self._authorizer is not None:
            groups = request.headers.getall("Impersonate-Group", [])
            asked = attributes(request.method, path, request.query)
            who = impersonated(who, asked, request.headers, groups, self._authorizer.decide)
        self._authorise(request, path, who)
        return await self._route(request, path, who, body)()

    def _authorise(self, request: web.Request, path: str, who: Identity) -> None:
        if self._authorizer is None or path in PUBLIC_PATHS:
            return
        wanted = attributes(request.method, path, request.query)
        decision = self._authorizer.decide(who, wanted)
        if not decision.allowed:
            raise forbidden(who, wanted, decision)

    def _route(self, request: web.Request, path: str, who: Identity, body: bytes) -> Callable[[], Awaitable[Answer]]:
        """What answers a request. Raises StatusError 404 or 405."""
        if path in PUBLIC_PATHS - {"/version"}:
            return _healthy
        backend = self._aggregation.backend(path)
        if backend is not None:
            return lambda: self._aggregation.answer(backend, request, path, who=who, body=body)
        accept = request.headers.get("Accept", JSON)
        found = self._discovery.answer(path, accept, prefix=request.path.removesuffix(path))
        if found is not None:
            if request.method not in ("GET", "HEAD") and not answers_any_method(path):
                raise status_errors.method_not_allowed()
            return lambda: _at_once(found)
        target = Target.parse(path, self.kinds)
        _check_accept(accept)
        call = Call(
            target=target,
            user=who.name,
            who=who,
            path=path,
            verb=target.verb(request.method, request.query),
            query=dict(request.query),
            accept=accept,
            content_type=request.content_type if "Content-Type" in request.headers else "",
            user_agent=request.headers.get("User-Agent", ""),
            body=body,
        )
        return lambda: self._dispatch(call, call.verb)

    async def _dispatch(self, call: Call, verb: str) -> Answer:
        subresource = call.target.subresource
        if subresource and subresource not in _ORDINARY:
            return await self._on_subresource(call, verb)
        if call.kind is BINDING and verb == "create":
            return await self._subresources.binding(call)
        if verb not in call.kind.verbs or (subresource and verb not in ("get", "update", "patch")):
            raise status_errors.method_not_allowed()
        if (verb == "create") is bool(call.target.name) and verb in ("create", "update", "patch"):
            raise status_errors.method_not_allowed()
        if call.target.watched and verb != "watch":
            raise status_errors.method_not_allowed()
        if verb == "deletecollection" and call.kind.namespaced and not call.target.namespace:
            raise status_errors.method_not_allowed()
        if call.kind.virtual:
            return await self._questions.answer(call)
        handle: Callable[[Call], Awaitable[Answer]] = getattr(self._handlers, verb)
        return await handle(call)

    async def _on_subresource(self, call: Call, verb: str) -> Answer:
        name = call.target.subresource
        if name == "scale":
            return await self._scaling.answer(call, verb)
        if name == "log" and verb == "get":
            return await self._logs.read(call)
        if name == "finalize" and verb == "update":
            return await self._subresources.finalize(call)
        if name == "eviction" and verb == "create":
            return await self._evictions.evict(call)
        if name in ("binding", "token") and verb == "create":
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


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


def _check_accept(accept: str) -> None:
    """Raises StatusError 406 if the client wants no JSON."""
    wanted = {one.partition(";")[0].strip() for one in accept.split(",")}
    if not wanted & {"", JSON, "application/*", "*/*", "text/plain"}:
        text = f"406: Not Acceptable\n\nAvailable representations: {JSON}, {JSON};stream=watch"
        raise status_errors.StatusError(406, "NotAcceptable", text, details={})


async def _healthy() -> Answer:
    return Answer(b"ok", content_type="text/plain; charset=utf-8")


async def _at_once(answer: Answer) -> Answer:
    return answer
