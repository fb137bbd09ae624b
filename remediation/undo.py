"""Taking a change back: exactly the fields it changed, and only while nobody else has changed them since.

The program's own undo and the one that a person types are this one. If one field has another value than the change
gave it, nothing is overwritten: the refusal carries the three-way difference, for a person to decide. What has no way
back is not tried: the API server would refuse it, and the change stands, as a person was told before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from incidents.changes import CHANGE_ANNOTATION, Change, ChangeState, Operation
from incidents.objects import ChangeId, Manifest
from incidents.patch import unmarked
from incidents.pointers import ABSENT, value_at
from incidents.signals import clean
from incidents.snapshot import spec_digest
from remediation.gate import Writes, WritesStopped
from remediation.outcomes import is_refusal, outlasted
from remediation.putting_back import PuttingBack
from remediation.three_way import ThreeWay, UndoRefused, differences_since, leaf_value
from remediation.unblocking import Unblocking
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Invalid, Unreachable
from tools.cluster.reader import Reader
from tools.store import Store

__all__ = ["ThreeWay", "Undo", "UndoRefused", "differences_since"]

NO_WAY_BACK = "it cannot be taken back: a claim that has grown never gets smaller"

log = structlog.get_logger(__name__)


class Undo:
    """Applies inverses. Bound by their tests and by its writer's gate: guards judge new changes, not the way back."""

    def __init__(self, reader: Reader, writer: Writes, store: Store, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock
        self._putting_back = PuttingBack(reader, writer, store, clock)
        self._unblocking = Unblocking(reader, writer, store, clock)

    async def undo(self, change: Change, *, by: str = "") -> Change:
        """Take one change back and record it, and who has asked for it, if that was a person.

        A pod of it that a StatefulSet's controller would never replace is deleted then. Raises UndoRefused, with the
        three-way difference; Busy or Unreachable when it did not land for that, or nobody can tell whether it has:
        then it is to be tried again.
        """
        undone = await self._taken_back(change, by)
        await self.finish(undone)
        return undone

    async def finish(self, undone: Change) -> None:
        """Delete the pod that a change has left behind; a crash may have come between that and taking it back."""
        if undone.state is ChangeState.UNDONE:
            await self._unblocking.after_undo(undone, lambda live: _is_back(undone, live))

    async def _taken_back(self, change: Change, by: str) -> Change:
        if change.anew is not None:
            return await self._putting_back.take_back(change, by=by)
        live = await self._live(change)
        if _is_back(change, live):
            return await self._record(change, "already back", by)
        if change.for_good:
            raise UndoRefused(NO_WAY_BACK)
        operations = await self._operations(change, live)
        sent_at = self._clock.now()
        try:
            await self._writer.apply(change.target, operations, change=change.id)
        except Invalid as error:
            live = await self._live(change)
            if _has_old_values(change, live):
                return await self._record(change, "somebody else has put the values back", by)
            differences = differences_since(change, live)
            raise UndoRefused("somebody else has changed it since", differences) from error
        except ClusterError as error:
            log.warning("undo.unanswered", incident=change.incident, change=change.id, error=str(error))
            if not await self._has_landed(change, error, sent_at):
                if isinstance(error, Busy | Unreachable):
                    raise
                raise UndoRefused(f"it was not taken back: {error}") from error
        return await self._record(change, "undone", by)

    async def _has_landed(self, change: Change, error: ClusterError, sent_at: datetime) -> bool:
        """Whether it is taken back in spite of an error. What may still be on its way is waited for."""
        if isinstance(error, WritesStopped) and not error.sent:
            return False
        if _is_back(change, await self._live(change)):
            return True
        if is_refusal(error) or not await outlasted(change, sent_at, self._clock):
            return False
        return _is_back(change, await self._live(change))

    async def noticed(self, change: Change) -> bool:
        """Whether the change has been taken back already; recorded if so. False when that cannot be seen."""
        if change.state is ChangeState.SENT or change.anew is not None:
            return False  # an object without it may never have had it, or is another one
        try:
            if not _is_back(change, await self._live(change)):
                return False
        except (UndoRefused, ClusterError):
            return False
        await self.finish(await self._record(change, "already back", ""))
        return True

    async def spec(self, change: Change) -> str:
        """The digest of the object's present spec, from which later edits of others are told; empty if unknown."""
        try:
            return spec_digest(await self._live(change))
        except (UndoRefused, ClusterError):
            return ""

    async def _operations(self, change: Change, live: dict[str, Any]) -> Sequence[Operation]:
        """The inverse; without its marks where the object carries none, or those of a later change of this store."""
        carried = value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION))
        if carried == change.id:
            return change.inverse.operations
        if carried is not ABSENT and await self._store.change(ChangeId(str(carried))) is None:
            raise UndoRefused(f"change {clean(carried, 64)} of another program has been made to it since")
        return unmarked(change.inverse.operations)

    async def _live(self, change: Change) -> dict[str, Any]:
        try:
            live = await self._reader.find(change.object)
        except (Busy, Unreachable):
            raise
        except ClusterError as error:
            raise UndoRefused(f"the object cannot be read: {error}") from error
        if live is None:
            raise UndoRefused("the object is gone")
        return live

    async def _record(self, change: Change, how: str, by: str) -> Change:
        present = await self._store.change(change.id) or change  # its verification may have ended meanwhile
        if present.state is ChangeState.UNDONE:
            return present  # somebody else has been faster by a moment
        undone = present.advance(ChangeState.UNDONE, ended_at=self._clock.now(), undone_by=by)
        if not await self._store.save_change(undone):
            return await self._store.change(change.id) or present
        await self._store.note(change.incident, "undone", change=change.id, how=how, by=by or "the program")
        log.info("change.undone", incident=change.incident, change=change.id, target=str(change.target), how=how)
        return undone


def _is_back(change: Change, live: Manifest) -> bool:
    if value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION)) == change.id:
        return False
    return _has_old_values(change, live)


def _has_old_values(change: Change, live: Manifest) -> bool:
    return all(leaf_value(live, leaf.pointer) == leaf.before for leaf in change.diff)
