"""Incidents and all that is kept about one: signals counted, rounds, evidence, the timeline."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from incidents.codec import decode, encode
from incidents.evidence import Evidence
from incidents.incident import Incident, Round, Status
from incidents.objects import IncidentId, Uid
from incidents.signals import Signal
from incidents.subjects import Subject
from tools.store.database import Rows
from tools.store.records import TimelineEntry
from tools.store.succession import open_incident
from tools.store.tables import Tables, marks
from tools.store.timeline import write_entry

_BODY = "UPDATE incidents SET body = ? WHERE id = ?"
_EXPLAINED = (  # in the words of the index, so that it is used
    "SELECT body FROM incidents WHERE status <> 'closed' AND json_extract(body, '$.caused_by') IS NOT NULL"
    " AND json_extract(body, '$.caused_by') = ? ORDER BY opened_at, rowid"
)
_ROUND = "INSERT INTO rounds (incident, number, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_EVIDENCE = (
    "INSERT INTO evidence (incident, round, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
)
_ASKED_AT_ONCE = 500  # values of one statement; SQLite takes at least 999


class IncidentTables(Tables):
    """The port's part ``Incidents``."""

    async def open_or_join(self, subject: Subject, signal: Signal) -> tuple[Incident, bool]:
        """The subject's incident that is not closed, with the signal counted in it; a new one if there is none."""
        return await self._database.write(lambda rows: self._joined(rows, subject, signal))

    async def open_or_join_all(self, batch: Sequence[tuple[Subject, Signal]]) -> list[tuple[Incident, bool]]:
        """``open_or_join`` for many signals, in their order and in one transaction, timelines begun."""

        def work(rows: Rows) -> list[tuple[Incident, bool]]:
            held: dict[str, Incident] = {}  # each is read and written once, however many signals it gets
            joined, grown = [], set[str]()
            counted, events = Counted(rows), defaultdict[str, list[Uid]](list)
            for subject, signal in batch:
                events[subject.key].append(signal.event_uid)
            for subject, signal in batch:
                found = held.get(subject.key) or counted.read(open_incident(rows, subject), events[subject.key])
                incident = (
                    _grown(counted, found, signal) if found else self._opened(rows, subject, signal, None, counted)
                )
                if found is None:
                    self._noted(rows, incident.id, "opened", {"signal": signal})
                if found is not None and incident is not found:
                    grown.add(subject.key)
                held[subject.key] = incident
                joined.append((incident, found is None))
            counted.write()
            rows.run_each(_BODY, [(encode(held[key]), held[key].id) for key in grown])
            return joined

        return await self._database.write(work)

    def _joined(self, rows: Rows, subject: Subject, signal: Signal) -> tuple[Incident, bool]:
        counted = Counted(rows)
        found = counted.read(open_incident(rows, subject), [signal.event_uid])
        incident = _grown(counted, found, signal) if found else self._opened(rows, subject, signal, None, counted)
        counted.write()
        if found is not None and incident is not found:
            rows.run(_BODY, (encode(incident), incident.id))
        return incident, found is None

    async def succeed(self, incident: Incident, signal: Signal) -> Incident:
        """Close an incident and open the one that follows it."""

        def work(rows: Rows) -> Incident:
            _saved(rows, msgspec.structs.replace(incident, status=Status.CLOSED, ended_at=self._now()), self._now())
            counted = Counted(rows)
            opened = self._opened(rows, incident.subject, signal, incident.id, counted)
            counted.write()
            return opened

        return await self._database.write(work)

    def _opened(
        self, rows: Rows, subject: Subject, signal: Signal, follows: IncidentId | None, counted: Counted
    ) -> Incident:
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
        rows.run(
            "INSERT INTO incidents (id, subject_key, status, opened_at, body) VALUES (?, ?, ?, ?, ?)",
            (incident.id, subject.key, incident.status, incident.opened_at.isoformat(), encode(incident)),
        )
        counted.fresh(incident.id, signal)
        return incident

    async def incident(self, incident_id: IncidentId) -> Incident | None:
        """One incident by its id."""
        return await self._database.read(
            lambda rows: rows.body("SELECT body FROM incidents WHERE id = ?", (incident_id,), Incident)
        )

    async def incident_of(self, subject: Subject) -> Incident | None:
        """The incident of a subject that is not closed."""
        return await self._database.read(lambda rows: open_incident(rows, subject))

    async def incidents(self, *statuses: Status, limit: int = 1000) -> list[Incident]:
        """Incidents with one of these statuses (all without any), newest first."""
        wanted = statuses or tuple(Status)
        query = (
            f"SELECT body FROM incidents WHERE status IN ({marks(wanted)})"  # noqa: S608 - marks are question marks
            " ORDER BY opened_at DESC, rowid DESC LIMIT ?"
        )
        return await self._database.read(lambda rows: rows.bodies(query, (*wanted, limit), Incident))

    async def explained_by(self, incident: IncidentId) -> list[Incident]:
        """The incidents that are not closed and are explained by this one, oldest first."""
        return await self._database.read(lambda rows: rows.bodies(_EXPLAINED, (incident,), Incident))

    async def save_incident(self, incident: Incident) -> None:
        """Write an incident's present state. Signals counted since it was read stay counted."""
        await self._database.write(lambda rows: _saved(rows, incident, self._now()))

    async def save_round(self, incident: IncidentId, entry: Round) -> None:
        """Write one round, in place of an earlier form of it."""
        await self._database.write(lambda rows: rows.run(_ROUND, (incident, entry.number, encode(entry))))

    async def rounds(self, incident: IncidentId) -> list[Round]:
        """The rounds of an incident in order."""
        query = "SELECT body FROM rounds WHERE incident = ? ORDER BY number"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Round))

    async def save_evidence(self, incident: IncidentId, number: int, evidence: Evidence) -> None:
        """Keep what was read for one round."""
        await self._database.write(lambda rows: rows.run(_EVIDENCE, (incident, number, encode(evidence))))

    async def save_observation(
        self,
        incident: IncidentId,
        number: int,
        evidence: Evidence,
        *,
        entry: Round | None = None,
        detail: Mapping[str, object],
    ) -> None:
        """Keep what was read for one round, the round where it begins one, and the timeline's step ``observed``."""

        def work(rows: Rows) -> None:
            rows.run(_EVIDENCE, (incident, number, encode(evidence)))
            if entry is not None:
                rows.run(_ROUND, (incident, entry.number, encode(entry)))
            self._noted(rows, incident, "observed", detail)

        await self._database.write(work)

    async def evidence(self, incident: IncidentId) -> list[Evidence]:
        """What was read for each round, in order."""
        query = "SELECT body FROM evidence WHERE incident = ? ORDER BY round"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Evidence))

    async def latest_evidence(self, incident: IncidentId) -> Evidence | None:
        """What was read last."""
        query = "SELECT body FROM evidence WHERE incident = ? ORDER BY round DESC LIMIT 1"
        return await self._database.read(lambda rows: rows.body(query, (incident,), Evidence))

    async def note(self, incident: IncidentId, step: str, **detail: object) -> None:
        """Add one entry to an incident's timeline."""
        await self._database.write(lambda rows: self._noted(rows, incident, step, detail))

    def _noted(self, rows: Rows, incident: IncidentId, step: str, detail: Mapping[str, object]) -> None:
        write_entry(rows, incident, self._now(), step, detail)

    async def timeline(self, incident: IncidentId) -> list[TimelineEntry]:
        """An incident's timeline in order."""
        query = "SELECT at, step, detail, count, last_at FROM timeline WHERE incident = ? ORDER BY sequence"
        return await self._database.read(lambda rows: [_entry(row) for row in rows.rows(query, (incident,))])


def _entry(row: tuple[object, ...]) -> TimelineEntry:
    at, step, detail, count, last = row
    return TimelineEntry(
        at=datetime.fromisoformat(str(at)),
        step=str(step),
        detail=decode(str(detail), dict),
        count=int(str(count)),
        last_at=datetime.fromisoformat(str(last)) if last is not None else None,
    )


def _saved(rows: Rows, incident: Incident, now: datetime) -> None:
    known = rows.body("SELECT body FROM incidents WHERE id = ?", (incident.id,), Incident)
    if known is not None and known.signals > incident.signals:
        incident = msgspec.structs.replace(incident, signals=known.signals, last_signal=known.last_signal)
    if known is not None and known.subject != incident.subject:
        incident = msgspec.structs.replace(incident, subject=known.subject)  # it was made anew since this was read
    closed = incident.status is Status.CLOSED
    ended = (incident.ended_at or now).timestamp() if closed else None
    rows.run(
        "UPDATE incidents SET status = ?, ended_at = ?, body = ? WHERE id = ?",
        (incident.status, ended, encode(incident), incident.id),
    )
    if closed:  # nothing is counted in it any more, and the same event may open another
        rows.run("DELETE FROM events_counted WHERE incident = ?", (incident.id,))


def _grown(counted: Counted, incident: Incident, signal: Signal) -> Incident:
    """The incident with a signal counted in it, still to be written; itself if nothing in the signal is new."""
    fresh = counted.fresh(incident.id, signal)
    if fresh <= 0:
        return incident
    return msgspec.structs.replace(incident, last_signal=signal, signals=incident.signals + fresh)


class Counted:
    """How often the events of one transaction have been counted, read and written once for all of them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[tuple[object, object], int] = {}
        self._new: dict[tuple[object, object], int] = {}

    def read(self, incident: Incident | None, events: Sequence[Uid]) -> Incident | None:
        """An incident, once it is known how often these events have been counted in it."""
        if incident is None:
            return None
        for start in range(0, len(events), _ASKED_AT_ONCE):
            part = events[start : start + _ASKED_AT_ONCE]
            query = f"SELECT event_uid, count FROM events_counted WHERE incident = ? AND event_uid IN ({marks(part)})"  # noqa: S608 - marks are question marks
            for event, count in self._rows.rows(query, (incident.id, *part)):
                self._known[incident.id, event] = int(str(count))
        return incident

    def fresh(self, incident: IncidentId, signal: Signal) -> int:
        """How many occurrences of a signal's event have not been counted in this incident; they are now."""
        if not signal.event_uid:
            return signal.count
        key = (incident, signal.event_uid)
        fresh = signal.count - self._known.get(key, 0)
        if fresh > 0:
            self._known[key] = self._new[key] = signal.count
        return fresh

    def write(self) -> None:
        """Keep what is new."""
        self._rows.run_each(
            "INSERT OR REPLACE INTO events_counted (incident, event_uid, count) VALUES (?, ?, ?)",
            [(*key, count) for key, count in self._new.items()],
        )
