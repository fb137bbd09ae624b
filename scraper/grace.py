"""Waiting out transients: after the grace period the world is read, and what is well or starting is left alone."""

from __future__ import annotations

from enum import StrEnum

import msgspec
import structlog

from evidence.snapshots import read_snapshot
from incidents.health import Health, State, assess
from incidents.incident import Incident, Outcome, Status
from incidents.snapshot import Snapshot, pod_template, template_digest
from scraper.lasting import WellSince
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class Advice(StrEnum):
    """What to do with an incident now."""

    WORK = "work"
    WAIT = "wait"
    CLOSED = "closed"


class Grace:
    """Decides whether an open incident is worth a run, and closes those whose subject healed by itself."""

    def __init__(self, *, reader: Reader, store: Store, clock: Clock, grace_seconds: float) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._well = WellSince(clock)

    async def advise(self, incident: Incident) -> Advice:
        """Read the subject and decide. Raises ClusterError."""
        if any(change.stands for change in await self._store.changes(incident.id)):
            return Advice.WORK  # a verification was interrupted
        snapshot = await read_snapshot(self._reader, incident.subject.ref, now=self._clock.now())
        if snapshot is None:
            await self._close(incident, f"{incident.subject} is gone")
            return Advice.CLOSED
        health = assess(snapshot, self._clock.now(), self._clock.speed)
        if health.state is State.FAILING:
            self._well.forget(incident)
            return Advice.WORK
        if health.state is State.STARTING:
            self._well.forget(incident)
            return Advice.WAIT
        if self._well.seconds(incident, snapshot) < self._grace_seconds:
            return Advice.WAIT
        await self._healed(incident, snapshot, health)
        return Advice.CLOSED

    async def _healed(self, incident: Incident, snapshot: Snapshot, health: Health) -> None:
        await self._store.record_good(incident.subject, template_digest(pod_template(snapshot.workload)))
        await self._close(incident, f"healed by itself: {health.ready} of {health.desired} ready")

    async def _close(self, incident: Incident, summary: str) -> None:
        self._well.forget(incident)
        present = await self._store.incident(incident.id) or incident
        ended = msgspec.structs.replace(
            present,
            status=Status.CLOSED,
            outcome=Outcome.SUPPRESSED,
            summary=summary,
            ended_at=self._clock.now(),
        )
        await self._store.save_incident(ended)
        await self._store.note(incident.id, "ended", outcome=Outcome.SUPPRESSED, summary=summary)
        log.info("incident.ended", incident=incident.id, subject=str(incident.subject), outcome="suppressed")
