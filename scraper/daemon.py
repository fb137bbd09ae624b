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
from graph.runner import InFlight, Runner, TryLater
from incidents.incident import Incident, Status
from incidents.objects import ClusterId, IncidentId
from incidents.policy import Policy
from scraper.decisions import Decisions
from scraper.grace import Advice, Grace
from scraper.handed_over import HandedOver
from scraper.intake import Intake, IntakeParts
from scraper.look import SweepParts
from scraper.queue import CAPACITY, Key, KeyQueue, Queue
from scraper.sweep import Sweep
from scraper.tracing import Tracing
from tools.clock import Clock
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.watch import WarningEvents
from tools.notify.outbox import Outbox
from tools.store import Store, StoreError
from tools.telemetry import Telemetry

log = structlog.get_logger(__name__)

RECHECK_SECONDS = 10.0  # of a subject that is starting or was just well
RETRY_SECONDS = 5.0  # when the API server is away or another run has the subject
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


class Daemon:
    """Runs until it is told to stop."""

    def __init__(self, parts: DaemonParts, *, monotonic: Callable[[], float]) -> None:
        self._parts = parts
        self._queue: Queue = KeyQueue(monotonic)
        parts.telemetry.queue.set_function(lambda: len(self._queue))
        self._turned_away = False
        self._stop = asyncio.Event()
        self._watchers = [
            WarningEvents(parts.reader, namespace=namespace, telemetry=parts.telemetry)
            for namespace in parts.policy.namespaces or ("",)
        ]
        self._intake = Intake(
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
        self._sweep = Sweep(
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
        self._grace = Grace(
            reader=parts.reader,
            store=parts.store,
            clock=parts.clock,
            tracing=Tracing(
                reader=parts.reader,
                store=parts.store,
                policy=parts.policy,
                clock=parts.clock,
                cluster=parts.cluster,
                queue_up=self._after_grace,
            ),
            grace_seconds=parts.grace_seconds,
        )
        self._handed_over = HandedOver(
            reader=parts.reader,
            store=parts.store,
            outbox=parts.outbox,
            clock=parts.clock,
            cluster=parts.cluster,
            settle_seconds=parts.settle_seconds,
        )
        self._decisions = Decisions(
            store=parts.store, clock=parts.clock, cluster=parts.cluster, commands=parts.commands
        )
        self.ready = asyncio.Event()

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
            working = [group.create_task(self._work()) for _ in range(parts.workers)]
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
        await self.sweep()  # before anything is tried: it knows which revisions are good
        await self._take_up()

    async def sweep(self) -> None:
        """One look at everything, as at every start: what is well is remembered, what is broken becomes an incident."""
        await self._sweep.sweep()
        await self._intake.write()

    async def _take_up(self) -> None:
        """Queue what is open: at the start, and after the queue was full."""
        self._turned_away = False
        for incident in await self._parts.store.incidents(Status.OPEN, limit=CAPACITY):
            if incident.subject.cluster == self._parts.cluster:  # one store may know several clusters
                self._queue_up(incident)

    def _queue_up(self, incident: Incident, *, delay_seconds: float = 0.0) -> None:
        if not self._queue.add(Key(incident.id), group=incident.subject.namespace, delay_seconds=delay_seconds):
            self._turned_away = True  # it is open in the store, where it is found again

    def _after_grace(self, incident: Incident) -> None:
        self._queue_up(incident, delay_seconds=self._parts.grace_seconds / self._parts.clock.speed)

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

    async def _work(self) -> None:
        while not self._stop.is_set():
            key = await self._take()
            if key is None:
                return
            try:
                await self._handle(key)
            finally:
                self._queue.done(key)

    async def _take(self) -> Key | None:
        """The next key, or None when the daemon is to stop."""
        taking = asyncio.create_task(self._queue.take())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() and not self._stop.is_set() else None
        finally:
            for task in (taking, stopping):
                task.cancel()

    async def _handle(self, key: Key) -> None:
        try:
            incident = await self._parts.store.incident(IncidentId(key))
        except StoreError as error:
            log.warning("incident.unread", incident=key, because=str(error))
            self._queue.add(key, delay_seconds=RETRY_SECONDS)
            return
        if incident is None or incident.status is not Status.OPEN:
            return
        speed = self._parts.clock.speed
        if self._parked(incident):
            return
        try:
            advice = await self._grace.advise(incident)
            if advice is Advice.WAIT:
                self._queue_up(incident, delay_seconds=RECHECK_SECONDS / speed)
            elif advice is Advice.WORK:
                self._parked(await self._parts.runner.run(incident))
        except ODD_OBJECT as error:
            log.exception("incident.odd", incident=incident.id, because=f"{type(error).__name__}: {error}")
            self._queue_up(incident, delay_seconds=REVIEW_SECONDS / speed)
        except (ClusterError, InFlight, TryLater, StoreError) as error:
            log.warning("incident.postponed", incident=incident.id, because=str(error))
            self._queue_up(incident, delay_seconds=RETRY_SECONDS / speed)

    def _parked(self, incident: Incident) -> bool:
        """Whether guardrails have deferred it; it is taken up again by itself when that has passed."""
        longest = self._parts.policy.windows.at(self._parts.clock.speed).longest_deferral
        seconds = incident.parked_seconds(self._parts.clock.now(), longest=longest)
        if seconds > 0:
            self._queue_up(incident, delay_seconds=seconds)
        return seconds > 0

    async def _decide(self) -> None:
        while True:
            with self._while_the_store_refuses("decisions"):
                for incident in await self._decisions.deliver():
                    self._queue.add(Key(incident))
            await self._parts.clock.sleep(DECISIONS_SECONDS * self._parts.clock.speed)

    async def _forget(self) -> None:
        """Forget what was closed long ago; not in the first moments, which belong to what is open."""
        clock, age = self._parts.clock, timedelta(days=self._parts.retention_days)
        await clock.sleep(FORGET_FIRST_SECONDS * clock.speed)
        while True:
            with self._while_the_store_refuses("pruning"):
                forgotten = await self._parts.store.prune(before=clock.now() - age)
                await self._parts.runner.forget(forgotten)
                log.debug("store.pruned", incidents=len(forgotten))
            await clock.sleep(FORGET_SECONDS * clock.speed)

    async def _review(self) -> None:
        while True:
            await self._parts.clock.sleep(REVIEW_SECONDS)
            with self._while_the_store_refuses("review"):
                for incident in await self._handed_over.review():
                    self._queue_up(incident)
                if self._turned_away:
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
