"""The composition root: from settings to a running set of objects, and their orderly end."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# Decided before LangGraph is imported: checkpoints decode to known types only, and nothing phones home.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
os.environ["LANGSMITH_TRACING"] = "false"  # until the settings say otherwise: see ``decide_tracing``

import structlog
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph

from agents.reasoning import Reasoning
from app.assembling import parts_of
from app.case_settings import about_of
from app.claim import claiming, other_holder, restrained
from app.models import decide_tracing, open_brain, prompts_of
from app.outside import open_notifier, open_registry, open_search
from app.place import commands_of
from app.settings import Settings
from app.sole import free_the_dead, holder_name, sole_worker
from app.version import USER_AGENT
from evidence.image_index import ImageIndex
from evidence.readings import Readings
from evidence.recorded import RecordedCollector
from graph.build import Parts, build_graph
from graph.recording import Recorder
from graph.runner import Progress, Runner
from graph.state import State
from graph.walks import Walks, open_walks
from incidents.objects import ClusterId
from incidents.patience import Patience
from incidents.policy import Policy, Windows
from remediation import open_remediation
from remediation.recover import recover
from scraper.daemon import Daemon, DaemonParts
from tools.clock import Clock
from tools.cluster.own_objects import OwnObjects
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect
from tools.notify import Notifier
from tools.notify.outbox import Outbox
from tools.recorded import RecordedBrain, RecordedSandbox, RecordedSearch
from tools.sandbox.checked import CheckedSandbox
from tools.store import Store
from tools.store.sqlite import make_write_ahead, open_store
from tools.telemetry import Telemetry

STEPWISE_NAME = "somebody in Studio or a notebook"  # who answered, where the answer does not say

log = structlog.get_logger(__name__)
Graph = CompiledStateGraph[State, None, State, State]


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What is open before anything works on it."""

    settings: Settings
    policy: Policy
    clock: Clock
    cluster: ClusterId
    transport: Transport
    reader: Reader
    owners: Owners
    store: Store
    outbox: Outbox
    readings: Readings
    holder: str
    telemetry: Telemetry
    other_daemon: str | None = None  # who holds this cluster's Lease, if it is another store's daemon


@dataclass(frozen=True, kw_only=True)
class App(_Base):
    """Everything that works together on one cluster."""

    graph: Graph
    runner: Runner

    def daemon(self) -> Daemon:
        """A daemon on this app's objects."""
        parts = DaemonParts(
            reader=self.reader,
            owners=self.owners,
            store=self.store,
            runner=self.runner,
            outbox=self.outbox,
            policy=self.policy,
            clock=self.clock,
            cluster=self.cluster,
            grace_seconds=self.settings.grace_seconds,
            settle_seconds=self.settings.settle_seconds,
            sweep_seconds=self.settings.sweep_seconds,
            workers=self.settings.workers,
            retention_days=self.settings.retention_days,
            telemetry=self.telemetry,
            commands=commands_of(self.settings),
            readings=self.readings,
        )
        return Daemon(parts, monotonic=time.monotonic)


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    kubeconfig: Mapping[str, Any] | None = None,
    speed: float = 1.0,
    progress: Progress | None = None,
    notifier: Notifier | None = None,
    hold_lease: bool = False,
    stepwise: bool = False,
    telemetry: Telemetry | None = None,
    waits: Callable[[str], None] | None = None,
) -> AsyncIterator[App]:
    """Open everything. ``kubeconfig`` is the content of one, in place of the file in the settings.

    ``speed`` is that of an embedded cluster. ``hold_lease``: this process is to be the cluster's daemon; where
    another store's daemon works already, mode auto becomes suggest. ``stepwise``: for Studio and notebooks, the app's
    graph shows AutoFixer's steps and asks for approval by interrupts; the runner's does not. Raises ClusterError when
    the cluster cannot be reached or refuses, StoreError when the store cannot be used. With ``hold_lease`` it waits as
    long as another daemon works on the store, and tells ``waits`` so. Changes that a crash left half-way are decided
    before this answers, and leases of processes that have died on this machine are freed.
    """
    decide_tracing(wanted=settings.langsmith)
    clock, telemetry = Clock(speed), telemetry or Telemetry()
    async with AsyncExitStack() as stack:
        transport = await _connection(stack, settings, kubeconfig, telemetry)
        reader = Reader(transport, secret_keys=settings.read_secret_keys)
        cluster = await reader.cluster_id()
        store = await stack.enter_async_context(open_store(settings.store, now=clock.now))
        if hold_lease:
            await stack.enter_async_context(sole_worker(store, clock, waits=waits))
        else:
            await free_the_dead(store)
        settings, other = await _claimed(stack, settings, transport, store, clock, hold=hold_lease)
        holder = holder_name(daemon=hold_lease)
        await recover(transport, reader, store, cluster, clock=clock, holder=holder, mode=settings.mode)
        base = _Base(
            settings=settings,
            policy=policy_of(settings),
            clock=clock,
            transport=transport,
            reader=reader,
            cluster=cluster,
            owners=Owners(reader, cluster),
            store=store,
            outbox=Outbox(store, notifier or open_notifier(settings)),
            readings=Readings(clock.now, speed=clock.speed),
            holder=holder,
            telemetry=telemetry,
            other_daemon=other,
        )
        walks = await stack.enter_async_context(open_walks()) if stepwise else None
        app = await _assemble(stack, base, progress=progress, walks=walks)
        if hold_lease:
            _set_memory_aside()
        yield app


async def _connection(
    stack: AsyncExitStack, settings: Settings, kubeconfig: Mapping[str, Any] | None, telemetry: Telemetry
) -> Transport:
    """The connection to the cluster that is given, or that the settings name."""
    transport = await connect(
        user_agent=USER_AGENT,
        kubeconfig=kubeconfig if kubeconfig is not None else settings.kubeconfig,
        context=settings.context,
        in_cluster=settings.in_cluster and kubeconfig is None,
        telemetry=telemetry,
    )
    stack.push_async_callback(transport.aclose)
    return transport


def _set_memory_aside() -> None:
    """What was built up to now lives as long as the daemon: looking through it for garbage takes 0.1 s each time."""
    gc.collect()
    gc.freeze()


async def _claimed(
    stack: AsyncExitStack, settings: Settings, transport: Transport, store: Store, clock: Clock, *, hold: bool
) -> tuple[Settings, str | None]:
    """The settings with the mode that is left, and who else works on this cluster."""
    if settings.alone:
        return settings, None
    own, namespace = OwnObjects(transport), settings.lease_namespace
    identity = f"{socket.gethostname()}/{(await store.identity())[:8]}"
    if hold:
        holder = await stack.enter_async_context(claiming(own, namespace=namespace, identity=identity, clock=clock))
    else:
        holder = await other_holder(own, namespace=namespace, identity=identity, clock=clock)
    mode = restrained(settings.mode, holder)
    if mode is not settings.mode:
        log.warning("mode.restrained", holder=holder, mode=mode.value, hint="--alone overrides")
    return settings.model_copy(update={"mode": mode}), holder


async def _assemble(stack: AsyncExitStack, base: _Base, *, progress: Progress | None, walks: Walks | None) -> App:
    """What works on the base: the graph, and who runs incidents through it."""
    settings = base.settings
    brain = await open_brain(stack, settings, base.store)
    prompts = prompts_of(settings)
    reasoning = Reasoning(RecordedBrain(brain) if brain is not None else None, prompts, base.store, now=base.clock.now)
    parts = await _parts(stack, base, reasoning, walks)
    saver = await _open_checkpoints(stack, settings.checkpoints)
    graph = build_graph(parts, saver)
    about = about_of(settings, base.policy, base.clock, prompts)
    runner = Runner(
        graph,
        store=base.store,
        outbox=base.outbox,
        clock=base.clock,
        holder=base.holder,
        commands=commands_of(settings),
        progress=progress,
        telemetry=base.telemetry,
        recorder=Recorder(base.store, about, base.clock.now, models=reasoning.known),
        counts_usage=brain is not None,
    )
    shown = graph if walks is None else build_graph(parts, saver, walks=walks, by=STEPWISE_NAME)
    return App(**{each.name: getattr(base, each.name) for each in fields(_Base)}, graph=shown, runner=runner)


async def _parts(stack: AsyncExitStack, base: _Base, reasoning: Reasoning, walks: Walks | None) -> Parts:
    """What the graph's nodes work with."""
    settings, store, clock = base.settings, base.store, base.clock
    sandbox = await stack.enter_async_context(CheckedSandbox())
    return parts_of(
        reader=base.reader,
        owners=base.owners,
        store=store,
        outbox=base.outbox,
        collector=RecordedCollector(
            base.reader,
            now=clock.now,
            speed=clock.speed,
            registry=await open_registry(stack, settings),
            images=ImageIndex(store, base.cluster),
        ),
        remediation=open_remediation(
            base.transport,
            base.reader,
            store,
            policy=base.policy,
            clock=clock,
            settle_seconds=settings.settle_seconds,
            holder=base.holder,
            pace=walks,
        ),
        search=RecordedSearch(await open_search(stack, settings)),
        sandbox=RecordedSandbox(sandbox),
        reasoning=reasoning,
        commands=commands_of(settings),
        clock=clock,
        patience=Patience(grace_seconds=settings.grace_seconds, speed=clock.speed),
        readings=base.readings,
    )


async def _open_checkpoints(stack: AsyncExitStack, path: Path) -> AsyncSqliteSaver:
    """Where threads are kept. The store leads: that a loss of power may cost the last of them is no loss."""
    await make_write_ahead(path)
    saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(path)))
    await saver.conn.execute("PRAGMA synchronous = NORMAL")
    return saver


def policy_of(settings: Settings) -> Policy:
    """The policy that the settings describe."""
    return Policy(
        mode=settings.mode,
        namespaces=settings.namespaces,
        excluded_namespaces=(*settings.excluded_namespaces, settings.lease_namespace),  # its own is never touched
        min_confidence=settings.min_confidence,
        model_auto=settings.model_auto,
        windows=Windows(
            cooldown=settings.cooldown_seconds,
            same_field=settings.same_field_seconds,
            concurrent=settings.concurrent_changes,
            per_hour=settings.changes_per_hour,
            namespace_share=settings.namespace_share,
            breaker_undone=settings.breaker_undone,
            breaker=settings.breaker_seconds,
            request=settings.request_seconds,
        ),
    )
