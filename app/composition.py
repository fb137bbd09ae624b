"""The composition root: from settings to a running set of objects, and their orderly end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

# Decided before LangGraph is imported: checkpoints decode to known types only, and nothing phones home.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
os.environ.setdefault("LANGSMITH_TRACING", "false")

import structlog
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph

from agents.coder import Coder
from agents.help_seeker import HelpSeeker
from agents.researcher import Researcher
from agents.supervisor import Supervisor
from app.claim import claiming, other_holder, restrained
from app.outside import open_notifier, open_registry, open_search, supervisor_model
from app.place import commands_of
from app.settings import Settings
from app.sole import holder_name, sole_worker
from app.version import USER_AGENT
from evidence.collector import Collector
from evidence.image_index import ImageIndex
from graph.build import Parts, build_graph
from graph.runner import Progress, Runner
from graph.state import State
from incidents.objects import ClusterId
from incidents.policy import Policy, Windows
from remediation import open_remediation
from remediation.recover import recover
from scraper.daemon import Daemon, DaemonParts
from tools.clock import Clock
from tools.cluster.own_objects import OwnObjects
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect
from tools.models import close_chat_model
from tools.notify import Notifier
from tools.notify.outbox import Outbox
from tools.sandbox.checked import CheckedSandbox
from tools.store import Store
from tools.store.sqlite import make_write_ahead, open_store
from tools.telemetry import Telemetry

log = structlog.get_logger(__name__)
Graph = CompiledStateGraph[State, None, State, State]


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that works together on one cluster."""

    settings: Settings
    policy: Policy
    clock: Clock
    cluster: ClusterId
    transport: Transport
    reader: Reader
    owners: Owners
    store: Store
    outbox: Outbox
    graph: Graph
    runner: Runner
    telemetry: Telemetry
    other_daemon: str | None = None  # who holds this cluster's Lease, if it is another store's daemon

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
) -> AsyncIterator[App]:
    """Open everything. ``kubeconfig`` is the content of one, in place of the file in the settings.

    ``speed`` is that of an embedded cluster. ``hold_lease``: this process is to be the cluster's daemon; where
    another store's daemon works already, mode auto becomes suggest. Raises ClusterError when the cluster cannot be
    reached or refuses, StoreError when the store cannot be used. With ``hold_lease`` it waits as long as another
    daemon works on the store. Changes that a crash left half-way are decided before this answers.
    """
    clock, telemetry = Clock(speed), Telemetry()
    async with AsyncExitStack() as stack:
        transport = await connect(
            user_agent=USER_AGENT,
            kubeconfig=kubeconfig if kubeconfig is not None else settings.kubeconfig,
            context=settings.context,
            in_cluster=settings.in_cluster and kubeconfig is None,
            telemetry=telemetry,
        )
        stack.push_async_callback(transport.aclose)
        reader = Reader(transport)
        cluster = await reader.cluster_id()
        store = await stack.enter_async_context(open_store(settings.store, now=clock.now))
        if hold_lease:
            await stack.enter_async_context(sole_worker(store, clock))
        settings, other = await _claimed(stack, settings, transport, store, clock, hold=hold_lease)
        holder = holder_name(daemon=hold_lease)
        await recover(transport, reader, store, cluster, clock=clock, holder=holder)
        yield await _assemble(
            stack,
            settings,
            clock,
            transport,
            reader,
            cluster,
            store,
            holder,
            other,
            telemetry=telemetry,
            progress=progress,
            notifier=notifier,
        )


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


async def _assemble(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    transport: Transport,
    reader: Reader,
    cluster: ClusterId,
    store: Store,
    holder: str,
    other: str | None,
    *,
    telemetry: Telemetry,
    progress: Progress | None,
    notifier: Notifier | None,
) -> App:
    policy = policy_of(settings)
    registry = await open_registry(stack, settings)
    owners = Owners(reader, cluster)
    outbox = Outbox(store, notifier or open_notifier(settings))
    model = supervisor_model(settings)
    stack.push_async_callback(close_chat_model, model)
    sandbox = await stack.enter_async_context(CheckedSandbox())
    await make_write_ahead(settings.checkpoints)
    saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(settings.checkpoints)))
    remediation = open_remediation(
        transport,
        reader,
        store,
        policy=policy,
        clock=clock,
        settle_seconds=settings.settle_seconds,
        holder=holder,
    )
    parts = Parts(
        reader=reader,
        owners=owners,
        store=store,
        collector=Collector(
            reader, now=clock.now, speed=clock.speed, registry=registry, images=ImageIndex(store, cluster)
        ),
        remediation=remediation,
        supervisor=Supervisor(model, method=settings.model_method),
        researcher=Researcher(await open_search(stack, settings)),
        coder=Coder(sandbox),
        help_seeker=HelpSeeker(store, outbox, policy.mode, commands_of(settings)),
        now=clock.now,
    )
    graph = build_graph(parts, saver)
    runner = Runner(
        graph,
        store=store,
        outbox=outbox,
        clock=clock,
        holder=holder,
        commands=commands_of(settings),
        progress=progress,
        telemetry=telemetry,
    )
    return App(
        settings=settings,
        policy=policy,
        clock=clock,
        cluster=cluster,
        transport=transport,
        reader=reader,
        owners=owners,
        store=store,
        outbox=outbox,
        graph=graph,
        runner=runner,
        telemetry=telemetry,
        other_daemon=other,
    )


def policy_of(settings: Settings) -> Policy:
    """The policy that the settings describe."""
    return Policy(
        mode=settings.mode,
        namespaces=settings.namespaces,
        excluded_namespaces=(*settings.excluded_namespaces, settings.lease_namespace),  # its own is never touched
        min_confidence=settings.min_confidence,
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
