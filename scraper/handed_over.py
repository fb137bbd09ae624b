"""Incidents that a person has: nothing is tried, asked or sent again until the world says otherwise.

That is: the subject is well and stays so (closed, told once), it is gone, or somebody else has changed its spec
(closed, and a new incident that names this one is opened if it still fails).
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import structlog

from evidence.snapshots import read_snapshot
from incidents.health import State, assess
from incidents.incident import Incident, Status
from incidents.objects import ClusterId
from incidents.signals import Signal
from incidents.snapshot import Snapshot, spec_digest
from scraper.lasting import WellSince
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader
from tools.notify.contract import Notice, Section
from tools.notify.outbox import Outbox
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class HandedOver:
    """Looks at every handed-over incident from time to time. ``settle_seconds``: how long well must last."""

    def __init__(
        self,
        *,
        reader: Reader,
        store: Store,
        outbox: Outbox,
        clock: Clock,
        cluster: ClusterId,
        settle_seconds: float,
    ) -> None:
        self._reader = reader
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._cluster = cluster
        self._settle_seconds = settle_seconds
        self._well = WellSince(clock)

    async def review(self) -> list[Incident]:
        """One look at each; answers the incidents that were opened because somebody has changed something."""
        opened = []
        for incident in await self._store.incidents(Status.HANDED_OVER):
            if incident.subject.cluster != self._cluster:
                continue  # one store may know several clusters; what is not in this one is not gone
            try:
                successor = await self._review(incident)
            except ClusterError as error:
                log.warning("handed_over.unread", incident=incident.id, error=str(error))
                continue
            if successor is not None:
                opened.append(successor)
        return opened

    async def _review(self, incident: Incident) -> Incident | None:
        snapshot = await read_snapshot(self._reader, incident.subject.ref, now=self._clock.now())
        if snapshot is None:
            await self._close(incident, f"{incident.subject} is gone")
            return None
        health = assess(snapshot, self._clock.now(), self._clock.speed)
        if health.state is State.WELL:
            if self._well.seconds(incident, snapshot) >= self._settle_seconds:
                await self._close(incident, f"{incident.subject} is well: {health.ready} of {health.desired} ready")
            return None
        self._well.forget(incident)
        if not incident.spec:
            await self._remember(incident, snapshot)
        if not _changed(incident, snapshot) or health.state is not State.FAILING:
            return None
        present = await self._store.incident(incident.id) or incident
        successor = await self._store.succeed(present, _again(incident.last_signal, self._clock.now()))
        await self._store.note(incident.id, "closed", because=f"somebody has changed {incident.subject}")
        await self._store.note(successor.id, "opened", follows=incident.id)
        return successor

    async def _remember(self, incident: Incident, snapshot: Snapshot) -> None:
        """The spec could not be read when the incident was handed over: what stands now is what changes count from."""
        present = await self._store.incident(incident.id) or incident
        await self._store.save_incident(msgspec.structs.replace(present, spec=spec_digest(snapshot.workload)))

    async def _close(self, incident: Incident, summary: str) -> None:
        self._well.forget(incident)
        notice = Notice(
            key=f"{incident.id}/closed",
            title=f"Over: {incident.subject}",
            sections=(Section(lines=(summary,)),),
            severity="info",
            incident=incident.id,
        )
        await self._store.enqueue(notice)  # first: a crash in between repeats this look, and the key is one
        present = await self._store.incident(incident.id) or incident
        closed = msgspec.structs.replace(present, status=Status.CLOSED, ended_at=self._clock.now())
        await self._store.save_incident(closed)
        await self._store.note(incident.id, "closed", because=summary)
        log.info("incident.closed", incident=incident.id, subject=str(incident.subject), because=summary)
        await self._outbox.deliver()


def _changed(incident: Incident, snapshot: Snapshot) -> bool:
    """Whether somebody has changed the subject since it was handed over; unknown then means no."""
    return bool(incident.spec) and spec_digest(snapshot.workload) != incident.spec


def _again(signal: Signal, now: datetime) -> Signal:
    return msgspec.structs.replace(signal, first_seen=now, last_seen=now, count=1)
