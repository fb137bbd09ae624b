"""Leases, the outbox, the audit trail, and the store's own life: who works on it, and what it forgets.

A lease is measured by the machine's steady clock, which all processes share and which nobody can set: a wall
clock that jumps neither takes a lease from a living holder nor leaves one standing for hours. That clock begins anew
with the machine; a lease that would run longer than it was taken for is from before that, and is free.

The one daemon of a store holds an operating system's lock on a file beside it, which ends with the process,
however that ends. It is not on the store itself: closing a second handle on that file would drop SQLite's locks.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from incidents.codec import decode, encode
from incidents.objects import IncidentId
from tools.notify.contract import Notice
from tools.store.database import Rows
from tools.store.port import StoreError
from tools.store.records import AuditHead, AuditRecord, Lease
from tools.store.schema import ABOUT_AN_INCIDENT
from tools.store.sqlite_models import forget_calls
from tools.store.tables import AUDIT_HEAD, Tables, kept_once, marks

EVENTS_REMEMBERED = 1000  # of one incident; the API server itself forgets an event within the hour
_PRUNED_AT_ONCE = 100  # incidents in one transaction, so that nobody waits long for the file


class UpkeepTables(Tables):
    """The port's part ``Upkeep``."""

    async def identity(self) -> str:
        """What tells this store from every other: made once, kept in the file."""
        return await self._database.write(lambda rows: kept_once(rows, "identity"))

    @asynccontextmanager
    async def sole_worker(self) -> AsyncIterator[bool]:
        """Be the one daemon of this store while the block runs; yields False at once where another process is."""
        handle = await asyncio.to_thread(self._claimed)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def _claimed(self) -> int | None:
        path = self._database.path.with_name(self._database.path.name + "-worker")
        handle = None
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if handle is not None:
                os.close(handle)
            return None
        except OSError as error:
            if handle is not None:
                os.close(handle)
            raise StoreError(
                f"{path}: cannot be locked ({error}); name a store on a local disk with --store FILE"
            ) from error
        return handle

    # --- leases

    async def acquire_lease(self, key: str, holder: str, *, seconds: float) -> bool:
        """Take a lease, or extend one's own. False when another holder has it and it has not run out."""
        statement = (
            "INSERT INTO leases (key, holder, seconds, runs_out) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET"
            " holder = excluded.holder, seconds = excluded.seconds, runs_out = excluded.runs_out"
            " WHERE leases.holder = excluded.holder OR leases.runs_out <= ? OR leases.runs_out - ? > leases.seconds"
        )

        def work(rows: Rows) -> bool:
            moment = self._steady()  # in the transaction: getting there may have taken a while
            return rows.run(statement, (key, holder, seconds, moment + seconds, moment, moment)) > 0

        return await self._database.write(work)

    async def release_lease(self, key: str, holder: str) -> None:
        """Give a lease back; nothing happens if it is not ours."""
        statement = "DELETE FROM leases WHERE key = ? AND holder = ?"
        await self._database.write(lambda rows: rows.run(statement, (key, holder)))

    async def release_leases_of(self, holders: Sequence[str]) -> int:
        """Free what holders that are known to be dead have left; how many leases."""
        statement = "DELETE FROM leases WHERE holder = ?"
        return await self._database.write(lambda rows: sum(rows.run(statement, (holder,)) for holder in set(holders)))

    async def lease(self, key: str) -> Lease | None:
        """Who holds a lease; None if nobody does, or if it has run out."""
        query = "SELECT holder, seconds, runs_out FROM leases WHERE key = ?"

        def work(rows: Rows) -> Lease | None:
            for holder, seconds, runs_out in rows.rows(query, (key,)):
                left = float(str(runs_out)) - self._steady()
                return Lease(str(holder), left) if 0 < left <= float(str(seconds)) else None
            return None

        return await self._database.read(work)

    async def lease_holders(self) -> list[str]:
        """Everybody who holds a lease, or has left one behind."""
        query = "SELECT DISTINCT holder FROM leases ORDER BY holder"
        return await self._database.read(lambda rows: rows.texts(query))

    # --- outbox

    async def enqueue(self, message: Notice) -> bool:
        """Put a message into the outbox. False, and nothing new, when one with its key is there already."""
        statement = "INSERT OR IGNORE INTO outbox (key, incident, body) VALUES (?, ?, ?)"
        values = (message.key, message.incident, encode(message))
        return await self._database.write(lambda rows: rows.run(statement, values) > 0)

    async def unsent(self) -> list[Notice]:
        """Messages that have not been delivered, oldest first."""
        query = "SELECT body FROM outbox WHERE sent_at IS NULL ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (), Notice))

    async def messages(self, incident: IncidentId) -> list[Notice]:
        """All messages of an incident, sent or not."""
        query = "SELECT body FROM outbox WHERE incident = ? ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Notice))

    async def mark_sent(self, key: str) -> None:
        """Record that a message was delivered, or that it never can be."""
        statement, values = "UPDATE outbox SET sent_at = ? WHERE key = ?", (self._now().isoformat(), key)
        await self._database.write(lambda rows: rows.run(statement, values))

    # --- audit

    async def audit(self, step: str, **detail: Any) -> None:
        """Append one audit record that belongs to no change, such as a command of a person."""
        await self._database.write(lambda rows: self._audited(rows, step, **detail))

    async def audit_records(self, *, after: int = 0, limit: int = 1000) -> list[AuditRecord]:
        """Audit records behind a sequence number, oldest first."""
        query = (
            "SELECT sequence, at, step, detail, previous, hash FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        return await self._database.read(lambda rows: [_record(row) for row in rows.rows(query, (after, limit))])

    async def audit_head(self) -> AuditHead | None:
        """The last audit record as it was written; of an older store no more than its number."""
        query = (
            "SELECT coalesce((SELECT value FROM meta WHERE key = ?),"
            " (SELECT seq FROM sqlite_sequence WHERE name = 'audit'), '')"
        )

        def work(rows: Rows) -> AuditHead | None:
            sequence, _, hash_ = rows.texts(query, (AUDIT_HEAD,))[0].partition(" ")
            return AuditHead(int(sequence), hash_) if sequence else None

        return await self._database.read(work)

    # --- forgetting

    async def prune(self, *, before: datetime) -> list[IncidentId]:
        """Forget incidents that were closed before, with all that is kept about them; which. Audit stays.

        An incident with a change that nobody has seen the end of stays. Each slice of incidents is a transaction
        of its own. The room they took is given back to the disk.
        """
        forgotten: list[IncidentId] = []
        while pruned := await self._database.write(lambda rows: _pruned(rows, before)):
            forgotten += pruned
        await self._database.write(lambda rows: _trimmed(rows, before))
        await self._database.shrink()
        return forgotten

    async def aclose(self) -> None:
        """Close the file."""
        await self._database.aclose()


def _record(row: tuple[object, ...]) -> AuditRecord:
    sequence, at, step, detail, previous, hash_ = row
    return AuditRecord(
        sequence=int(str(sequence)),
        at=datetime.fromisoformat(str(at)),
        step=str(step),
        detail=decode(str(detail), dict),
        previous=str(previous),
        hash=str(hash_),
    )


def _pruned(rows: Rows, before: datetime) -> list[IncidentId]:
    old = tuple(
        rows.texts(
            "SELECT id FROM incidents WHERE status = 'closed' AND ended_at < ? AND NOT EXISTS (SELECT 1 FROM changes"
            " WHERE changes.incident = incidents.id AND changes.state IN ('prepared', 'sent', 'applied')) LIMIT ?",
            (before.timestamp(), _PRUNED_AT_ONCE),
        )
    )
    for table in ABOUT_AN_INCIDENT:
        rows.run(f"DELETE FROM {table} WHERE incident IN ({marks(old)})", old)  # noqa: S608 - names of our own
    rows.run(f"DELETE FROM incidents WHERE id IN ({marks(old)})", old)  # noqa: S608 - marks are question marks
    return [IncidentId(text) for text in old]


def _trimmed(rows: Rows, before: datetime) -> None:
    """Forget what belongs to no incident that was closed, and still grows."""
    rows.run(
        "DELETE FROM events_counted WHERE rowid IN (SELECT row FROM (SELECT rowid AS row,"
        " row_number() OVER (PARTITION BY incident ORDER BY rowid DESC) AS place FROM events_counted)"
        " WHERE place > ?)",
        (EVENTS_REMEMBERED,),
    )
    rows.run("DELETE FROM outbox WHERE incident = '' AND sent_at < ?", (before.isoformat(),))
    forget_calls(rows, before.astimezone(UTC).date().isoformat())
    rows.run(
        "DELETE FROM good_revisions WHERE seen_at < ?"
        " AND subject_key NOT IN (SELECT subject_key FROM incidents WHERE status <> 'closed')",
        (before.isoformat(),),
    )
