"""An embedded cluster with the program beside it, and the few things that every test of the whole road does.

Everything waits ``SPEED`` times shorter than on a real cluster; conditions are waited for with a deadline. The
gate stands between the program and the API server and can be shut, which is how connections are lost here.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from app.composition import App, open_app
from app.settings import Settings
from evidence.snapshots import read_snapshot
from graph.observe import spoken_signal
from graph.runner import Progress
from incidents.health import assess
from incidents.incident import Incident, Outcome, Status
from incidents.objects import DEPLOYMENT, reference
from incidents.signals import Source
from incidents.symptoms import Symptom
from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, ApiError, Connection
from simulator.apiserver.request_log import RequestRecord
from simulator.resources import DEPLOYMENTS, EVENTS, NAMESPACES, PODS
from simulator.scenario import Scenario, apply_break, apply_setup, load_scenario, settled
from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.notify import Notice, NotifyError
from tools.store import Store

Object = dict[str, Any]
USER = "k8s-auto-fixer"
SPEED = 50.0
DEADLINE_SECONDS = 30.0
READS = frozenset({"get", "list", "watch"})
OUTSIDE = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TAVILY_API_KEY", "SLACK_WEBHOOK_URL", "KUBECONFIG")


class Told:
    """Keeps what people would have been told; refuses to as long as ``away`` is set."""

    def __init__(self, *, away: bool = False) -> None:
        self.notices: list[Notice] = []
        self.away = away

    async def send(self, message: Notice) -> None:
        if self.away:
            raise NotifyError("nobody answers")
        self.notices.append(message)

    def about(self, incident: Incident) -> list[Notice]:
        """The messages of one incident."""
        return [notice for notice in self.notices if notice.incident == incident.id]


class Gate:
    """A door in front of a server on loopback: while it is shut nothing gets through, and what was open is cut."""

    def __init__(self, server: str) -> None:
        self._parts = urlsplit(server)
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Let requests through, on the same port as before."""
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
        self.cut()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection; new ones come through."""
        for writer in list(self._open):
            writer.transport.abort()

    def kubeconfig(self, content: Mapping[str, Any]) -> Object:
        """The kubeconfig with the gate as its server."""
        cluster = content["clusters"][0]
        parts = urlsplit(cluster["cluster"]["server"])
        server = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self.port}"))
        return {**content, "clusters": [{**cluster, "cluster": {"server": server}}]}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)
        try:
            inner, outer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, outer}
        try:
            await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
        finally:
            self._open -= {writer, outer}
            for end in (writer, outer):
                end.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


class World:
    """One cluster, seen by the user admin, and the folder where the program keeps its state."""

    def __init__(self, cluster: EmbeddedCluster, admin: ApiClient, folder: Path, speed: float) -> None:
        self.cluster = cluster
        self.admin = admin
        self.folder = folder
        self.speed = speed

    # --- the program

    def settings(self, **fields: Any) -> Settings:
        """Settings of a program that works alone here; nothing comes from the environment."""
        given = {"mode": "auto", "alone": True, "store": self.folder / "store.sqlite", **fields}
        return Settings(**given)

    @asynccontextmanager
    async def app(
        self,
        *,
        told: Told | None = None,
        kubeconfig: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        stepwise: bool = False,
        **fields: Any,
    ) -> AsyncIterator[App]:
        """The composed program. Without ``told`` its messages go where the settings say."""
        async with open_app(
            self.settings(**fields),
            kubeconfig=kubeconfig or self.cluster.kubeconfig(user=USER),
            speed=self.speed,
            progress=progress,
            notifier=told,
            stepwise=stepwise,
        ) as app:
            yield app

    @asynccontextmanager
    async def daemon(self, *, told: Told | None = None, **fields: Any) -> AsyncIterator[App]:
        """The composed program with its daemon, from the moment it watches until it has drained."""
        async with self.app(told=told, **fields) as app, app.daemon().watching():
            yield app

    def requests(self) -> list[RequestRecord]:
        """What the program has asked the API server."""
        return [request for request in self.cluster.requests() if request.user == USER]

    def writes(self, *, dry_runs: bool = True) -> list[RequestRecord]:
        """The program's requests that are no reads."""
        found = [request for request in self.requests() if request.verb not in READS]
        return [request for request in found if dry_runs or not request.dry_run]

    # --- the cluster

    async def set_up(self, name: str, *, well: bool = True) -> Scenario:
        """Create a scenario's objects; wait until they stand as it says."""
        scenario = load_scenario(name)
        await apply_setup(self.admin, scenario)
        if well:
            await self.eventually(lambda: settled(self.admin, scenario), f"{name} never settled")
        return scenario

    async def broken(self, name: str) -> Scenario:
        """Set a scenario up and break it."""
        scenario = await self.set_up(name)
        await apply_break(self.admin, scenario)
        return scenario

    async def namespace(self, name: str = "shop") -> None:
        """A namespace in which pods can be made."""
        await self.admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await self.eventually(lambda: self._has_account(name), "no ServiceAccount")

    async def _has_account(self, namespace: str) -> bool:
        try:
            await self.admin.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
        except ApiError:
            return False
        return True

    async def deploy(self, image: str, name: str = "web", namespace: str = "shop", **spec: Any) -> Object:
        """A Deployment with one container ``main``."""
        return await self.admin.create(DEPLOYMENTS, deployment(image, name, namespace, **spec))

    async def deployment(self, name: str, namespace: str) -> Object:
        """A Deployment as it is now."""
        return await self.admin.get(DEPLOYMENTS, name, namespace)

    async def change(self, name: str, namespace: str, spec: Object) -> Object:
        """Change a Deployment's spec as a person would."""
        body = {"spec": spec}
        return await self.admin.patch(DEPLOYMENTS, name, body, namespace, content_type=STRATEGIC_MERGE_PATCH)

    async def available(self, name: str, namespace: str) -> Object:
        """The Deployment once all of its replicas are updated and available."""

        async def look() -> Object | None:
            found = await self.deployment(name, namespace)
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            return found if seen and counts == [wanted] * 3 else None

        return dict(await self.eventually(look, f"{name} never became available"))

    async def pods(self, namespace: str) -> list[Object]:
        """The pods of a namespace."""
        return list((await self.admin.list(PODS, namespace))["items"])

    async def warn(self, about: Object, *, reason: str, message: str, number: int = 0, kind: str = "Warning") -> Object:
        """Write an event about an object, as whoever may create events can."""
        metadata = about["metadata"]
        return await self.admin.create(
            EVENTS,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{metadata['name']}.{number:x}", "namespace": metadata["namespace"]},
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata.get("uid", ""),
                },
                "type": kind,
                "reason": reason,
                "message": message,
                "count": 1,
            },
        )

    # --- incidents

    async def asked(self, app: App, name: str, namespace: str, event: str = "asked for") -> Incident:
        """An open incident about a Deployment, as `fix` opens it."""
        found = await app.reader.get(DEPLOYMENT, namespace, name)
        subject = await app.owners.subject(reference({**found, "apiVersion": "apps/v1", "kind": "Deployment"}))
        assert subject is not None
        signal = spoken_signal(subject.ref, event, app.clock.now(), Source.REQUEST)
        incident, _ = await app.store.open_or_join(subject, signal)
        return incident

    async def failing(self, name: str, namespace: str, symptom: Symptom) -> None:
        """Wait until a Deployment fails in that way, as the one judge of health sees it."""

        async def look() -> bool:
            async with self.reader() as reader:
                live = await reader.get(DEPLOYMENT, namespace, name)
                ref = reference({**live, "apiVersion": "apps/v1", "kind": "Deployment"})
                snapshot = await read_snapshot(reader, ref, now=datetime.now(UTC))
            return snapshot is not None and symptom in assess(snapshot, datetime.now(UTC), self.speed).symptoms

        await self.eventually(look, f"{name} never showed {symptom}")

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """A reader that is not the program's."""
        transport = await connect(user_agent="tests", kubeconfig=self.cluster.kubeconfig(user="onlooker"))
        try:
            yield Reader(transport)
        finally:
            await transport.aclose()

    # --- waiting

    async def eventually(self, look: Callable[[], Awaitable[Any]], what: str = "it never happened") -> Any:
        """The first truthy answer of ``look``."""
        return await eventually(look, what)

    async def ended(self, store: Store, namespace: str, outcome: Outcome | None = None) -> Incident:
        """The namespace's newest incident once the work on it has ended.

        A warning that a dying pod sends late makes one that heals by itself: newest only without another.
        """

        async def look() -> Incident | None:
            found = await incidents_of(store, namespace)
            if not found or found[0].status is Status.OPEN:
                return None
            lasting = [one for one in found if one.outcome is not Outcome.SUPPRESSED] or found
            newest = lasting[0] if outcome is not Outcome.SUPPRESSED else found[0]
            return newest if outcome in (None, newest.outcome) else None

        incident: Incident = await self.eventually(look, f"no incident in {namespace} ended ({outcome})")
        return incident

    async def closed(self, store: Store, incident: Incident) -> Incident:
        """An incident once it is closed."""

        async def look() -> Incident | None:
            found = await store.incident(incident.id)
            return found if found is not None and found.status is Status.CLOSED else None

        found: Incident = await self.eventually(look, f"{incident.title} was never closed")
        return found


async def eventually(look: Callable[[], Awaitable[Any]], what: str = "it never happened") -> Any:
    """The first truthy answer of ``look``; fails after a generous deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(what)


async def incidents_of(store: Store, namespace: str) -> list[Incident]:
    """The incidents of one namespace, newest first."""
    return [item for item in await store.incidents() if item.subject.namespace == namespace]


def deployment(image: str, name: str = "web", namespace: str = "shop", **spec: Any) -> Object:
    """The manifest of a Deployment with one container ``main``."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


@asynccontextmanager
async def running_world(folder: Path, *, speed: float = SPEED) -> AsyncIterator[World]:
    """A cluster that is stopped again, with nothing in it yet."""
    with EmbeddedCluster(nodes=2, speed=speed) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="tests")) as admin:
            yield World(cluster, admin, folder, speed)


@asynccontextmanager
async def gated(world: World) -> AsyncIterator[Gate]:
    """An open gate in front of the world's API server."""
    gate = Gate(world.cluster.server)
    await gate.open()
    try:
        yield gate
    finally:
        await gate.shut()


@pytest.fixture
async def world(tmp_path: Path, clean_environment: None) -> AsyncIterator[World]:
    """A world of the test's own."""
    async with running_world(tmp_path) as found:
        yield found


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no kubeconfig and no setting of whoever runs the tests is seen."""
    for name in list(os.environ):
        if name.startswith("K8S_AUTO_FIXER_") or name in OUTSIDE:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
