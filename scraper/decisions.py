"""Acting on what people decide: a command only writes a record; here the work it is about goes on.

Looked for every second in the store, which is what every way of deciding writes to. An approval changes nothing by
itself: the incident is worked on anew, and the change is made only if it is still the one that was shown. A request
that is rejected, or that nobody answers in time, ends the work; if changes stand, the graph settles them first.
"""

from __future__ import annotations

import msgspec
import structlog

from agents.commands import Commands
from incidents.decisions import Decision, DecisionKind, Request, RequestState, SwitchName
from incidents.incident import Incident, Outcome, Status
from incidents.objects import ClusterId, IncidentId
from tools.clock import Clock
from tools.notify.contract import Notice, Section
from tools.store import Store

_OVER = frozenset({RequestState.EXPIRED, RequestState.VOID, RequestState.USED})

log = structlog.get_logger(__name__)


class Decisions:
    """Delivers decisions of one cluster's incidents."""

    def __init__(self, *, store: Store, clock: Clock, cluster: ClusterId, commands: Commands) -> None:
        self._commands = commands
        self._store = store
        self._clock = clock
        self._cluster = cluster
        self._on: frozenset[SwitchName] = frozenset()

    async def deliver(self) -> list[IncidentId]:
        """Act on every new decision, on requests that ran out and on switches; answers what is to be worked on now."""
        due: list[IncidentId] = []
        for decision in await self._store.undelivered():
            due += await self._act(decision)
        for request in await self._store.requests(RequestState.OPEN, RequestState.APPROVED):
            due += await self._look_at(request)
        return due + await self._stranded() + await self._switched_off()

    async def _act(self, decision: Decision) -> list[IncidentId]:
        incident = await self._store.incident(decision.incident)
        if incident is not None and incident.subject.cluster != self._cluster:
            return []  # one store may know several clusters: another daemon's
        if incident is not None and incident.status is Status.OPEN and not self._parked(incident):
            return []  # a run has it just now; looked at again in a second
        due = await self._go_on(incident, decision) if incident is not None and _meant(decision, incident) else []
        await self._store.delivered(decision.id)  # last: what a crash leaves undelivered is found to be done already
        return due

    async def _go_on(self, incident: Incident, decision: Decision) -> list[IncidentId]:
        log.info("decision.delivered", incident=incident.id, kind=decision.kind.value, by=decision.by)
        await self._store.note(incident.id, decision.kind.value, by=decision.by, because=decision.reason)
        if decision.kind is DecisionKind.REJECT:
            return await self._turned_down(incident, f"{decision.by} has rejected it: {decision.reason}")
        return await self._reopen(incident)

    def _parked(self, incident: Incident) -> bool:
        return incident.parked_until is not None and self._clock.now() < incident.parked_until

    async def _look_at(self, request: Request) -> list[IncidentId]:
        """End a request whose time is up, or whose incident is over; no incident waits for what is approved already."""
        incident = await self._store.incident(request.incident)
        if incident is None or incident.subject.cluster != self._cluster:
            return []
        if incident.status is Status.CLOSED:
            await self._store.close_request(request.id, RequestState.VOID)
            return []
        if self._clock.now() < request.expires_at:
            approved = request.state is RequestState.APPROVED and incident.status is Status.WAITING
            return await self._reopen(incident) if approved else []
        log.info("approval.expired", incident=incident.id, request=request.id)
        await self._store.note(incident.id, "expired", request=request.id)
        due = await self._turned_down(incident, "nobody has decided in time", tell=True)
        await self._store.close_request(request.id, RequestState.EXPIRED)  # last: after a crash all of it is repeated
        return due

    async def _stranded(self) -> list[IncidentId]:
        """What waits for an answer that nobody can give any more, as a crash may leave it: it is asked anew."""
        due: list[IncidentId] = []
        for incident in await self._store.incidents(Status.WAITING):
            asked = await self._store.requests_of(incident.id)
            over = all(request.state in _OVER for request in asked)
            if over and incident.subject.cluster == self._cluster:
                due += await self._reopen(incident)
        return due

    async def _turned_down(self, incident: Incident, because: str, *, tell: bool = False) -> list[IncidentId]:
        """Hand it over. With changes that stand the graph does, which takes them back or says why they stay."""
        if incident.status is not Status.WAITING:
            return []
        if any(change.stands for change in await self._store.changes(incident.id)):
            return await self._reopen(incident)
        handed_over = msgspec.structs.replace(
            incident,
            status=Status.HANDED_OVER,
            outcome=Outcome.ESCALATED,
            summary=because,
            ended_at=self._clock.now(),
        )
        if tell:
            moment = self._clock.now().isoformat(timespec="seconds")
            await self._store.enqueue(_over(incident, because, moment, self._commands))
        await self._store.save_incident(handed_over)
        await self._store.note(incident.id, "ended", outcome=Outcome.ESCALATED, because=because)
        return []

    async def _reopen(self, incident: Incident) -> list[IncidentId]:
        present = await self._store.incident(incident.id)
        if present is None or present.status is not incident.status:
            return []  # it has healed, or somebody has changed it: that was faster
        reopened = msgspec.structs.replace(
            present, status=Status.OPEN, outcome=None, summary="", ended_at=None, parked_until=None
        )
        await self._store.save_incident(reopened)
        return [incident.id]

    async def _switched_off(self) -> list[IncidentId]:
        """What was parked, once a person has turned a switch off: at once instead of when its time is up."""
        now = self._clock.now()
        switches = [switch for name in SwitchName if (switch := await self._store.switch(name)) is not None]
        on = frozenset(switch.name for switch in switches if switch.is_on(now))
        turned_off, self._on = self._on - on, on
        if not turned_off:
            return []
        due = []
        for incident in await self._store.incidents(Status.OPEN):
            if incident.parked_until is not None and incident.subject.cluster == self._cluster:
                await self._store.save_incident(msgspec.structs.replace(incident, parked_until=None))
                due.append(incident.id)
        return due


def _meant(decision: Decision, incident: Incident) -> bool:
    """Whether the incident still stands as it did when somebody decided; else it is over, or another was faster."""
    if decision.kind is not DecisionKind.RETRY:
        return incident.status is Status.WAITING
    ended_before = incident.ended_at is None or incident.ended_at <= decision.decided_at
    return incident.status is Status.HANDED_OVER and ended_before


def _over(incident: Incident, because: str, moment: str, commands: Commands) -> Notice:
    lines = (because, f"To have it tried again: {commands.retry(incident.id)}")
    return Notice(
        key=f"{incident.id}/over/{moment}",
        title=f"Needs a person: {incident.subject}",
        sections=(Section(lines=lines),),
        incident=incident.id,
    )
