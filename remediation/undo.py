"""Taking a change back: exactly the fields it changed, and only while nobody else has changed them since."""

from __future__ import annotations

import structlog

from incidents.changes import CHANGE_ANNOTATION, Change, ChangeState, LeafChange
from incidents.pointers import ABSENT, parts_of, value_at
from tools.cluster.errors import ClusterError, Invalid
from tools.cluster.reader import Reader
from tools.cluster.writer import Writer
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class UndoRefused(Exception):
    """The change could not be taken back; ``differences`` are the fields somebody else has changed since.

    Each carries the value the change had set as ``before`` and the present one as ``after``.
    """

    def __init__(self, message: str, differences: tuple[LeafChange, ...] = ()) -> None:
        super().__init__(message)
        self.differences = differences


class Undo:
    """Applies inverses. Bound by their tests alone: guards judge new changes, not the way back."""

    def __init__(self, reader: Reader, writer: Writer, store: Store) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store

    async def undo(self, change: Change) -> Change:
        """Take one change back and record it. Raises UndoRefused, with the three-way difference."""
        live = await self._live(change)
        if _is_back(change, live):
            return await self._record(change, "already back")
        try:
            await self._writer.apply(change.target, change.inverse.operations, change=change.id)
        except Invalid as error:
            live = await self._live(change)
            if _has_old_values(change, live):
                return await self._record(change, "somebody else has put the values back")
            differences = differences_since(change, live)
            raise UndoRefused("somebody else has changed it since", differences) from error
        except ClusterError as error:
            if not _is_back(change, await self._live(change)):
                raise UndoRefused(f"the API server did not take it: {error}") from error
        return await self._record(change, "undone")

    async def noticed(self, change: Change) -> bool:
        """Whether the change has been taken back already; recorded if so. False when that cannot be seen."""
        if change.state is ChangeState.SENT:
            return False  # an object without it may never have had it
        try:
            if not _is_back(change, await self._live(change)):
                return False
        except UndoRefused:
            return False
        await self._record(change, "already back")
        return True

    async def _live(self, change: Change) -> dict[str, object]:
        try:
            live = await self._reader.find(change.target)
        except ClusterError as error:
            raise UndoRefused(f"the object cannot be read: {error}") from error
        if live is None:
            raise UndoRefused("the object is gone")
        return live

    async def _record(self, change: Change, how: str) -> Change:
        undone = change.advance(ChangeState.UNDONE)
        await self._store.save_change(undone)
        await self._store.note(change.incident, "undone", change=change.id, how=how)
        log.info("change.undone", incident=change.incident, change=change.id, target=str(change.target))
        return undone


def _is_back(change: Change, live: dict[str, object]) -> bool:
    if value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION)) == change.id:
        return False
    return _has_old_values(change, live)


def _has_old_values(change: Change, live: dict[str, object]) -> bool:
    return all(_value(live, leaf.pointer) == leaf.before for leaf in change.diff)


def differences_since(change: Change, live: dict[str, object]) -> tuple[LeafChange, ...]:
    """The fields of the change that have neither the value it set nor the one before it."""
    return tuple(
        LeafChange(pointer=leaf.pointer, before=leaf.after, after=now)
        for leaf in change.diff
        if (now := _value(live, leaf.pointer)) not in (leaf.after, leaf.before)
    )


def _value(live: dict[str, object], pointer: str) -> object:
    found = value_at(live, parts_of(pointer))
    return None if found is ABSENT else found
