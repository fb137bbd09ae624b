"""Incidents that a person has, or is asked about: nothing is tried until the world says otherwise.

That is: the subject is well and stays so (closed, told once), it is gone, somebody else has changed its spec or an
object the case rests on (a new incident that names this one is opened if it still fails; one that waits for an answer
is worked on anew), or the cause that explained it is over. Once a day a person is reminded.

Only some are looked at in one review, however many there are: ``scraper.turns`` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from evidence.effects import explained_by
from evidence.foundations import foundations_digests
from evidence.snapshots import read_incident
from incidents.causes import may_be_explained_by, with_effects
from incidents.decisions import RequestState
from incidents.foundations import as_digests, as_text
from incidents.health import Health, State, assess
from incidents.incident import Incident, Outcome, Status
from incidents.objects import ClusterId
from incidents.signals import Signal, Source
from incidents.snapshot import Snapshot, is_ready, spec_digest
from scraper.lasting import WellSince
from scraper.turns import Sight, Turns
from tools.clock import Clock
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.cluster.reader import Reader
from tools.notify.contract import Notice, Section
from tools.notify.outbox import Outbox
from tools.store import Store

RECOVERY_SECONDS = 300.0  # after its cause: the kubelet starts what has crashed again after five minutes at the latest
REMINDER_SECONDS = 86_400.0  # between two reminders of one incident
REVIEWED = 10_000  # incidents, the newest: more than that a person will not have

log = structlog.get_logger(__name__)


class HandedOver:
    """Looks at every such incident from time to time.

    ``settle_seconds``: how long well must last. ``sight`` answers what the last whole sweep saw, if there was one.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        store: Store,
        outbox: Outbox,
        clock: Clock,
        cluster: ClusterId,
        settle_seconds: float,
        sight: Callable[[], Sight | None],
    ) -> None:
        self._reader = reader
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._cluster = cluster
        self._settle_seconds = settle_seconds
        self._sight = sight
        self._well = WellSince(clock)
        self._turns = Turns(clock, settle_seconds=settle_seconds)

    async def review(self) -> list[Incident]:
        """Look at those whose turn it is; answers what is to be worked on, because something has changed.

        What is not in this cluster is not gone: one store may know several.
        """
        held = await self._store.incidents(Status.HANDED_OVER, Status.WAITING, limit=REVIEWED)
        incidents = [incident for incident in held if incident.subject.cluster == self._cluster]
        self._well.keep(incidents)
        due = []
        for incident in self._turns.next(incidents, self._sight(), await self._urgent(incidents)):
            self._turns.looked(incident, None)
            try:
                found = await self._review(incident)
            except (ClusterError, *ODD_OBJECT) as error:
                log.warning("handed_over.unread", incident=incident.id, error=f"{type(error).__name__}: {error}")
                continue
            if found is not None:
                due.append(found)
        return due

    async def _urgent(self, incidents: Sequence[Incident]) -> list[str]:
        """Those with a reason that only the store knows: their cause is over, or a person is to be reminded."""
        causes = {incident.caused_by for incident in incidents if incident.caused_by is not None}
        over = set()
        for one in causes:
            cause = await self._store.incident(one)
            if cause is None or cause.status is Status.CLOSED:
                over.add(one)
        return [one.id for one in incidents if one.caused_by in over or self._reminder_is_due(one)]

    async def _review(self, incident: Incident) -> Incident | None:
        snapshot = await read_incident(self._reader, incident, now=self._clock.now())
        if snapshot is None:
            if any(change.between for change in await self._store.changes(incident.id)):
                return await self._reopen(incident, f"{incident.subject} was deleted to be made anew, and is not there")
            await self._close(incident, f"{incident.subject} is gone")
            return None
        explained = [one.subject for one in await explained_by(self._store, incident)]
        health = assess(snapshot, self._clock.now(), self._clock.speed)
        health = with_effects(health, incident.subject.kind, explained)
        generation = int(snapshot.workload["metadata"].get("generation") or 0)
        self._turns.looked(incident, health.state, generation)
        if health.state is State.WELL:
            if self._well.seconds(incident, snapshot) >= self._settle_seconds:
                await self._close(incident, _well_again(incident, health))
            return None
        self._well.forget(incident)
        if not incident.spec:
            await self._save(incident, spec=spec_digest(snapshot.workload))
        if incident.caused_by is not None:
            cause = await self._store.incident(incident.caused_by)
            if cause is None:
                return await self._reopen(incident, "what explained it is over, and it still fails")
            if health.state is State.FAILING and not may_be_explained_by(cause.subject, snapshot, health):
                return await self._reopen(incident, f"{cause.subject} does not explain what fails now")
            if cause.status is Status.CLOSED:
                over = "what explained it is over, and it still fails"
                return None if self._recovers(cause, snapshot, health) else await self._reopen(incident, over)
        changed = await self._changed(incident, snapshot, health)
        if not changed or health.state is not State.FAILING:
            await self._remind(incident)
            return None
        if incident.status is Status.WAITING:
            return await self._reopen(incident, changed)
        return await self._follow(incident, changed)

    def _recovers(self, cause: Incident, snapshot: Snapshot, health: Health) -> bool:
        """Whether what a cause has broken comes back by itself, or may still do so, now that the cause is over.

        That its pods have crashed within the kubelet's memory says nothing of them while all are Ready.
        """
        pods = snapshot.live_pods
        back = bool(health.desired) and len(pods) >= health.desired and all(map(is_ready, pods))
        since = cause.ended_at or cause.opened_at
        return back or self._clock.now() < since + timedelta(seconds=RECOVERY_SECONDS / self._clock.speed)

    # --- what has changed

    async def _changed(self, incident: Incident, snapshot: Snapshot, health: Health) -> str:
        """What somebody has changed since a person was told; empty if nothing, or if that is not known."""
        if incident.spec and spec_digest(snapshot.workload) != incident.spec:
            return f"somebody has changed {incident.subject}"
        known = as_digests(incident.rests_on)  # which objects are looked at varies with the last signal
        found = await foundations_digests(self._reader, snapshot, health)
        if any(known.get(name, digest) != digest for name, digest in found.items()):
            return f"somebody has changed what {incident.subject} rests on"
        if (kept := as_text({**found, **known})) != incident.rests_on:
            await self._save(incident, rests_on=kept)
        return ""

    # --- what is done about it

    async def _follow(self, incident: Incident, because: str) -> Incident:
        present = await self._store.incident(incident.id) or incident
        successor = await self._store.succeed(present, _again(incident.last_signal, self._clock.now()))
        await self._store.note(incident.id, "closed", because=because)
        await self._store.note(successor.id, "opened", follows=incident.id)
        return successor

    async def _reopen(self, incident: Incident, because: str) -> Incident | None:
        """Work on it anew. None if it is no longer what was looked at: a person's answer was faster."""
        if not await self._still(incident):
            return None
        await self._void_requests(incident)
        reopened = await self._save(
            incident, status=Status.OPEN, outcome=None, summary="", ended_at=None, caused_by=None, rests_on=""
        )
        await self._store.note(incident.id, "reopened", because=because)
        log.info("incident.reopened", incident=incident.id, subject=str(incident.subject), because=because)
        return reopened

    async def _still(self, incident: Incident) -> bool:
        """Whether it stands as it did when it was looked at."""
        present = await self._store.incident(incident.id)
        return present is not None and present.status is incident.status

    async def _remind(self, incident: Incident) -> None:
        """Tell a person again, at most once a day; of what something else explains, nobody was told."""
        if not self._reminder_is_due(incident):
            return
        now, due = self._clock.now(), self._reminder(incident)
        lines = (incident.summary, f"handed over {(incident.ended_at or incident.opened_at):%Y-%m-%d %H:%M} UTC")
        notice = Notice(
            key=f"{incident.id}/reminder/{int(due.timestamp())}",
            title=f"Still needs a person: {incident.subject}",
            sections=(Section(lines=tuple(line for line in lines if line)),),
            incident=incident.id,
        )
        await self._store.enqueue(notice)  # its key is that of the day: a crash before the next line tells nobody twice
        await self._save(incident, reminded_at=now)
        await self._outbox.deliver()

    def _reminder_is_due(self, incident: Incident) -> bool:
        told = incident.caused_by is None and incident.status is Status.HANDED_OVER
        return told and self._clock.now() >= self._reminder(incident)

    def _reminder(self, incident: Incident) -> datetime:
        since = incident.reminded_at or incident.ended_at or incident.opened_at
        return since + timedelta(seconds=REMINDER_SECONDS / self._clock.speed)

    async def _void_requests(self, incident: Incident) -> None:
        for request in await self._store.requests_of(incident.id):
            if request.state in (RequestState.OPEN, RequestState.APPROVED):
                await self._store.close_request(request.id, RequestState.VOID)

    async def _save(self, incident: Incident, **fields: object) -> Incident:
        present = await self._store.incident(incident.id) or incident  # signals were counted in it meanwhile
        changed = msgspec.structs.replace(present, **fields)
        await self._store.save_incident(changed)
        return changed

    async def _close(self, incident: Incident, summary: str) -> None:
        self._well.forget(incident)
        if not await self._still(incident):
            return
        await self._void_requests(incident)
        if incident.caused_by is None:  # whoever was told that it is broken is told that it is over
            notice = Notice(
                key=f"{incident.id}/closed",
                title=f"Over: {incident.subject}",
                sections=(Section(lines=(summary,)),),
                severity="info",
                incident=incident.id,
            )
            await self._store.enqueue(notice)  # first: a crash in between repeats this look, and the key is one
        told = incident.caused_by is None  # what its cause explained, and what waited for an answer, healed by itself
        outcome = incident.outcome if told and incident.outcome is not None else Outcome.SUPPRESSED
        await self._save(incident, status=Status.CLOSED, outcome=outcome, ended_at=self._clock.now())
        await self._store.note(incident.id, "closed", because=summary)
        log.info("incident.closed", incident=incident.id, subject=str(incident.subject), because=summary)
        await self._outbox.deliver()


def _well_again(incident: Incident, health: Health) -> str:
    said = f": {health.ready} of {health.desired} ready" if incident.subject.is_workload else ""
    return f"{incident.subject} is well{said}"


def _again(signal: Signal, now: datetime) -> Signal:
    # Nobody has asked for it: what a person's word lets pass does not pass here.
    source = Source.SWEEP if signal.source in (Source.REQUEST, Source.WORDS) else signal.source
    return msgspec.structs.replace(signal, first_seen=now, last_seen=now, count=1, source=source)
