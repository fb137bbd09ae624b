"""The aggregation layer: APIServices, and the requests that go to other servers because of them.

Keeps one backend for every APIService that names a service, asks it from time to time whether it answers, and writes
what comes of that into the object's status; requests follow that status, as in kube-aggregator. An APIService that
changes, or whose Service or endpoints do, is asked at once. Without any they cost a request one look into a table.

It refuses to know what other servers serve: their answers are passed on unread, all but the list of their resources,
which discovery shows.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from simulator.apiserver.aggregation_availability import Availability, Verdict
from simulator.apiserver.aggregation_backend import Connections, place_of
from simulator.apiserver.aggregation_discovery import Document, ordered_groups, version_shown
from simulator.apiserver.aggregation_local import LocalRegistrations, api_service_kind
from simulator.apiserver.aggregation_proxy import pass_on, unavailable
from simulator.apiserver.aggregation_rules import AVAILABLE, condition_of
from simulator.apiserver.authentication import Identity
from simulator.apiserver.call import Answer
from simulator.apiserver.kinds import CUSTOM_RESOURCE_DEFINITION, ENDPOINT_SLICE, SERVICE, Kind
from simulator.apiserver.objects import Object, at, name_of, namespace_of, timestamp
from simulator.apiserver.resources import Resources
from simulator.apiserver.store import Change, Store

_RECHECK_SECONDS = 30.0
_FIRST_RETRY_SECONDS = 1.0
_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass
class Backend:
    """The server behind one APIService. `due` is when to ask it next, on the event loop's clock."""

    name: str
    spec: Object
    available: bool = False
    resources: list[Document] | None = None
    due: float = 0.0
    failures: int = 0
    checking: bool = False
    changed: bool = False  # while it was being asked

    @property
    def service(self) -> tuple[str, str]:
        return self.spec["service"]["namespace"], self.spec["service"]["name"]


class Aggregation:
    """From `start` to `close` it asks the other servers. `custom` gives the custom kinds that are served now."""

    def __init__(
        self,
        store: Store,
        resources: Resources,
        custom: Callable[[], Iterable[Kind]],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._now = now
        self._kind = api_service_kind()
        self._local = LocalRegistrations(store, resources)
        self._connections = Connections()
        self._availability = Availability(store, self._connections)
        self._backends: dict[tuple[str, str], Backend] = {}
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        store.listen(self._kind, self._registration_changed)
        store.listen(
            SERVICE, lambda change: self._recheck(namespace_of(change.stored.body), name_of(change.stored.body))
        )
        store.listen(ENDPOINT_SLICE, self._endpoints_changed)
        store.listen(CUSTOM_RESOURCE_DEFINITION, lambda _change: self._local.follow(custom()))

    def register_local(self) -> None:
        """Registers what this server serves itself; once, in a store that has no registrations yet."""
        self._local.create_built_in()

    def start(self) -> None:
        """Begins to ask, on the running event loop."""
        self._asking = asyncio.create_task(self._ask_all(), name="aggregation")

    async def close(self) -> None:
        """Ends the asking and all connections. Raises what the asking has failed with, if it has."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
            if not self._asking.cancelled():
                self._asking.result()  # it never ends by itself
        await self._connections.close()

    # --- requests ---

    def backend(self, path: str) -> Backend | None:
        """The server that a path belongs to; None for those that are answered here."""
        if not self._backends or not path.startswith("/apis/"):
            return None
        parts = path.split("/", 4)
        return self._backends.get((parts[2], parts[3])) if len(parts) > 3 else None

    async def answer(self, backend: Backend, request: web.Request, path: str, *, who: Identity, body: bytes) -> Answer:
        """What the server behind it answers, or 503."""
        service = self._availability.service(backend.spec["service"])
        if not backend.available or service is None:
            return unavailable()
        place = place_of(service, backend.spec["service"])
        return await pass_on(self._connections, place, backend.spec, request=request, path=path, who=who, body=body)

    # --- discovery ---

    def groups(self, served: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The groups and versions served here, those of other servers among them, in the order of their priorities."""
        return ordered_groups(served, [stored.body for stored in self._store.of(self._kind).all()])

    def version_shown(self, group: str, version: str) -> Document | None:
        """What aggregated discovery shows of a version; None for those that are served here."""
        backend = self._backends.get((group, version))
        if backend is None:
            return None
        return version_shown(version, backend.resources, fresh=backend.available and backend.resources is not None)

    # --- keeping in step ---

    def _registration_changed(self, change: Change) -> None:
        body = change.stored.body
        spec = body["spec"]
        key = (str(spec.get("group") or ""), str(spec["version"]))
        known = self._backends.get(key)
        if change.type == "DELETED" or spec.get("service") is None:
            self._backends.pop(key, None)
        elif known is None or known.spec != spec:
            self._backends[key] = Backend(name_of(body), spec)
            self._wake.set()
        else:
            known.available = (condition_of(body) or {}).get("status") == "True"

    def _endpoints_changed(self, change: Change) -> None:
        labels = at(change.stored.body, "metadata.labels") or {}
        self._recheck(namespace_of(change.stored.body), str(labels.get(_SERVICE_NAME) or ""))

    def _recheck(self, namespace: str, service: str) -> None:
        for backend in self._backends.values():
            if backend.service == (namespace, service):
                backend.due, backend.changed = 0.0, backend.checking
                self._wake.set()

    async def _ask_all(self) -> None:
        clock = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                idle = [backend for backend in self._backends.values() if not backend.checking]
                for backend in [one for one in idle if one.due <= clock.time()]:
                    backend.checking = True
                    group.create_task(self._ask(backend))
                next_due = min((backend.due for backend in idle if not backend.checking), default=None)
                try:
                    async with asyncio.timeout_at(next_due):  # None: there is nothing to ask until somebody wakes it
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _ask(self, backend: Backend) -> None:
        verdict = await self._availability.judge(backend.spec)
        if verdict.available:
            backend.failures, wait = 0, _RECHECK_SECONDS
            backend.resources = verdict.resources
        else:
            wait = min(_FIRST_RETRY_SECONDS * 2.0**backend.failures, _RECHECK_SECONDS)
            backend.failures = min(backend.failures + 1, 10)
        backend.due = 0.0 if backend.changed else asyncio.get_running_loop().time() + wait
        backend.checking = backend.changed = False
        self._tell(backend, verdict)
        self._wake.set()

    def _tell(self, backend: Backend, verdict: Verdict) -> None:
        """Writes the condition, if the APIService is still the one that was judged and its condition says otherwise."""
        stored = self._store.of(self._kind).get("", backend.name)
        if stored is None or stored.body["spec"] != backend.spec:
            return
        status = "True" if verdict.available else "False"
        old = condition_of(stored.body) or {}
        moment = old["lastTransitionTime"] if old.get("status") == status else timestamp(self._now())
        condition = {"type": AVAILABLE, "status": status, "lastTransitionTime": moment}
        condition |= {"reason": verdict.reason, "message": verdict.message}
        if condition != old:
            others = [one for one in at(stored.body, "status.conditions") or () if one.get("type") != AVAILABLE]
            self._store.write(self._kind, stored.body | {"status": {"conditions": [*others, condition]}})
