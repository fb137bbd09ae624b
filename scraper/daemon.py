"""The daemon: one TaskGroup of watchers, workers, the outbox and the review of handed-over incidents.

Everything it knows is in the store: a restart takes up what was open. On SIGTERM it stops taking events and new
runs, and lets the runs in flight come to the end of what they are doing for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from graph.runner import InFlight, Runner, TryLater
from incidents.incident import Status
from incidents.objects import ClusterId, IncidentId
from incidents.policy import Policy
from scraper.good_revisions import record_good_revisions
from scraper.grace import Advice, Grace
from scraper.handed_over import HandedOver
from scraper.intake import Intake
from scraper.queue import Key, KeyQueue
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.watch import WarningEvents
from tools.notify.outbox import Outbox
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)

RECHECK_SECONDS = 10.0  # of a subject that is starting or was just well
RETRY_SECONDS = 5.0  # when the API server is away or another run has the subject
REVIEW_SECONDS = 15.0
OUTBOX_SECONDS = 15.0
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
    workers: int


class Daemon:
    """Runs until it is told to stop."""

    def __init__(self, parts: DaemonParts, *, monotonic: Callable[[], float]) -> None:
        self._parts = parts
        speed = parts.clock.speed
        self._queue = KeyQueue(monotonic)
        self._stop = asyncio.Event()
        self._watchers = [
            WarningEvents(parts.reader, namespace=namespace) for namespace in parts.policy.namespaces or ("",)
        ]
        self._intake = Intake(
            owners=parts.owners,
            store=parts.store,
            queue=self._queue,
            policy=parts.policy,
            grace_seconds=parts.grace_seconds / speed,
            now=parts.clock.now,
        )
        self._grace = Grace(
            reader=parts.reader, store=parts.store, clock=parts.clock, grace_seconds=parts.grace_seconds
        )
        self._handed_over = HandedOver(
            reader=parts.reader,
            store=parts.store,
            outbox=parts.outbox,
            clock=parts.clock,
            cluster=parts.cluster,
            settle_seconds=parts.settle_seconds,
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
        parts = self._parts
        await record_good_revisions(
            parts.reader, parts.store, cluster=parts.cluster, policy=parts.policy, clock=parts.clock
        )
        for incident in await parts.store.incidents(Status.OPEN):
            if incident.subject.cluster == parts.cluster:  # one store may know several clusters
                self._queue.add(Key(incident.id))
        async with asyncio.TaskGroup() as group:
            seeing = [group.create_task(self._see(watcher)) for watcher in self._watchers]
            seeing.append(group.create_task(self._review()))
            seeing.append(group.create_task(self._deliver()))
            working = [group.create_task(self._work()) for _ in range(parts.workers)]
            seeing.append(group.create_task(self._announce()))
            await self._stop.wait()
            log.info("daemon.draining", waiting=len(self._queue))
            await self._drain(seeing, working)

    async def _announce(self) -> None:
        for watcher in self._watchers:
            await watcher.connected.wait()
        self.ready.set()
        log.info("daemon.watching", server=self._parts.reader.server, mode=self._parts.policy.mode.value)

    async def _drain(self, seeing: list[asyncio.Task[None]], working: list[asyncio.Task[None]]) -> None:
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
        incident = await self._parts.store.incident(IncidentId(key))
        if incident is None or incident.status is not Status.OPEN:
            return
        speed = self._parts.clock.speed
        try:
            advice = await self._grace.advise(incident)
            if advice is Advice.WAIT:
                self._queue.add(key, delay_seconds=RECHECK_SECONDS / speed)
            elif advice is Advice.WORK:
                await self._parts.runner.run(incident)
        except (ClusterError, InFlight, TryLater) as error:
            log.warning("incident.postponed", incident=incident.id, because=str(error))
            self._queue.add(key, delay_seconds=RETRY_SECONDS / speed)

    async def _review(self) -> None:
        while True:
            await self._parts.clock.sleep(REVIEW_SECONDS)
            for incident in await self._handed_over.review():
                self._queue.add(Key(incident.id))

    async def _deliver(self) -> None:
        while True:
            await self._parts.outbox.deliver()
            await self._parts.clock.sleep(OUTBOX_SECONDS)
