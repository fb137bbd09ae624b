"""Applying one guarded change: recorded before it is sent, and looked up when the answer is lost.

A patch is never sent twice. If no answer came, or a test failed, the object is read again and searched for the
change's id before anything is decided. A patch whose answer is lost may still be on its way: that it has not landed
is believed only when the time has passed that the API server was given for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from incidents.changes import Change, ChangeState
from incidents.snapshot import spec_digest
from remediation.gate import Writes, WritesStopped
from remediation.making import Making
from remediation.outcomes import FateUnknown, NotApplied, carries, is_refusal, outlasted
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Unreachable
from tools.cluster.reader import Reader
from tools.store import Store

log = structlog.get_logger(__name__)


class Transaction:
    """Takes a change from prepared to applied."""

    def __init__(
        self, reader: Reader, writer: Writes, store: Store, clock: Clock, *, making: Making | None = None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock
        self._making = making or Making(reader, writer, store, clock)

    async def apply(self, change: Change) -> Change:
        """Send a change that is recorded as prepared, once.

        Raises NotApplied, FateUnknown, or Busy, Unreachable and WritesStopped when it did not land for that.
        """
        sent = change.advance(ChangeState.SENT, sent_at=self._clock.now())
        if not await self._store.save_change(sent):
            raise NotApplied("another process has given the change up before it was sent")
        await self._store.note(change.incident, "sent", change=change.id, target=str(change.target))
        if sent.anew is not None:
            return await self._making.make(sent)
        try:
            answer = await self._writer.apply(change.target, change.patch, change=change.id)
        except ClusterError as error:
            log.warning("change.unanswered", incident=change.incident, change=change.id, error=str(error))
            if isinstance(error, WritesStopped) and not error.sent:
                await self._store.save_change(sent.advance(ChangeState.ABANDONED, ended_at=self._clock.now()))
                raise
            try:
                return await self.find_out(sent, because=str(error), refused=is_refusal(error))
            except NotApplied:
                if isinstance(error, Busy | Unreachable | WritesStopped):
                    raise error from None  # it did not land, and the same may be tried later
                raise
        return await self._applied(sent, answer)

    async def find_out(self, sent: Change, *, because: str, refused: bool = False) -> Change:
        """Decide the fate of a change that was sent: applied if the object carries its id.

        ``refused``: the server has said no, so that nothing is on its way any more. Raises NotApplied when the object
        does not carry it, PutBack when it was deleted for it and is there again, FateUnknown when the object cannot be
        read.
        """
        if sent.anew is not None:
            return await self._making.find_out(sent, because=because, refused=refused)
        live = await self._read(sent, because)
        if not (refused or carries(live, sent)) and await outlasted(sent, sent.sent_at, self._clock):
            live = await self._read(sent, because)
        if live is not None and carries(live, sent):
            return await self._applied(sent, live)
        await asyncio.shield(self._store.save_change(sent.advance(ChangeState.ABANDONED, ended_at=self._clock.now())))
        await self._store.note(sent.incident, "not-applied", change=sent.id, because=because)
        raise NotApplied(because)

    async def _read(self, sent: Change, because: str) -> dict[str, Any] | None:
        try:
            return await self._reader.find(sent.target)
        except ClusterError as error:
            raise FateUnknown(f"{because}; then the object could not be read: {error}") from error

    async def _applied(self, sent: Change, stored: dict[str, Any]) -> Change:
        generation = int(stored["metadata"].get("generation", 0))
        applied = sent.advance(ChangeState.APPLIED, generation=generation, spec=spec_digest(stored))
        await self._store.save_change(applied)
        await self._store.note(sent.incident, "applied", change=sent.id, generation=applied.generation)
        log.info("change.applied", incident=sent.incident, change=sent.id, target=str(sent.target))
        return applied
