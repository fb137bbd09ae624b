"""Applying one guarded change: recorded before it is sent, and looked up when the answer is lost.

A patch is never sent twice. If no answer came, or a test failed, the object is read again and searched for the
change's id before anything is decided.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from incidents.changes import CHANGE_ANNOTATION, Change, ChangeState
from incidents.pointers import value_at
from incidents.snapshot import spec_digest
from tools.cluster.errors import Busy, ClusterError, Unreachable
from tools.cluster.reader import Reader
from tools.cluster.writer import Writer
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class NotApplied(Exception):
    """The change did not reach the object, and why. Nothing has been changed."""


class FateUnknown(Unreachable):
    """It cannot be found out now whether the change landed; it is looked up before anything else is done."""


class Transaction:
    """Takes a change from prepared to applied."""

    def __init__(self, reader: Reader, writer: Writer, store: Store) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store

    async def apply(self, change: Change) -> Change:
        """Send it once. Raises NotApplied, FateUnknown, or Busy and Unreachable when it did not land for that."""
        await self._store.save_change(change)
        sent = change.advance(ChangeState.SENT)
        await self._store.save_change(sent)
        await self._store.note(change.incident, "sent", change=change.id, target=str(change.target))
        try:
            answer = await self._writer.apply(change.target, change.patch, change=change.id)
        except ClusterError as error:
            log.warning("change.unanswered", incident=change.incident, change=change.id, error=str(error))
            try:
                return await self.find_out(sent, because=str(error))
            except NotApplied:
                if isinstance(error, Busy | Unreachable):
                    raise error from None  # it did not land, and the same may be tried later
                raise
        return await self._applied(sent, answer)

    async def find_out(self, sent: Change, *, because: str) -> Change:
        """Decide the fate of a change that was sent: applied if the object carries its id.

        Raises NotApplied when it does not, FateUnknown when the object cannot be read.
        """
        try:
            live = await self._reader.find(sent.target)
        except ClusterError as error:
            raise FateUnknown(f"{because}; then the object could not be read: {error}") from error
        if live is not None and value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION)) == sent.id:
            return await self._applied(sent, live)
        await asyncio.shield(self._store.save_change(sent.advance(ChangeState.ABANDONED)))
        await self._store.note(sent.incident, "not-applied", change=sent.id, because=because)
        raise NotApplied(because)

    async def _applied(self, sent: Change, stored: dict[str, Any]) -> Change:
        generation = int(stored["metadata"].get("generation", 0))
        applied = sent.advance(ChangeState.APPLIED, generation=generation, spec=spec_digest(stored))
        await self._store.save_change(applied)
        await self._store.note(sent.incident, "applied", change=sent.id, generation=applied.generation)
        log.info("change.applied", incident=sent.incident, change=sent.id, target=str(sent.target))
        return applied
