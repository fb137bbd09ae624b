"""``approvals``, ``approve``, ``reject``, ``retry``: what people are asked, and what they say to it.

A command only writes a record into the store; the daemon of that store acts on it within seconds.
"""

from __future__ import annotations

import json
import uuid

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.place import commands_of
from app.settings import Settings
from cli.failures import Exit, fail
from cli.speaking import decided_in, say, the_one, who
from incidents.codec import to_json
from incidents.decisions import Decision, DecisionKind, Request, RequestState
from incidents.incident import Incident, Status
from tools.clock import Clock
from tools.store import Store

LONGEST_REASON = 500
MOST_INCIDENTS = 1_000_000  # all that a store will ever hold
_OVER = {
    RequestState.APPROVED: "has been approved already",
    RequestState.REJECTED: "has been rejected already",
    RequestState.EXPIRED: "has run out",
    RequestState.VOID: "is void: things have moved on since it was asked",
    RequestState.USED: "has been approved, and the change was made",
}


async def show_approvals(settings: Settings, *, as_json: bool) -> int:
    """List what waits for a person. Raises StoreError."""
    async with decided_in(settings, "approvals") as store:
        waiting = [(one, await store.incident(one.incident)) for one in await store.requests(RequestState.OPEN)]
    if as_json:
        listed = [to_json(one) | {"subject": str(about.subject) if about else ""} for one, about in waiting]
        typer.echo(orjson.dumps(listed, option=orjson.OPT_INDENT_2))
        return Exit.OK
    table = Table(title=f"{len(waiting)} waiting", title_justify="left", box=None, pad_edge=False)
    for heading in ("ID", "SUBJECT", "CHANGE", "UNTIL"):
        table.add_column(heading, no_wrap=heading == "ID", overflow="fold")
    for one, about in waiting:
        subject = escape(str(about.subject)) if about else "-"
        table.add_row(one.id[:8], subject, escape(_difference(one)), f"{one.expires_at:%Y-%m-%d %H:%M} UTC")
    Console().print(table)
    return Exit.OK


async def approve(settings: Settings, request: str, *, name: str | None) -> int:
    """Approve exactly what was shown. Raises StoreError."""
    by, words = who(name), ("approve", request)
    async with decided_in(settings, *words) as store:
        asked = await _request(store, settings, request, words)
        await _decide(store, asked, DecisionKind.APPROVE, by=by, reason="")
        about = await store.incident(asked.incident)
    say(f"approved by {by}: {about.subject if about else asked.proposal.target}")
    say(_difference(asked))
    say("It is made if it is still the same change; without a running daemon, by the next `fix` of the workload.")
    return Exit.OK


async def reject(settings: Settings, request: str, *, reason: str, name: str | None) -> int:
    """Reject it: nothing is tried or asked again until somebody says `retry`. Raises StoreError."""
    if not reason.strip():
        raise fail("--reason: say in a few words why, for whoever reads the case", Exit.USAGE)
    by, words = who(name), ("reject", request, "--reason", reason)
    async with decided_in(settings, *words) as store:
        asked = await _request(store, settings, request, words)
        await _decide(store, asked, DecisionKind.REJECT, by=by, reason=reason.strip()[:LONGEST_REASON])
    say(f"rejected by {by}; to have it tried again: {commands_of(settings).retry(asked.incident)}")
    return Exit.OK


async def retry(settings: Settings, incident: str, *, name: str | None) -> int:
    """Have a handed-over incident worked on anew, with a whole budget of rounds. Raises StoreError."""
    by, words = who(name), ("retry", incident)
    async with decided_in(settings, *words) as store:
        listed = [(one.id, one) for one in await store.incidents(limit=MOST_INCIDENTS)]
        found = await the_one(listed, incident, kind="incident", store=store, settings=settings, words=words)
        if found.status is not Status.HANDED_OVER:
            raise fail(f"incident {found.id} {_why_not(found)}", Exit.NOTHING_TO_DECIDE)
        decision = Decision(
            id=str(uuid.uuid4()),
            kind=DecisionKind.RETRY,
            incident=found.id,
            by=by,
            rounds=len(await store.rounds(found.id)),
            decided_at=Clock().now(),
        )
        if not await store.decide(decision):
            raise fail(f"incident {found.id}: somebody has asked for another try already", Exit.NOTHING_TO_DECIDE)
    say(f"{found.subject} is worked on anew; follow it with: {commands_of(settings).show(found.id)}")
    return Exit.OK


def _why_not(incident: Incident) -> str:
    match incident.status:
        case Status.WAITING:
            return "waits for a decision: see `k8s-auto-fixer approvals`"
        case Status.CLOSED:
            return f"is over ({incident.outcome})"
    return "is being worked on"


async def _request(store: Store, settings: Settings, text: str, words: tuple[str, ...]) -> Request:
    listed = [(one.id, one) for one in await store.requests()]
    return await the_one(listed, text, kind="request", store=store, settings=settings, words=words)


async def _decide(store: Store, asked: Request, kind: DecisionKind, *, by: str, reason: str) -> None:
    now = Clock().now()
    decision = Decision(
        id=str(uuid.uuid4()),
        kind=kind,
        incident=asked.incident,
        request=asked.id,
        digest=asked.digest,
        by=by,
        reason=reason,
        decided_at=now,
    )
    if await store.decide(decision):
        return
    present = await store.request(asked.id) or asked
    state = RequestState.EXPIRED if present.state is RequestState.OPEN else present.state
    raise fail(f"request {asked.id} {_OVER[state]}; see `k8s-auto-fixer approvals`", Exit.NOTHING_TO_DECIDE)


def _difference(request: Request) -> str:
    return "\n".join(f"{leaf.pointer}: {json.dumps(leaf.before)} -> {json.dumps(leaf.after)}" for leaf in request.diff)
