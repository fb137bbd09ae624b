"""Taking back a change that made its object anew: what it created is deleted, and what stood there is created again.

Only while nobody else has changed the object's spec, and never what holds something by now: a claim that has got its
volume, a Job of which a pod has succeeded. That it is being taken back is recorded before the deletion leaves; a crash
after that is gone on from here, because nothing but the way back is left to go.
"""

from __future__ import annotations

import structlog

from incidents.changes import Change, ChangeState
from incidents.objects import Uid
from remediation.anew import holds
from remediation.gate import Writes
from remediation.making import Making, Refused
from remediation.outcomes import NotApplied
from remediation.three_way import UndoRefused, differences_since
from tools.clock import Clock
from tools.cluster.errors import Busy, Conflict, Unreachable
from tools.cluster.reader import Reader
from tools.store import Store

TRIES = 3  # of a deletion that is bound to a version, while its status moves

log = structlog.get_logger(__name__)


class PuttingBack:
    """Takes such changes back, for the program and for people."""

    def __init__(self, reader: Reader, writer: Writes, store: Store, clock: Clock) -> None:
        self._making = Making(reader, writer, store, clock)
        self._store = store
        self._clock = clock

    async def take_back(self, change: Change, *, by: str = "") -> Change:
        """The change once it is undone, or as it stands where it never reached its object.

        Raises UndoRefused when nothing has been changed; Busy, Unreachable or FateUnknown when it is to be tried again.
        """
        change = await self._store.change(change.id) or change
        if change.state is ChangeState.SENT:
            try:
                change = await self._making.find_out(change, because="it is to be undone")
            except NotApplied:
                change = await self._store.change(change.id) or change
                if by and change.state is ChangeState.ABANDONED:
                    raise UndoRefused("it never reached the object") from None
                return change
        for _ in range(TRIES):
            undoing = change if change.state is ChangeState.UNDOING else await self._begun(change, by)
            if undoing.state is not ChangeState.UNDOING:
                return undoing
            try:
                live = await self._making.take_back(undoing)
            except Refused as refused:
                change = await self._stays(undoing, change.state)
                if isinstance(refused.error, Conflict):
                    continue
                if isinstance(refused.error, Busy | Unreachable):
                    raise refused.error from refused
                raise UndoRefused(f"it was not taken back: {refused}") from refused
            return await self._undone(undoing, Uid(live["metadata"]["uid"]) if live is not None else undoing.made)
        raise UndoRefused("it was not taken back: the object changes all the time")

    async def _begun(self, change: Change, by: str) -> Change:
        """The change as one that is being undone, once that is recorded; as it is where somebody else has ended it."""
        live = await self._making.present(change.target)
        if live is None:
            raise UndoRefused("the object is gone")
        if live["metadata"]["uid"] != change.made:
            raise UndoRefused("another object has its name by now")
        if change.overtaken(live):
            raise UndoRefused("somebody else has changed it since", differences_since(change, live))
        if because := holds(live):
            raise UndoRefused(because)
        undoing = change.advance(ChangeState.UNDOING, undone_by=by)
        if not await self._store.save_change(undoing):
            return await self._store.change(change.id) or change
        await self._store.note(change.incident, "undoing", change=change.id, by=by or "the program")
        return undoing

    async def _stays(self, undoing: Change, was: ChangeState) -> Change:
        state = was if was is ChangeState.VERIFIED else ChangeState.KEPT
        stays = undoing.advance(state, undone_by="", ended_at=undoing.ended_at or self._clock.now())
        await self._store.save_change(stays)
        return stays

    async def _undone(self, undoing: Change, made: Uid) -> Change:
        undone = undoing.advance(ChangeState.UNDONE, ended_at=self._clock.now(), made=made)
        await self._store.save_change(undone)
        by = undoing.undone_by or "the program"
        await self._store.note(undoing.incident, "undone", change=undoing.id, how="put back", by=by)
        log.info("change.undone", incident=undoing.incident, change=undoing.id, target=str(undoing.target))
        return undone
