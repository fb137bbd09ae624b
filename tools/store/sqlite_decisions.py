"""What people are asked, what they say, and the switches they hold.

That an answer serves once is a constraint of the tables; here is only the order in which things happen.
"""

from __future__ import annotations

import msgspec

from incidents.changes import Change, ChangeState
from incidents.codec import encode
from incidents.decisions import Decision, DecisionKind, Request, RequestState, Switch, SwitchName
from incidents.objects import IncidentId
from tools.scrub import scrub
from tools.store.database import Rows
from tools.store.sqlite_changes import ChangeTables
from tools.store.tables import marks

_ANSWERS = {DecisionKind.APPROVE: RequestState.APPROVED, DecisionKind.REJECT: RequestState.REJECTED}


class DecisionTables(ChangeTables):
    """The port's part ``Decisions``; it makes a change of an approval, so it knows the changes' tables."""

    async def ask(self, request: Request) -> Request:
        """Put a request, or answer the incident's live one of the same digest; any other live one is void."""

        def work(rows: Rows) -> Request:
            query = "SELECT body FROM requests WHERE incident = ? AND state IN ('open', 'approved')"
            live = rows.body(query, (request.incident,), Request)
            if live is not None:
                expired = request.asked_at >= live.expires_at
                if live.digest == request.digest and not expired:
                    return live
                self._moved(rows, live, RequestState.EXPIRED if expired else RequestState.VOID)
            rows.run(
                "INSERT INTO requests (id, incident, digest, state, body) VALUES (?, ?, ?, ?, ?)",
                (request.id, request.incident, request.digest, request.state, encode(request)),
            )
            self._audited(rows, "request.open", **_about(request), ends=request.expires_at)
            return request

        return await self._database.write(work)

    def _moved(self, rows: Rows, request: Request, state: RequestState, change: Change | None = None) -> Request:
        moved = msgspec.structs.replace(request, state=state, change=change.id if change else None)
        rows.run(
            "UPDATE requests SET state = ?, change = ?, body = ? WHERE id = ?",
            (moved.state, moved.change, encode(moved), moved.id),
        )
        if state not in _ANSWERS.values():  # an answer is a record of its own
            self._audited(rows, f"request.{state.value}", **_about(moved), change=moved.change or "")
        return moved

    async def request(self, request_id: str) -> Request | None:
        """One request by its id."""
        return await self._database.read(lambda rows: _request(rows, request_id))

    async def requests(self, *states: RequestState) -> list[Request]:
        """Requests in one of these states (all without any), oldest first."""
        wanted = states or tuple(RequestState)
        query = f"SELECT body FROM requests WHERE state IN ({marks(wanted)}) ORDER BY rowid"  # noqa: S608 - marks are question marks
        return await self._database.read(lambda rows: rows.bodies(query, wanted, Request))

    async def requests_of(self, incident: IncidentId) -> list[Request]:
        """An incident's requests, oldest first."""
        query = "SELECT body FROM requests WHERE incident = ? ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Request))

    async def decide(self, decision: Decision) -> bool:
        """Record what a person said. False, and nothing recorded, when it can no longer be said."""

        def work(rows: Rows) -> bool:
            if rows.rows("SELECT 1 FROM decisions WHERE id = ?", (decision.id,)) or not self._answered(rows, decision):
                return False
            rows.run(
                "INSERT INTO decisions (id, incident, request, kind, body) VALUES (?, ?, ?, ?, ?)",
                (decision.id, decision.incident, decision.request or None, decision.kind, encode(decision)),
            )
            self._audited(
                rows,
                f"decision.{decision.kind.value}",
                decision=decision.id,
                incident=decision.incident,
                request=decision.request,
                digest=decision.digest,
                who=scrub(decision.by),
                why=scrub(decision.reason, limit=500),
            )
            return True

        return await self._database.write(work)

    def _answered(self, rows: Rows, decision: Decision) -> bool:
        """Whether what the decision is about can still be decided; its request is then approved or rejected."""
        if decision.kind is DecisionKind.RETRY:
            return _can_be_retried(rows, decision.incident)
        asked = _request(rows, decision.request)
        if (
            asked is None
            or asked.state is not RequestState.OPEN
            or (asked.incident, asked.digest) != (decision.incident, decision.digest)
            or decision.decided_at >= asked.expires_at
        ):
            return False
        self._moved(rows, asked, _ANSWERS[decision.kind])
        return True

    async def undelivered(self) -> list[Decision]:
        """Decisions that no daemon has acted on yet, oldest first."""
        query = "SELECT body FROM decisions WHERE delivered_at IS NULL ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (), Decision))

    async def delivered(self, decision_id: str) -> None:
        """A daemon has acted on a decision."""
        statement = "UPDATE decisions SET delivered_at = ? WHERE id = ? AND delivered_at IS NULL"
        values = (self._now().isoformat(), decision_id)
        await self._database.write(lambda rows: rows.run(statement, values))

    async def decisions(self, incident: IncidentId) -> list[Decision]:
        """What people have said about an incident, oldest first."""
        query = "SELECT body FROM decisions WHERE incident = ? ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Decision))

    async def use_approval(self, incident: IncidentId, digest: str, change: Change) -> Request | None:
        """Spend the approval of exactly this digest on a change, and save the change as prepared."""

        def work(rows: Rows) -> Request | None:
            query = "SELECT body FROM requests WHERE incident = ? AND digest = ? AND state = 'approved'"
            approved = rows.body(query, (incident, digest), Request)
            if approved is None or change.prepared_at >= approved.expires_at:
                return None  # it was said of things as they were then
            self._saved(rows, msgspec.structs.replace(change, state=ChangeState.PREPARED, approval=approved.id))
            return self._moved(rows, approved, RequestState.USED, change)

        return await self._database.write(work)

    async def close_request(self, request_id: str, state: RequestState) -> bool:
        """End an open or approved request as expired or void. False when it was neither."""
        if state not in (RequestState.EXPIRED, RequestState.VOID):
            raise ValueError(f"state: a request is closed as expired or void, not as {state.value}")

        def work(rows: Rows) -> bool:
            asked = _request(rows, request_id)
            if asked is None or asked.state not in (RequestState.OPEN, RequestState.APPROVED):
                return False
            self._moved(rows, asked, state)
            return True

        return await self._database.write(work)

    async def switch(self, name: SwitchName) -> Switch | None:
        """One switch as a person left it."""
        return await self._database.read(
            lambda rows: rows.body("SELECT body FROM switches WHERE name = ?", (name,), Switch)
        )

    async def set_switch(self, switch: Switch) -> None:
        """Set a switch; an audit record of the same transaction."""

        def work(rows: Rows) -> None:
            rows.run("INSERT OR REPLACE INTO switches (name, body) VALUES (?, ?)", (switch.name, encode(switch)))
            self._audited(
                rows,
                f"switch.{switch.name.value}",
                on=switch.on,
                who=scrub(switch.by),
                why=scrub(switch.reason, limit=500),
                until=switch.until,
            )

        await self._database.write(work)


def _request(rows: Rows, request_id: str) -> Request | None:
    return rows.body("SELECT body FROM requests WHERE id = ?", (request_id,), Request)


def _can_be_retried(rows: Rows, incident: IncidentId) -> bool:
    """Whether there is such an incident and no retry of it waits already."""
    query = "SELECT 1 FROM decisions WHERE incident = ? AND kind = 'retry' AND delivered_at IS NULL"
    return bool(rows.rows("SELECT 1 FROM incidents WHERE id = ?", (incident,))) and not rows.rows(query, (incident,))


def _about(request: Request) -> dict[str, object]:
    return {"request": request.id, "incident": request.incident, "round": request.round, "digest": request.digest}
