"""A person's undo: the program's own, with what a person's word means besides: the incident is theirs from then on.

It does not wait for a run that has the subject. That run sees the spec change and ends; and no round of the incident
tries anything again, because the change says who has taken it back.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
import structlog

from incidents.changes import Change, ChangeState
from incidents.incident import Outcome, Status
from remediation.outcomes import NotApplied
from remediation.transaction import Transaction
from remediation.undo import Undo, UndoRefused
from tools.clock import Clock
from tools.store import Store

LEASE_SECONDS = 60.0  # on the object that is taken back: one write and a few readings
_NEVER_THERE = frozenset({ChangeState.PREPARED, ChangeState.ABANDONED})

log = structlog.get_logger(__name__)


class TakingBack:
    """Takes changes back for people. ``holder`` is the name on its leases."""

    def __init__(self, store: Store, transaction: Transaction, undo: Undo, clock: Clock, holder: str) -> None:
        self._store = store
        self._transaction = transaction
        self._undo = undo
        self._clock = clock
        self._holder = holder

    async def take_back(self, change: Change, *, by: str) -> Change:
        """Take it back and hand its incident over. Raises UndoRefused and FateUnknown."""
        key = f"uid/{change.object.uid}"
        if not await self._store.acquire_lease(key, self._holder, seconds=LEASE_SECONDS):
            raise UndoRefused("another process is writing to the object just now; try again in a moment")
        try:
            undone = await self._undo.undo(await self._landed(change), by=by)
            spec = await self._undo.spec(undone)
        finally:
            await self._store.release_lease(key, self._holder)
        await self._store.audit("undo", change=undone.id, incident=undone.incident, who=by)
        await self._hand_over(undone, spec, by)
        return undone

    async def _landed(self, change: Change) -> Change:
        """The change as it stands, once it is known that it reached the object."""
        if change.state is ChangeState.SENT and change.anew is None:  # its way back begins with finding that out
            with suppress(NotApplied):
                await self._transaction.find_out(change, because="a person wants it undone")
        present = await self._store.change(change.id) or change
        if present.state is ChangeState.UNDONE:
            raise UndoRefused("it is undone already")
        if present.state in _NEVER_THERE:
            raise UndoRefused("it never reached the object")
        return present

    async def _hand_over(self, undone: Change, spec: str, by: str) -> None:
        incident = await self._store.incident(undone.incident)
        if incident is None:
            return
        other = await self._store.incident_of(incident.subject)
        if other is not None and other.id != incident.id:
            return  # its subject has a newer incident, and one is enough
        leased = await self._store.acquire_lease(incident.subject.lease, self._holder, seconds=LEASE_SECONDS)
        try:
            incident = await self._store.incident(incident.id) or incident
            if not leased and incident.status is Status.OPEN:
                log.info("undo.in_flight", incident=incident.id)  # the run that has it hands it over
                return
            summary = f"{by} has undone change {undone.id}"
            ended = msgspec.structs.replace(
                incident,
                status=Status.HANDED_OVER,
                outcome=Outcome.ROLLED_BACK,
                summary=summary,
                ended_at=self._clock.now(),
                parked_until=None,
                spec=spec,
            )
            await self._store.save_incident(ended)
            await self._store.note(incident.id, "ended", outcome=Outcome.ROLLED_BACK, because=summary)
        finally:
            await self._store.release_lease(incident.subject.lease, self._holder)
