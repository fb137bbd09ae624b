"""Taking back a change that made its object anew: what it created is deleted, and what stood there is created again.

Only while nobody else has changed the object's spec, and never what holds something by now: a claim that has got its
volume, a Job of which a pod has succeeded. That it is being taken back is recorded before the deletion leaves, which is
bound to the version that was judged. A crash after that is gone on from there: where the deletion was accepted nothing
but the way back is left to go; where it was not, what stands is judged again, because it may hold something by now.
"""

from __future__ import annotations

import structlog

from incidents.changes import Change, ChangeState
from incidents.objects import Uid
from remediation.anew import holds
from remediation.gate import Writes
from remediation.making import Making, Object, Refused, leaving
from remediation.outcomes import NotApplied
from remediation.three_way import UndoRefused, differences_since
from tools.clock import Clock
from tools.cluster.errors import Busy, Conflict, Unreachable
from tools.cluster.reader import Reader
from tools.store import Store

TRIES = 10  # of a deletion that is bound to a version, while its status moves
PAUSE_SECONDS = 1.0  # a container that ends is written down in two or three steps, and then waits

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
        was = change.state
        for _ in range(TRIES):
            live = await self._making.present(change.target)
            if against := _against(change, live):
                await self._stays(change, was)
                raise against
            change = change if change.state is ChangeState.UNDOING else await self._begun(change, by)
            if change.state is not ChangeState.UNDOING:
                return change
            try:
                there = await self._making.take_back(change, live)
            except Refused as refused:
                if not isinstance(refused.error, Conflict):
                    await self._stays(change, was)
                    raise _said(refused) from refused
                await self._clock.sleep(PAUSE_SECONDS)
            else:
                return await self._undone(change, there)
        await self._stays(change, was)
        raise UndoRefused("it was not taken back: the object changes all the time")

    async def _begun(self, change: Change, by: str) -> Change:
        """The change as one that is being undone, once that is recorded; as it is where somebody else has ended it."""
        undoing = change.advance(ChangeState.UNDOING, undone_by=by)
        if not await self._store.save_change(undoing):
            return await self._store.change(change.id) or change
        await self._store.note(change.incident, "undoing", change=change.id, by=by or "the program")
        return undoing

    async def _stays(self, change: Change, was: ChangeState) -> None:
        """Write down that a change which was being undone is not any more."""
        if change.state is ChangeState.UNDOING:
            state = was if was is ChangeState.VERIFIED else ChangeState.KEPT
            stays = change.advance(state, undone_by="", ended_at=change.ended_at or self._clock.now())
            await self._store.save_change(stays)

    async def _undone(self, undoing: Change, there: Object | None) -> Change:
        made = undoing.made if there is None else Uid(there["metadata"]["uid"])
        undone = undoing.advance(ChangeState.UNDONE, ended_at=self._clock.now(), made=made)
        await self._store.save_change(undone)
        by = undoing.undone_by or "the program"
        await self._store.note(undoing.incident, "undone", change=undoing.id, how="put back", by=by)
        log.info("change.undone", incident=undoing.incident, change=undoing.id, target=str(undoing.target))
        return undone


def _against(change: Change, live: Object | None) -> UndoRefused | None:
    """Why what stands there now is not to be deleted to take the change back; None where it may be, or is gone."""
    undoing = change.state is ChangeState.UNDOING
    if live is None:
        return None if undoing else UndoRefused("the object is gone")
    if live["metadata"]["uid"] != change.made:
        return None if undoing else UndoRefused("another object has its name by now")
    if undoing and leaving(live):
        return None  # by our own deletion, or as good as that
    if change.overtaken(live):
        return UndoRefused("somebody else has changed it since", differences_since(change, live))
    because = holds(live)
    return UndoRefused(because) if because else None


def _said(refused: Refused) -> Exception:
    """What it means that nothing was deleted: to be tried again, or to stay."""
    if isinstance(refused.error, Busy | Unreachable):
        return refused.error
    return UndoRefused(f"it was not taken back: {refused}")
