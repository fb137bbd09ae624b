"""The port through which everybody reaches the store: what it promises, whatever keeps it.

Each method is one transaction: done whole or not at all, and on disk when it answers, also when the task that called
it is cancelled. Every method raises StoreError when the store cannot be used, and works again once the trouble is
over. Whoever implements this runs ``tests/store`` against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from incidents.changes import Change, ChangeState
from incidents.decisions import Decision, Request, RequestState, Switch, SwitchName
from incidents.evidence import Evidence
from incidents.incident import Incident, Round, Status
from incidents.objects import ChangeId, ClusterId, IncidentId
from incidents.recording import Run, Start
from incidents.signals import Signal
from incidents.subjects import Subject
from tools.notify.contract import Notice
from tools.store.records import (
    AuditHead,
    AuditRecord,
    Lease,
    ModelCall,
    ModelCaps,
    Overrun,
    Spending,
    TimelineEntry,
)


class StoreError(Exception):
    """The store cannot be used; the text names it and the remedy."""


class Incidents(Protocol):
    """Incidents, and all that is kept about one."""

    async def open_or_join(self, subject: Subject, signal: Signal) -> tuple[Incident, bool]:
        """The subject's incident that is not closed, with the signal counted in it; a new one if there is none.

        Answers the incident and whether it is new. A series that grows counts once per occurrence; the same event
        seen again, as after every new list, counts nothing.
        """

    async def open_or_join_all(self, batch: Sequence[tuple[Subject, Signal]]) -> list[tuple[Incident, bool]]:
        """``open_or_join`` for many signals, in their order and in one transaction.

        The timeline of each new incident begins with the step ``opened`` and its signal.
        """

    async def succeed(self, incident: Incident, signal: Signal) -> Incident:
        """Close an incident and open the one that follows it."""

    async def incident(self, incident_id: IncidentId) -> Incident | None:
        """One incident by its id."""

    async def incident_of(self, subject: Subject) -> Incident | None:
        """The incident of a subject that is not closed."""

    async def incidents(self, *statuses: Status, limit: int = 1000) -> list[Incident]:
        """Incidents with one of these statuses (all without any), newest first."""

    async def explained_by(self, incident: IncidentId) -> list[Incident]:
        """The incidents that are not closed and are explained by this one, oldest first."""

    async def save_incident(self, incident: Incident) -> None:
        """Write an incident's present state. Signals counted since it was read stay counted."""

    async def save_round(self, incident: IncidentId, entry: Round) -> None:
        """Write one round, in place of an earlier form of it."""

    async def rounds(self, incident: IncidentId) -> list[Round]:
        """The rounds of an incident in order."""

    async def save_evidence(self, incident: IncidentId, number: int, evidence: Evidence) -> None:
        """Keep what was read for one round."""

    async def save_observation(
        self,
        incident: IncidentId,
        number: int,
        evidence: Evidence,
        *,
        entry: Round | None = None,
        detail: Mapping[str, object],
    ) -> None:
        """Keep what was read for one round, the round where it begins one, and the timeline's step ``observed``."""

    async def evidence(self, incident: IncidentId) -> list[Evidence]:
        """What was read for each round, in order."""

    async def latest_evidence(self, incident: IncidentId) -> Evidence | None:
        """What was read last."""

    async def note(self, incident: IncidentId, step: str, **detail: object) -> None:
        """Add one entry to an incident's timeline; one that only repeats what was said is counted in that."""

    async def timeline(self, incident: IncidentId) -> list[TimelineEntry]:
        """An incident's timeline in order."""


class Changes(Protocol):
    """Changes, and what is counted over them."""

    async def save_change(self, change: Change) -> bool:
        """Write a change's present state; every new state is an audit record of the same transaction.

        False, and nothing written, where it is undone or abandoned already: what has ended stays as it ended, however
        old the form of it that somebody else still holds.
        """

    async def change(self, change_id: ChangeId) -> Change | None:
        """One change by its id."""

    async def changes(self, incident: IncidentId) -> list[Change]:
        """An incident's changes in the order in which they were prepared."""

    async def changes_in(self, *states: ChangeState) -> list[Change]:
        """All changes in one of these states, in the order in which they were prepared."""

    async def changes_since(self, cluster: ClusterId, since: datetime) -> list[Change]:
        """Changes to one cluster that were prepared or ended since, in the order in which they were prepared."""


class Decisions(Protocol):
    """What people are asked, what they say, and the switches they hold."""

    async def ask(self, request: Request) -> Request:
        """Put a request. The incident's open or approved one with the same digest is answered instead; others end."""

    async def request(self, request_id: str) -> Request | None:
        """One request by its id."""

    async def requests(self, *states: RequestState) -> list[Request]:
        """Requests in one of these states (all without any), oldest first."""

    async def requests_of(self, incident: IncidentId) -> list[Request]:
        """An incident's requests, oldest first."""

    async def decide(self, decision: Decision) -> bool:
        """Record what a person said. False, and nothing recorded, when it can not be said (any more).

        That is: the request is not open, is about another incident or digest, or its time has passed; for a retry,
        there is no such incident, or a retry of it waits already.
        """

    async def undelivered(self) -> list[Decision]:
        """Decisions that no daemon has acted on yet, oldest first."""

    async def delivered(self, decision_id: str) -> None:
        """A daemon has acted on a decision."""

    async def decisions(self, incident: IncidentId) -> list[Decision]:
        """What people have said about an incident, oldest first."""

    async def use_approval(self, incident: IncidentId, digest: str, change: Change) -> Request | None:
        """Spend the approval of exactly this digest on a change, and save the change as prepared.

        The change is saved with the request's id as its ``approval``; answers the request. None, and nothing saved,
        where there is none, or its time has passed: an approval serves once, and not for ever.
        """

    async def close_request(self, request_id: str, state: RequestState) -> bool:
        """End an open or approved request as expired or void. False when it was neither."""

    async def switch(self, name: SwitchName) -> Switch | None:
        """One switch as a person left it."""

    async def set_switch(self, switch: Switch) -> None:
        """Set a switch; an audit record of the same transaction."""


class Memory(Protocol):
    """What was learnt of the cluster."""

    async def record_good(self, subject: Subject, digest: str) -> None:
        """Remember that a revision of a subject was seen well."""

    async def good_revisions(self, subject: Subject) -> frozenset[str]:
        """Template digests of the subject's revisions that were seen well."""

    async def record_images(self, cluster: ClusterId, images: Mapping[str, Sequence[str]]) -> None:
        """Replace what is known of the images that a cluster holds, by ``registry/repository``."""

    async def images(self, cluster: ClusterId, repository: str) -> tuple[str, ...]:
        """The images of one repository that the last sweep saw."""


class Models(Protocol):
    """What models have cost and what they have answered. Costs outlive processes, and are shared by all on a store."""

    async def reserve_call(self, call: ModelCall, caps: ModelCaps) -> Overrun | None:
        """Write a call with the most that it can cost, if that exceeds no cap; else the cap, and nothing is written."""

    async def settle_call(self, call: ModelCall) -> None:
        """Put what a call has cost in the place of what was set aside for it."""

    async def spent_on(self, incident: str) -> Spending:
        """What models have cost one incident."""

    async def spent_today(self) -> Spending:
        """What models have cost since the day began, in UTC."""

    async def recall_answer(self, key: str) -> str | None:
        """An answer that was kept under this key."""

    async def keep_answer(self, key: str, body: str) -> None:
        """Keep an answer; one that is too long is not kept, and the ones not asked for longest make room."""


class Runs(Protocol):
    """What runs of the graph were told from outside, and what they decided."""

    async def start_of(self, incident: IncidentId) -> Start | None:
        """How an incident stands, with everything that a run of it reads; None for an unknown one."""

    async def save_run(self, run: Run) -> bool:
        """Keep a run, and of each incident only the newest few. False, and nothing kept, where it is too big."""

    async def runs(self, incident: IncidentId) -> list[Run]:
        """The runs of an incident that were kept, oldest first."""

    async def restore(self, start: Start) -> None:
        """Put an incident into a store that has never heard of it, as it stood when a run began."""


class Upkeep(Protocol):
    """Leases, the outbox, the audit trail, and the store's own life."""

    path: Path

    async def identity(self) -> str:
        """What tells this store from every other: made once, kept in it."""

    def sole_worker(self) -> AbstractAsyncContextManager[bool]:
        """Be the one daemon of this store while the block runs; yields False at once where another process is.

        The claim ends with the process, however it ends.
        """

    async def acquire_lease(self, key: str, holder: str, *, seconds: float) -> bool:
        """Take a lease, or extend one's own. False when another holder has it and it has not run out."""

    async def release_lease(self, key: str, holder: str) -> None:
        """Give a lease back; nothing happens if it is not ours."""

    async def release_leases_of(self, holders: Sequence[str]) -> int:
        """Free what holders that are known to be dead have left; how many leases."""

    async def lease(self, key: str) -> Lease | None:
        """Who holds a lease; None if nobody does, or if it has run out."""

    async def lease_holders(self) -> list[str]:
        """Everybody who holds a lease or has left one behind."""

    async def enqueue(self, message: Notice) -> bool:
        """Put a message into the outbox. False, and nothing new, when one with its key is there already."""

    async def unsent(self) -> list[Notice]:
        """Messages that have not been delivered, oldest first."""

    async def messages(self, incident: IncidentId) -> list[Notice]:
        """All messages of an incident, sent or not."""

    async def mark_sent(self, key: str) -> None:
        """Record that a message was delivered, or that it never can be."""

    async def audit(self, step: str, **detail: Any) -> None:
        """Append one audit record that belongs to no change, such as a command of a person."""

    async def audit_records(self, *, after: int = 0, limit: int = 1000) -> list[AuditRecord]:
        """Audit records behind a sequence number, oldest first."""

    async def audit_head(self) -> AuditHead | None:
        """The last audit record as it was written, kept apart from the records; None before the first one."""

    async def prune(self, *, before: datetime) -> list[IncidentId]:
        """Forget incidents that were closed before, with all that is kept about them; which. Audit stays.

        Done in slices, each of them whole. An incident with a change whose end nobody has seen stays.
        """

    async def aclose(self) -> None:
        """Close the store."""


class Store(Incidents, Changes, Decisions, Memory, Models, Runs, Upkeep, Protocol):
    """All state of the program."""
