"""What runs of the graph were told and have decided: one compressed row a run, written when the run has ended.

Kept with the incident, the newest few of each, and forgotten with it. A run that would take too much room is not kept
at all: half of what was told explains nothing.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TypeVar, cast

from incidents.changes import Change
from incidents.codec import Undecodable, decode, encode
from incidents.decisions import Decision, Request
from incidents.incident import Incident, Round
from incidents.objects import IncidentId
from incidents.recording import Run, Start
from tools.store.database import Rows
from tools.store.port import StoreError
from tools.store.sqlite_decisions import DecisionTables

RUNS_KEPT = 8  # of one incident: each begins with how it stood, so that none needs those before it
RUN_BYTES = 16 * 1024 * 1024  # of one run before it is compressed; ordinary ones have a hundredth of it
_PACKED_BYTES = 2 * 1024 * 1024

T = TypeVar("T")


class RunTables(DecisionTables):
    """The port's part ``Runs``."""

    async def start_of(self, incident: IncidentId) -> Start | None:
        """How an incident stands, with everything that a run of it reads.

        Several queries and no transaction: whoever asks holds the lease on the subject.
        """

        def work(rows: Rows) -> Start | None:
            found = rows.body("SELECT body FROM incidents WHERE id = ?", (incident,), Incident)
            if found is None:
                return None
            return Start(
                incident=found,
                rounds=_bodies(rows, "rounds", incident, Round),
                changes=_bodies(rows, "changes", incident, Change),
                requests=_bodies(rows, "requests", incident, Request),
                decisions=_bodies(rows, "decisions", incident, Decision),
            )

        return await self._database.read(work)

    async def save_run(self, run: Run) -> bool:
        """Keep a run. False, and nothing kept, where it would take too much room."""
        packed = await asyncio.to_thread(_packed, run)  # a big one must not hold up the loop, nor the store's thread
        if packed is None:
            return False
        incident = run.start.incident.id

        def work(rows: Rows) -> None:
            rows.run("INSERT INTO runs (incident, body) VALUES (?, ?)", (incident, packed))
            rows.run(
                "DELETE FROM runs WHERE incident = ? AND sequence NOT IN"
                " (SELECT sequence FROM runs WHERE incident = ? ORDER BY sequence DESC LIMIT ?)",
                (incident, incident, RUNS_KEPT),
            )

        await self._database.write(work)
        return True

    async def runs(self, incident: IncidentId) -> list[Run]:
        """The runs that were kept, oldest first. Raises StoreError for one that another version has written."""
        query = "SELECT body FROM runs WHERE incident = ? ORDER BY sequence"
        found = await self._database.read(lambda rows: rows.rows(query, (incident,)))
        return await asyncio.to_thread(lambda: [self._unpacked(body) for (body,) in found])

    def _unpacked(self, body: object) -> Run:
        try:
            return decode(zlib.decompress(cast("bytes", body)), Run)
        except (Undecodable, zlib.error) as error:
            raise StoreError(
                f"{self._database.path}: a recorded run cannot be read ({error}); another version has written it,"
                " export it with that one"
            ) from error

    async def restore(self, start: Start) -> None:
        """Put an incident into a store that has never heard of it, as it stood when a run began."""

        def work(rows: Rows) -> None:
            one = start.incident
            rows.run(
                "INSERT INTO incidents (id, subject_key, status, opened_at, body) VALUES (?, ?, ?, ?, ?)",
                (one.id, one.subject.key, one.status, one.opened_at.isoformat(), encode(one)),
            )
            for entry in start.rounds:
                rows.run("INSERT INTO rounds VALUES (?, ?, ?)", (one.id, entry.number, encode(entry)))
            for change in start.changes:
                self._saved(rows, change)
            for request in start.requests:
                rows.run(
                    "INSERT INTO requests (id, incident, digest, state, change, body) VALUES (?, ?, ?, ?, ?, ?)",
                    (request.id, one.id, request.digest, request.state, request.change, encode(request)),
                )
            for said in start.decisions:
                rows.run(
                    "INSERT INTO decisions (id, incident, request, kind, body) VALUES (?, ?, ?, ?, ?)",
                    (said.id, one.id, said.request or None, said.kind, encode(said)),
                )

        await self._database.write(work)


def _bodies(rows: Rows, table: str, incident: IncidentId, as_type: type[T]) -> tuple[T, ...]:
    query = f"SELECT body FROM {table} WHERE incident = ? ORDER BY rowid"  # noqa: S608 - names of our own
    return tuple(rows.bodies(query, (incident,), as_type))


def _packed(run: Run) -> bytes | None:
    body = encode(run).encode()
    if len(body) > RUN_BYTES:
        return None
    packed = zlib.compress(body)
    return packed if len(packed) <= _PACKED_BYTES else None
