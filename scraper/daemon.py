"""The daemon: one TaskGroup of watchers, workers, the outbox and the review of handed-over incidents.

Everything it knows is in the store: a restart takes up what was open. On SIGTERM it stops taking events and new
runs, and lets the runs in flight come to the end of what they are doing for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from agents.commands import Commands
from evidence.readings import Readings
from graph.runner import Runner
from incidents.incident import Incident, Status
from incidents.objects import ClusterId
from incidents.policy import Policy
from scraper.decisions import Decisions
from scraper.grace import Grace
from scraper.handed_over import HandedOver
from scraper.intake import Intake, IntakeParts
from scraper.queue import Key, KeyQueue, Queue
from scraper.raising import SweepParts
from scraper.sweep import EVERYTHING, Sweep
from scraper.tracing import Tracing
from scraper.working import Workers
from tools.clock import Clock
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.watch import WarningEvents
from tools.notify.outbox import Outbox
from tools.store import Store, StoreError
from tools.telemetry import Telemetry

log = structlog.get_logger(__name__)

REVIEW_SECONDS = 15.0
OUTBOX_SECONDS = 15.0
DECISIONS_SECONDS = 1.0  # real seconds until a person's decision is acted on
FORGET_SECONDS, FORGET_FIRST_SECONDS = 600.0, 10.0  # real: between two prunings, and from the start to the first one
DRAIN_SECONDS = 6.0  # real seconds a run in flight is given at SIGTERM; the process is gone within ten


@dataclass(frozen=True, kw_only=True)
class DaemonParts:
    """What the daemon works with."""

    reader: Reader
    owners: Owners
    store: Store
    runner: Runner
    outbox: Outbox
    policy: Policy
    clock: Clock
    cluster: ClusterId
    grace_seconds: float
    settle_seconds: float
    sweep_seconds: float
    workers: int
    retention_days: float
    telemetry: Telemetry
    commands: Commands
    readings: Readings | None = None  # from grace to the runner's graph


class Daemon:
    """Runs until it is told to stop."""

    def __init__(self, parts: DaemonParts, *, monotonic: Callable[[], float]) -> None:
        self._parts = parts
        self._stop = asyncio.Event()
        self._watchers = [
            WarningEvents(parts.reader, namespace=namespace, telemetry=parts.telemetry)
            for namespace in parts.policy.namespaces or ("",)
        ]
        self._queue: Queue = KeyQueue(monotonic, share=_share(parts))
        parts.telemetry.queue.set_function(lambda: len(self._queue))
        self._intake = self._made_intake(monotonic)
        self._sweep = self._made_sweep()
        self._workers = Workers(
            self._queue,
            store=parts.store,
            grace=self._made_grace(),
            runner=parts.runner,
            clock=parts.clock,
            policy=parts.policy,
        )
        self._handed_over = HandedOver(
            reader=parts.reader,
            store=parts.store,
            outbox=parts.outbox,
            clock=parts.clock,
            cluster=parts.cluster,
            settle_seconds=parts.settle_seconds,
            sight=lambda: self._sweep.sight,
        )
        self._decisions = Decisions(
            store=parts.store, clock=parts.clock, cluster=parts.cluster, commands=parts.commands
        )
        self.ready = asyncio.Event()

    def _made_intake(self, monotonic: Callable[[], float]) -> Intake:
        parts = self._parts
        return Intake(
            IntakeParts(
                reader=parts.reader,
                owners=parts.owners,
                store=parts.store,
                policy=parts.policy,
                clock=parts.clock,
                queue_up=self._after_grace,
                telemetry=parts.telemetry,
            ),
            monotonic=monotonic,
        )

    def _made_sweep(self) -> Sweep:
        parts = self._parts
        return Sweep(
            SweepParts(
                reader=parts.reader,
                owners=parts.owners,
                store=parts.store,
                intake=self._intake,
                policy=parts.policy,
                clock=parts.clock,
                cluster=parts.cluster,
                telemetry=parts.telemetry,
            )
        )

    def _made_grace(self) -> Grace:
        parts = self._parts
        tracing = Tracing(
            reader=parts.reader,
            store=parts.store,
            policy=parts.policy,
            clock=parts.clock,
            cluster=parts.cluster,
            queue_up=self._after_grace,
        )
        return Grace(
            reader=parts.reader,
            store=parts.store,
            clock=parts.clock,
            tracing=tracing,
            grace_seconds=parts.grace_seconds,
            readings=parts.readings,
        )

    def stop(self) -> None:
        """Ask it to drain and end."""
        self._stop.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Run beside the block: from the moment it watches until it has drained."""
        running = asyncio.create_task(self.run())
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if running.done():
                running.result()
            yield
        finally:
            ready.cancel()
            self.stop()
            await running

    async def run(self) -> None:
        """Run until ``stop``. Raises ClusterError when the cluster cannot be read at all at the start."""
        if not await self._begun():
            return
        parts = self._parts
        async with asyncio.TaskGroup() as group:
            seeing = [group.create_task(self._see(watcher)) for watcher in self._watchers]
            seeing.append(group.create_task(self._intake.keep_writing()))
            seeing.append(group.create_task(self._sweep.run(parts.sweep_seconds)))
            seeing.append(group.create_task(self._review()))
            seeing.append(group.create_task(self._deliver()))
            seeing.append(group.create_task(self._decide()))
            seeing.append(group.create_task(self._forget()))
            working = [group.create_task(self._workers.work(self._stop)) for _ in range(parts.workers)]
            seeing.append(group.create_task(self._announce()))
            await self._stop.wait()
            log.info("daemon.draining", waiting=len(self._queue))
            await self._drain(seeing, working)

    async def _begun(self) -> bool:
        """Look at everything and take up what is open. False when it was told to stop before that was done."""
        beginning = asyncio.create_task(self._begin())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({beginning, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                return False
            beginning.result()
            return True
        finally:
            for task in (beginning, stopping):
                task.cancel()
            await asyncio.gather(beginning, stopping, return_exceptions=True)

    async def _begin(self) -> None:
        await self._take_up()  # before the sweep: what it finds is newer
        await self.sweep()  # before anything is tried: it knows which revisions are good

    async def sweep(self) -> None:
        """One look at everything, as at every start: what is well is remembered, what is broken becomes an incident."""
        await self._sweep.sweep()
        await self._intake.write()

    async def _take_up(self) -> None:
        """Queue what is open: at the start, and after the queue was full.

        What was opened first comes first: whoever is started again and again would otherwise get to what is new each
        time, and never to what is old.
        """
        self._workers.turned_away = False
        for incident in reversed(await self._parts.store.incidents(Status.OPEN, limit=EVERYTHING)):
            if incident.subject.cluster == self._parts.cluster:  # one store may know several clusters
                self._workers.queue_up(incident)

    def _after_grace(self, incident: Incident) -> None:
        self._workers.queue_up(incident, delay_seconds=self._parts.grace_seconds)

    async def _announce(self) -> None:
        for watcher in self._watchers:
            await watcher.connected.wait()
        self.ready.set()
        self._parts.telemetry.watching.set(1)
        log.info("daemon.watching", server=self._parts.reader.server, mode=self._parts.policy.mode.value)

    async def _drain(self, seeing: list[asyncio.Task[None]], working: list[asyncio.Task[None]]) -> None:
        self._parts.telemetry.watching.set(0)
        for task in seeing:
            task.cancel()
        _, late = await asyncio.wait(working, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()  # what it was verifying is taken up by the next start

    async def _see(self, watcher: WarningEvents) -> None:
        async for event in watcher:
            await self._intake.take(event)

    async def _decide(self) -> None:
        while True:
            with self._while_the_store_refuses("decisions"):
                for incident in await self._decisions.deliver():
                    self._queue.add(Key(incident))
            await self._parts.clock.sleep(DECISIONS_SECONDS * self._parts.clock.speed)

    async def _forget(self) -> None:
        """Forget what was closed long ago; not in the first moments, which belong to what is open."""
        clock, age = self._parts.clock, timedelta(days=self._parts.retention_days)
        pause = max(FORGET_FIRST_SECONDS, min(FORGET_SECONDS, age.total_seconds()))  # kept no longer than twice as said
        await clock.sleep(FORGET_FIRST_SECONDS * clock.speed)
        with self._while_the_store_refuses("pruning"):
            await self._parts.runner.forget_lost()
        while True:
            with self._while_the_store_refuses("pruning"):
                forgotten = await self._parts.store.prune(before=clock.now() - age)
                await self._parts.runner.forget(forgotten)
                log.debug("store.pruned", incidents=len(forgotten))
            await clock.sleep(pause * clock.speed)

    async def _review(self) -> None:
        while True:
            await self._parts.clock.sleep(REVIEW_SECONDS)
            with self._while_the_store_refuses("review"):
                for incident in await self._handed_over.review():
                    self._workers.queue_up(incident)
                if self._workers.turned_away:
                    await self._take_up()

    async def _deliver(self) -> None:
        while True:
            with self._while_the_store_refuses("outbox"):
                await self._parts.outbox.deliver()
            await self._parts.clock.sleep(OUTBOX_SECONDS)

    @contextmanager
    def _while_the_store_refuses(self, what: str) -> Iterator[None]:
        """A full disk or a locked file passes; what is left undone meanwhile is done at the next turn."""
        try:
            yield
        except StoreError as error:
            log.warning("store.refuses", doing=what, because=str(error))


def _share(parts: DaemonParts) -> int:
    """How many workers one namespace may keep at most: half of them, unless it is the only one there is."""
    alone = len(parts.policy.namespaces) == 1
    return parts.workers if alone else max(1, parts.workers // 2)
