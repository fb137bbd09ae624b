"""Waiting out transients: after the grace period the world is read, and what is well or starting is left alone.

How much longer what fails may stand before a person is told is decided where the playbooks have been asked. Here is
only the end of it: what has been starting over and over for too long is worked on as if it failed.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import structlog

from evidence.effects import explained_by
from evidence.readings import Readings
from evidence.snapshots import read_incident
from incidents.causes import with_effects
from incidents.decisions import outcome_of_well
from incidents.health import Health, State, assess
from incidents.incident import Incident, Outcome, Status
from incidents.ordering import proves_template
from incidents.patience import Patience
from incidents.snapshot import Snapshot, pod_template, template_digest
from scraper.lasting import WellSince
from scraper.tracing import Tracing
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.store import Store

log = structlog.get_logger(__name__)


class Advice(StrEnum):
    """What to do with an incident now."""

    WORK = "work"
    WAIT = "wait"
    CLOSED = "closed"
    EXPLAINED = "explained"


class Grace:
    """Decides whether an open incident is worth a run, and closes those whose subject healed by itself."""

    def __init__(
        self,
        *,
        reader: Reader,
        store: Store,
        clock: Clock,
        tracing: Tracing,
        grace_seconds: float,
        readings: Readings | None = None,
    ) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock
        self._tracing = tracing
        self._grace_seconds = grace_seconds
        self._patience = Patience(grace_seconds=grace_seconds, speed=clock.speed)
        self._well = WellSince(clock)
        self._readings = readings or Readings(clock.now)

    async def advise(self, incident: Incident) -> Advice:
        """Read the subject and decide. Raises ClusterError."""
        changes = await self._store.changes(incident.id)
        if any(change.stands for change in changes):
            return Advice.WORK  # a verification was interrupted
        snapshot = await read_incident(self._reader, incident, now=self._clock.now())
        if snapshot is None:
            await self._close(incident, f"{incident.subject} is gone")
            return Advice.CLOSED
        health = assess(snapshot, self._clock.now(), self._clock.speed)
        explained = [one.subject for one in await explained_by(self._store, incident)]
        health = with_effects(health, incident.subject.kind, explained)
        if health.state is not State.WELL:
            self._well.forget(incident)
            if await self._tracing.traced(incident, snapshot, health):
                return Advice.EXPLAINED
            drags_on = self._patience.start_is_over(incident, snapshot.workload, self._clock.now())
            if health.state is not State.FAILING and not drags_on:
                return Advice.WAIT
            self._readings.keep(incident, snapshot)  # the run begins at once, and with this very look
            return Advice.WORK
        if self._well.seconds(incident, snapshot) < self._grace_seconds:
            return Advice.WAIT
        ended = outcome_of_well(changes, await self._store.decisions(incident.id))
        if ended is Outcome.ROLLED_BACK:
            return Advice.WORK  # the end of that work was interrupted
        await self._healed(incident, snapshot, health, ended)
        return Advice.CLOSED

    async def explained(self, incident: Incident) -> bool:
        """Whether what a run has found out names a cause that is worked on by itself. Raises ClusterError."""
        return await self._tracing.blamed(incident)

    async def _healed(self, incident: Incident, snapshot: Snapshot, health: Health, ended: Outcome) -> None:
        if incident.subject.is_workload and proves_template(snapshot):
            await self._store.record_good(incident.subject, template_digest(pod_template(snapshot.workload)))
        count = f"{health.ready} of {health.desired} ready"
        how = "repaired" if ended is Outcome.RESOLVED else "healed by itself"
        await self._close(incident, f"{how}: {count}", ended)

    async def _close(self, incident: Incident, summary: str, outcome: Outcome = Outcome.SUPPRESSED) -> None:
        self._well.forget(incident)
        present = await self._store.incident(incident.id) or incident
        ended = msgspec.structs.replace(
            present,
            status=Status.CLOSED,
            outcome=outcome,
            summary=summary,
            ended_at=self._clock.now(),
        )
        await self._store.save_incident(ended)
        await self._store.note(incident.id, "ended", outcome=outcome, summary=summary)
        log.info("incident.ended", incident=incident.id, subject=str(incident.subject), outcome=outcome.value)
