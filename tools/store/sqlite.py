"""The store on SQLite: one file, WAL, mode 0600, safe against a crash at any instant.

Every public method is one transaction. The file keeps raw inverses and pruned manifests, which is why nobody
but its owner may read it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import aiosqlite
import msgspec
import stamina

from incidents.changes import Change, ChangeState
from incidents.codec import Undecodable, decode, encode
from incidents.evidence import Evidence
from incidents.incident import Incident, Round, Status
from incidents.objects import ChangeId, IncidentId
from incidents.signals import Signal
from incidents.subjects import Subject
from tools.notify.contract import Notice
from tools.store.records import TimelineEntry
from tools.store.schema import MIGRATIONS, SCHEMA_VERSION

BUSY_SECONDS = 5.0
T = TypeVar("T")


class StoreError(Exception):
    """The store file cannot be used; the text names it and the remedy."""


class Store:
    """All state of the program. Open it with ``open_store``."""

    def __init__(self, connection: aiosqlite.Connection, path: Path, *, now: Callable[[], datetime]) -> None:
        self._db = connection
        self._now = now
        self._lock = asyncio.Lock()  # one transaction at a time on the one connection
        self.path = path

    async def identity(self) -> str:
        """What tells this store from every other: made once, kept in the file."""
        async with self._transaction():
            await self._db.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (uuid.uuid4().hex,))
        rows = await self._rows("SELECT value FROM meta WHERE key = 'identity'", ())
        return str(rows[0][0])

    # --- incidents

    async def open_or_join(self, subject: Subject, signal: Signal) -> tuple[Incident, bool]:
        """The subject's open incident with the signal counted in it; a new one if there is none.

        Answers the incident and whether it is new. A series that grows counts once per occurrence; the same event
        seen again, as after every new list, counts nothing.
        """
        async with self._transaction():
            found = await self._one(
                "SELECT body FROM incidents WHERE subject_key = ? AND status <> 'closed'",
                subject.key,
                Incident,
            )
            if found is not None:
                return await self._count_in(found, signal), False
            return await self._open(subject, signal, None), True

    async def succeed(self, incident: Incident, signal: Signal) -> Incident:
        """Close an incident and open the one that follows it, in one transaction."""
        async with self._transaction():
            closed = msgspec.structs.replace(incident, status=Status.CLOSED, ended_at=self._now())
            await self._save_incident(closed)
            return await self._open(incident.subject, signal, incident.id)

    async def _open(self, subject: Subject, signal: Signal, follows: IncidentId | None) -> Incident:
        incident = Incident(
            id=IncidentId(str(uuid.uuid4())),
            subject=subject,
            status=Status.OPEN,
            first_signal=signal,
            last_signal=signal,
            signals=signal.count,
            opened_at=self._now(),
            follows=follows,
        )
        await self._db.execute(
            "INSERT INTO incidents (id, subject_key, status, opened_at, body) VALUES (?, ?, ?, ?, ?)",
            (incident.id, subject.key, incident.status, incident.opened_at.isoformat(), encode(incident)),
        )
        await self._fresh(incident.id, signal)
        return incident

    async def _fresh(self, incident: IncidentId, signal: Signal) -> int:
        """How many occurrences of a signal's event have not been counted in this incident; they are now."""
        if not signal.event_uid:
            return signal.count
        rows = await self._rows(
            "SELECT count FROM events_counted WHERE incident = ? AND event_uid = ?", (incident, signal.event_uid)
        )
        fresh = signal.count - (int(str(rows[0][0])) if rows else 0)
        if fresh > 0:
            await self._db.execute(
                "INSERT OR REPLACE INTO events_counted (incident, event_uid, count) VALUES (?, ?, ?)",
                (incident, signal.event_uid, signal.count),
            )
        return fresh

    async def _count_in(self, incident: Incident, signal: Signal) -> Incident:
        fresh = await self._fresh(incident.id, signal)
        if fresh <= 0:
            return incident
        joined = msgspec.structs.replace(incident, last_signal=signal, signals=incident.signals + fresh)
        await self._save_incident(joined)
        return joined

    async def incident(self, incident_id: IncidentId) -> Incident | None:
        """One incident by its id."""
        return await self._one("SELECT body FROM incidents WHERE id = ?", incident_id, Incident)

    async def incident_of(self, subject: Subject) -> Incident | None:
        """The open or handed-over incident of a subject."""
        return await self._one(
            "SELECT body FROM incidents WHERE subject_key = ? AND status <> 'closed'", subject.key, Incident
        )

    async def incidents(self, *statuses: Status, limit: int = 1000) -> list[Incident]:
        """Incidents with one of these statuses (all without any), newest first."""
        wanted = statuses or tuple(Status)
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT body FROM incidents WHERE status IN ({marks}) ORDER BY opened_at DESC LIMIT ?"  # noqa: S608 - marks are question marks
        return await self._all(query, (*wanted, limit), Incident)

    async def save_incident(self, incident: Incident) -> None:
        """Write an incident's present state."""
        async with self._transaction():
            await self._save_incident(incident)

    async def _save_incident(self, incident: Incident) -> None:
        await self._db.execute(
            "UPDATE incidents SET status = ?, body = ? WHERE id = ?",
            (incident.status, encode(incident), incident.id),
        )

    # --- rounds, evidence, timeline

    async def save_round(self, incident: IncidentId, entry: Round) -> None:
        """Write one round, in place of an earlier form of it."""
        async with self._transaction():
            await self._db.execute(
                "INSERT INTO rounds (incident, number, body) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET body = excluded.body",
                (incident, entry.number, encode(entry)),
            )

    async def rounds(self, incident: IncidentId) -> list[Round]:
        """The rounds of an incident in order."""
        return await self._all("SELECT body FROM rounds WHERE incident = ? ORDER BY number", (incident,), Round)

    async def save_evidence(self, incident: IncidentId, number: int, evidence: Evidence) -> None:
        """Keep what was read for one round."""
        async with self._transaction():
            await self._db.execute(
                "INSERT INTO evidence (incident, round, body) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET body = excluded.body",
                (incident, number, encode(evidence)),
            )

    async def evidence(self, incident: IncidentId) -> list[Evidence]:
        """What was read for each round, in order."""
        return await self._all("SELECT body FROM evidence WHERE incident = ? ORDER BY round", (incident,), Evidence)

    async def latest_evidence(self, incident: IncidentId) -> Evidence | None:
        """What was read last."""
        return await self._one(
            "SELECT body FROM evidence WHERE incident = ? ORDER BY round DESC LIMIT 1", incident, Evidence
        )

    async def note(self, incident: IncidentId, step: str, **detail: object) -> None:
        """Add one audit record to an incident's timeline."""
        async with self._transaction():
            await self._db.execute(
                "INSERT INTO timeline (incident, at, step, detail) VALUES (?, ?, ?, ?)",
                (incident, self._now().isoformat(), step, encode(detail)),
            )

    async def timeline(self, incident: IncidentId) -> list[TimelineEntry]:
        """An incident's audit records in order."""
        rows = await self._rows(
            "SELECT at, step, detail FROM timeline WHERE incident = ? ORDER BY sequence", (incident,)
        )
        return [
            TimelineEntry(at=datetime.fromisoformat(str(at)), step=str(step), detail=decode(str(detail), dict))
            for at, step, detail in rows
        ]

    # --- changes

    async def save_change(self, change: Change) -> None:
        """Write a change's present state."""
        async with self._transaction():
            await self._db.execute(
                "INSERT INTO changes (id, incident, state, target_uid, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
                (change.id, change.incident, change.state, change.target.uid, encode(change)),
            )

    async def change(self, change_id: ChangeId) -> Change | None:
        """One change by its id."""
        return await self._one("SELECT body FROM changes WHERE id = ?", change_id, Change)

    async def changes(self, incident: IncidentId) -> list[Change]:
        """An incident's changes in the order in which they were prepared."""
        return await self._all("SELECT body FROM changes WHERE incident = ? ORDER BY rowid", (incident,), Change)

    async def changes_in(self, *states: ChangeState) -> list[Change]:
        """All changes in one of these states."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT body FROM changes WHERE state IN ({marks}) ORDER BY rowid"  # noqa: S608 - marks are question marks
        return await self._all(query, states, Change)

    # --- last good

    async def record_good(self, subject: Subject, digest: str) -> None:
        """Remember that a revision of a subject was seen well."""
        async with self._transaction():
            await self._db.execute(
                "INSERT OR REPLACE INTO good_revisions (subject_key, digest, seen_at) VALUES (?, ?, ?)",
                (subject.key, digest, self._now().isoformat()),
            )

    async def good_revisions(self, subject: Subject) -> frozenset[str]:
        """Template digests of the subject's revisions that were seen well."""
        rows = await self._rows("SELECT digest FROM good_revisions WHERE subject_key = ?", (subject.key,))
        return frozenset(str(digest) for (digest,) in rows)

    # --- leases

    async def acquire_lease(self, key: str, holder: str, *, seconds: float) -> bool:
        """Take a lease, or extend one's own. False when another holder has it and it has not run out."""
        moment = self._now().timestamp()
        async with self._transaction():
            done = await self._db.execute(
                "INSERT INTO leases (key, holder, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "holder = excluded.holder, expires_at = excluded.expires_at "
                "WHERE leases.holder = excluded.holder OR leases.expires_at < ?",
                (key, holder, moment + seconds, moment),
            )
            return done.rowcount > 0

    async def release_lease(self, key: str, holder: str) -> None:
        """Give a lease back; nothing happens if it is not ours."""
        async with self._transaction():
            await self._db.execute("DELETE FROM leases WHERE key = ? AND holder = ?", (key, holder))

    # --- outbox

    async def enqueue(self, message: Notice) -> bool:
        """Put a message into the outbox. False, and nothing new, when one with its key is there already."""
        async with self._transaction():
            done = await self._db.execute(
                "INSERT OR IGNORE INTO outbox (key, incident, body) VALUES (?, ?, ?)",
                (message.key, message.incident, encode(message)),
            )
            return done.rowcount > 0

    async def unsent(self) -> list[Notice]:
        """Messages that have not been delivered, oldest first."""
        return await self._all("SELECT body FROM outbox WHERE sent_at IS NULL ORDER BY rowid", (), Notice)

    async def messages(self, incident: IncidentId) -> list[Notice]:
        """All messages of an incident, sent or not."""
        return await self._all("SELECT body FROM outbox WHERE incident = ? ORDER BY rowid", (incident,), Notice)

    async def mark_sent(self, key: str) -> None:
        """Record that a message was delivered."""
        async with self._transaction():
            await self._db.execute("UPDATE outbox SET sent_at = ? WHERE key = ?", (self._now().isoformat(), key))

    # --- plumbing

    async def aclose(self) -> None:
        """Close the file."""
        await self._db.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                await self._db.execute("BEGIN IMMEDIATE")
                yield
                await self._db.commit()
            except BaseException as error:  # cancellation too: nothing half-done may stay, not even the BEGIN
                await self._db.rollback()
                if isinstance(error, aiosqlite.Error):
                    raise _unusable(self.path, error) from error
                raise

    async def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        try:
            async with self._db.execute(query, values) as cursor:
                return [tuple(row) for row in await cursor.fetchall()]
        except aiosqlite.Error as error:
            raise _unusable(self.path, error) from error

    async def _all(self, query: str, values: tuple[object, ...], as_type: type[T]) -> list[T]:
        rows = await self._rows(query, values)
        try:
            return [decode(str(body), as_type) for (body,) in rows]
        except Undecodable as error:
            raise _unusable(self.path, error) from error

    async def _one(self, query: str, value: str, as_type: type[T]) -> T | None:
        found = await self._all(query, (value,), as_type)
        return found[0] if found else None


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path}: not a usable store ({error}); move it away or name another with --store FILE")


@asynccontextmanager
async def open_store(path: Path, *, now: Callable[[], datetime]) -> AsyncIterator[Store]:
    """Open the store file, making or migrating it. Raises StoreError, naming the file and the remedy."""
    try:
        # In a thread: a server that watches over its event loop (LangGraph's) refuses calls that may block it.
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
        make_private(path)
        connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except (OSError, aiosqlite.Error) as error:
        raise StoreError(f"{path}: the store cannot be opened ({error}); name another with --store FILE") from error
    try:
        await _prepare(connection, path)
        yield Store(connection, path, now=now)
    finally:
        await connection.close()


def make_private(path: Path) -> None:
    """Make the file, or take the rights of others away from it, before a line of ours is in it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_mode & 0o077:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    try:
        if await _version(connection) > SCHEMA_VERSION:
            raise StoreError(
                f"{path}: written by a newer version of this program (schema {await _version(connection)}); upgrade,"
                " or name another with --store FILE"
            )
        await _write_ahead(connection)
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.execute("BEGIN IMMEDIATE")  # two processes may find the store new at once
        for number in range(await _version(connection), SCHEMA_VERSION):
            for statement in MIGRATIONS[number].split(";"):
                await connection.execute(statement)
            await connection.execute(f"PRAGMA user_version = {number + 1}")
        await connection.commit()
    except aiosqlite.Error as error:
        raise _unusable(path, error) from error


async def _write_ahead(connection: aiosqlite.Connection) -> None:
    """Switch to WAL. SQLite never waits for this one lock itself, and two processes may find the store new at once."""
    async for attempt in stamina.retry_context(
        on=_is_busy, attempts=None, timeout=BUSY_SECONDS, wait_initial=0.005, wait_max=0.05, wait_jitter=0.02
    ):
        with attempt:
            await connection.execute("PRAGMA journal_mode = WAL")


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


async def _version(connection: aiosqlite.Connection) -> int:
    row = await (await connection.execute("PRAGMA user_version")).fetchone()
    return int(row[0]) if row else 0
