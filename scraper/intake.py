"""From raw Warning events to open incidents: normalise, find the subject, open or join, queue the key.

Storms coalesce: an event that brings nothing new ends in memory, a series that grows is one signal, and what is new is
written in batches, one transaction for all that came while the one before was made. An event that comes alone is
written at once. The longer the batches of a storm take, the further they lie apart: it gets a third of the time for
writing, and what grows meanwhile is one signal of the next batch.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_text
from evidence.snapshots import read_snapshot
from incidents.health import State, assess
from incidents.incident import Incident, Status
from incidents.objects import Uid
from incidents.policy import Policy
from incidents.signals import MalformedEvent, Signal, signal_from_event
from incidents.subjects import Subject
from scraper.placing import Placing
from tools.clock import Clock
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.store import Store, StoreError
from tools.telemetry import Telemetry

BATCH_SECONDS = 0.1  # real seconds without a batch after which an event has come alone
GATHER_SECONDS = 0.03  # real seconds from one batch to the next: what it holds up is no longer alone anyway
STORM = 300  # signals of one batch: a storm, whose batches lie apart
APART, LONGEST_GATHER_SECONDS = 3, 1.0  # how far, as a multiple of what the one before took; never further
REMEMBERED = 20_000  # events whose count is known; some 200 bytes each
PENDING = 20_000  # signals that wait to be written before the stream itself has to wait
OLD = timedelta(seconds=120)  # real: what was last seen before is history, and a list brings hours of it
LOOKED_SECONDS = 30.0  # real seconds a look at a subject serves for all of its old events

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class IntakeParts:
    """What the intake works with. ``queue_up`` is told of every incident that is open."""

    reader: Reader
    owners: Owners
    store: Store
    policy: Policy
    clock: Clock
    queue_up: Callable[[Incident], None]
    telemetry: Telemetry = field(default_factory=Telemetry)


class Intake:
    """Takes signals in. What it makes of one event is the same however often the event is seen."""

    def __init__(self, parts: IntakeParts, *, monotonic: Callable[[], float]) -> None:
        self._parts = parts
        self._monotonic = monotonic
        # What was seen before is looked at first: an incident that the process before this one worked on may be closed
        # by the time that the list brings its event.
        self._started = parts.clock.now()
        self._counted: OrderedDict[Uid, int] = OrderedDict()
        self._placing = Placing(parts.owners, parts.policy)
        self._unplaced: list[Signal] = []
        self._pending: dict[tuple[str, str], tuple[Subject, Signal]] = {}
        self._more = asyncio.Event()
        self._writing = asyncio.Lock()
        self._looked: dict[str, tuple[float, bool]] = {}
        self._written_at = -BATCH_SECONDS
        self._gather_seconds = GATHER_SECONDS
        self._oldest: float | None = None  # when the first signal came that is not written yet

    async def take(self, event: dict[str, Any]) -> None:
        """Take one raw event in. It is written at once if it comes alone, and soon with the others if not."""
        now = self._parts.clock.now()
        try:
            signal = signal_from_event(event, now=now)
        except MalformedEvent as error:
            log.warning("event.malformed", error=str(error))
            return
        if self._is_counted(signal) or not self._placing.wants(signal):
            return
        subject = self._placing.at_hand(signal)
        if subject is not None and not self._is_old(signal, now):
            self._pend(subject, signal)
        else:
            self._unplaced.append(signal)
        self._signalled()
        if self._monotonic() - self._written_at >= max(BATCH_SECONDS, self._gather_seconds):
            await self.write()  # it has come alone
        while self._is_full() and not await self.write():  # the stream waits too while nothing can be written
            await self._parts.clock.sleep(BATCH_SECONDS * self._parts.clock.speed)

    async def signal(self, signal: Signal) -> None:
        """Take one signal in, unless nothing in it is new. Raises ClusterError when its subject cannot be found."""
        if self._is_counted(signal) or not self._placing.wants(signal):
            return
        subject = await self._placing.place(signal)
        if subject is not None:
            self._pend(subject, signal)
            self._signalled()

    def _is_full(self) -> bool:
        return len(self._pending) + len(self._unplaced) >= PENDING

    def _signalled(self) -> None:
        self._oldest = self._monotonic() if self._oldest is None else self._oldest
        self._more.set()

    async def keep_writing(self) -> None:
        """Write whatever is there, until cancelled: all that has come since the batch before.

        What a failing store refuses is offered again.
        """
        while True:
            await self._more.wait()
            early = self._gather_seconds - (self._monotonic() - self._written_at)
            if early > 0:
                await self._parts.clock.sleep(early * self._parts.clock.speed)
            if not await self.write():
                await self._parts.clock.sleep(BATCH_SECONDS * self._parts.clock.speed)

    async def write(self) -> bool:
        """Write what is there in one transaction, and queue the incidents that are open. False if the store fails."""
        async with self._writing:
            self._more.clear()
            self._written_at = self._monotonic()
            oldest, self._oldest = self._oldest, None
            await self._place()
            batch, self._pending = list(self._pending.values()), {}
            if not batch:
                return True
            try:
                joined = await self._written(batch)
            except StoreError as error:
                log.error("signals.unwritten", signals=len(batch), error=str(error))
                later, self._pending = self._pending.values(), {}
                for subject, signal in (*batch, *later):
                    self._pend(subject, signal)
                self._signalled()
                return False
            self._joined(batch, joined)
            if oldest is not None:
                self._parts.telemetry.reaction_seconds.observe(self._monotonic() - oldest)
            return True

    async def _written(self, batch: list[tuple[Subject, Signal]]) -> list[tuple[Incident, bool]]:
        began = self._monotonic()
        joined = await self._parts.store.open_or_join_all(batch)
        apart = APART * (self._monotonic() - began) if len(batch) >= STORM else 0.0
        self._gather_seconds = min(max(GATHER_SECONDS, apart), LONGEST_GATHER_SECONDS)
        return joined

    async def _place(self) -> None:
        signals, self._unplaced = self._unplaced, []
        if not signals:
            return
        now = self._parts.clock.now()
        for subject, signal in await self._placing.place_all(signals):
            if not self._is_old(signal, now) or not await self._has_passed(subject, signal):
                self._pend(subject, signal)

    async def _has_passed(self, subject: Subject, signal: Signal) -> bool:
        try:
            passed = await self._is_over(subject, signal)
        except (ClusterError, StoreError) as error:
            log.warning("event.unplaced", about=str(signal.about), error=str(error))
            return True  # not counted: the series goes on while the trouble lasts
        except ODD_OBJECT as error:
            log.warning("event.odd", about=str(signal.about), error=f"{type(error).__name__}: {error}")
            passed = self._saw(subject, over=False)  # nobody here can say: whoever works on it tells a person
        if passed:
            self._count(signal)
        return passed

    def _pend(self, subject: Subject, signal: Signal) -> None:
        """A series that has grown takes the place of its earlier self."""
        key = (subject.key, signal.event_uid or f"{len(self._pending)}/{signal.reason}")
        before = self._pending.get(key)
        if before is None or before[1].count <= signal.count:
            masked = msgspec.structs.replace(signal, message=_masked(signal.message))
            self._pending[key] = (subject, masked)

    def _joined(self, batch: list[tuple[Subject, Signal]], joined: list[tuple[Incident, bool]]) -> None:
        seen = Counter((signal.source.value, signal.symptom.value) for _, signal in batch)
        for labels, number in seen.items():
            self._parts.telemetry.signals.labels(*labels).inc(number)
        for (_, signal), (incident, new) in zip(batch, joined, strict=True):
            self._count(signal)
            if new:
                self._parts.telemetry.incidents_opened.labels(signal.symptom.value).inc()
                subject, symptom = str(incident.subject), signal.symptom.value
                log.info("incident.opened", incident=incident.id, subject=subject, symptom=symptom)
        for incident in {incident.id: incident for incident, _ in joined}.values():
            if incident.status is Status.OPEN:  # joined ones too: whoever had it open may have died with it
                self._parts.queue_up(incident)

    # --- what is nothing new

    def _is_counted(self, signal: Signal) -> bool:
        return bool(signal.event_uid) and self._counted.get(signal.event_uid, 0) >= signal.count

    def _count(self, signal: Signal) -> None:
        if signal.event_uid:
            self._counted[signal.event_uid] = signal.count
            self._counted.move_to_end(signal.event_uid)
            if len(self._counted) > REMEMBERED:
                self._counted.popitem(last=False)

    def forget(self, event_uid: Uid) -> None:
        """A state that has ended: the next time it is seen, it is news."""
        self._counted.pop(event_uid, None)

    def _is_old(self, signal: Signal, now: datetime) -> bool:
        return signal.last_seen < self._started or signal.last_seen < now - OLD

    async def _is_over(self, subject: Subject, signal: Signal) -> bool:
        """Whether an old signal speaks of trouble that has passed: nothing is open about it, and it is well now."""
        looked_at, over = self._looked.get(subject.key, (-LOOKED_SECONDS, False))
        if self._monotonic() - looked_at < LOOKED_SECONDS:
            return over
        if await self._parts.store.incident_of(subject) is None:
            now = self._parts.clock.now()
            snapshot = await read_snapshot(self._parts.reader, subject.ref, now=now, beside=(signal.about,))
            over = snapshot is None or assess(snapshot, now, self._parts.clock.speed).state is State.WELL
        else:
            over = False
        return self._saw(subject, over=over)

    def _saw(self, subject: Subject, *, over: bool) -> bool:
        if len(self._looked) >= REMEMBERED:
            self._looked.clear()
        self._looked[subject.key] = (self._monotonic(), over)
        return over


@lru_cache(maxsize=4096)  # the same few things are said again and again
def _masked(message: str) -> str:
    return mask_text(message)
