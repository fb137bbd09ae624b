"""What must be true of an incident however often the daemon was killed: judged by the API server's log and the store.

Nothing that the daemon says of itself while it runs counts here. Each rule answers with what is wrong, in words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incidents.changes import Change, ChangeState
from incidents.decisions import Request, RequestState
from incidents.incident import Incident, Outcome, Round
from tests.kill.deletions import put_back_before_it_was_made, wrongly_deleted
from tests.kill.proxy import Seen
from tools.clock import Clock
from tools.store.audit import broken_links
from tools.store.records import AuditRecord
from tools.store.sqlite import open_store

_ENDED = frozenset({ChangeState.VERIFIED, ChangeState.UNDONE, ChangeState.KEPT})


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a run has left behind."""

    incidents: Sequence[Incident]
    changes: Sequence[Change]
    rounds: Sequence[Round]
    requests: Sequence[Request]
    holders: Sequence[str]
    audit: Sequence[AuditRecord]
    messages: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """How a story has to end.

    ``messages``: the kinds of messages a person has to get, by the first word of their keys. ``may_tell``: those that
    a person may get; whoever decides before being told is not told. ``deleted``: how many deletions there are at least.
    """

    outcome: Outcome
    ends_in: ChangeState
    landed: int | None  # how many changes; None where that is not told beforehand
    deleted: int = 0
    messages: frozenset[str] = frozenset()
    may_tell: frozenset[str] = frozenset()


async def left_by(store: Path) -> Left:
    """Read what the daemon has left in its store and in the file of its messages."""
    notices = store.with_name("notices.jsonl")
    async with open_store(store, now=Clock().now) as opened:
        incidents = await opened.incidents()
        return Left(
            incidents=incidents,
            changes=[change for one in incidents for change in await opened.changes(one.id)],
            rounds=[entry for one in incidents for entry in await opened.rounds(one.id)],
            requests=await opened.requests(),
            holders=await opened.lease_holders(),
            audit=await opened.audit_records(limit=10_000),
            messages=[json.loads(line) for line in notices.read_text().splitlines()] if notices.exists() else [],
        )


def wrong_with(left: Left, seen: Sequence[Seen], promise: Promise) -> list[str]:
    """Everything that is not as it has to be; empty when all is well."""
    return [
        *_lost(left, promise),
        *_twice(left, seen),
        *_half_done(left, seen, promise),
        *_badly_written_down(left),
        *_badly_told(left, promise),
        *wrongly_deleted(left.changes, seen, fewest=promise.deleted),
    ]


def _lost(left: Left, promise: Promise) -> Iterator[str]:
    # A warning that is read after the end, on a busy machine or by the next daemon, is about a subject that is well:
    # such an incident is closed with nothing done, tried or told.
    worked_on = [one for one in left.incidents if one.outcome is not Outcome.SUPPRESSED]
    if len(worked_on) != 1:
        yield f"{len(worked_on)} incidents, and {len(left.incidents) - len(worked_on)} that were suppressed"
    for one in worked_on:
        if one.outcome is not promise.outcome:
            yield f"the incident ended as {one.outcome}: {one.summary}"
    if left.holders:
        yield f"leases are still held by {left.holders}"


def _twice(left: Left, seen: Sequence[Seen]) -> Iterator[str]:
    landed = [one for one in seen if one.landed and not one.removes]
    for (change, back), times in Counter((one.change, one.takes_back) for one in landed).items():
        if times > 1:
            yield f"change {change} was {'undone' if back else 'made'} {times} times"
    there = [change for change in left.changes if _was_made(change, seen)]
    for number, times in Counter(change.round for change in there).items():
        if times > 1:
            yield f"round {number} has {times} changes"


def _half_done(left: Left, seen: Sequence[Seen], promise: Promise) -> Iterator[str]:
    known = {change.id: change for change in left.changes}
    made = {one.change for one in seen if one.makes}
    put_back = put_back_before_it_was_made(left.changes, seen)
    if promise.landed is not None and len(made) != promise.landed:
        yield f"{len(made)} changes were made, not {promise.landed}"
    if not made:
        yield "nothing was changed"
    for one in made:
        change = known.get(one)  # type: ignore[call-overload]  # an id is a string
        if change is None:
            yield f"the store does not know change {one}"
        elif change.state is not promise.ends_in:
            yield f"change {one} ended as {change.state}"
        elif not (change.inverse.operations or change.for_good or (change.anew and change.anew.before)):
            yield f"change {one} has no inverse"
    for change in left.changes:
        if change.state in _ENDED and change.id not in made | put_back:
            yield f"change {change.id} is said to be {change.state}, and was never made"
        if change.state not in _ENDED | {ChangeState.ABANDONED}:
            yield f"change {change.id} is left as {change.state}"
    for entry in left.rounds:
        if entry.change in made and entry.verification is None and promise.outcome is not Outcome.RESOLVED:
            yield f"nobody has written down what became of round {entry.number}"


def _badly_written_down(left: Left) -> Iterator[str]:
    if broken := list(broken_links(left.audit)):
        yield f"the audit trail is broken: {broken}"
    for change in left.changes:
        own = [record.detail for record in left.audit if record.detail.get("change") == change.id]
        steps = [detail["state"] for detail in own if "state" in detail]
        if steps != list(dict.fromkeys(steps)):
            yield f"change {change.id} has taken a step twice: {steps}"
    for request in left.requests:
        if request.state in (RequestState.OPEN, RequestState.APPROVED):
            yield f"request {request.id} is left as {request.state}"


def _badly_told(left: Left, promise: Promise) -> Iterator[str]:
    kinds = Counter(_kind(message["key"]) for message in _distinct(left.messages))
    if not promise.messages <= set(kinds) <= promise.messages | promise.may_tell:
        yield f"messages: {dict(kinds)}, not {sorted(promise.messages)}"
    if kinds["handed-over"] > 1:
        yield "the end was told in two different messages"


def _kind(key: str) -> str:
    return key.split("/")[1]


def _distinct(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A message that was told twice is the same message: its key says so."""
    return list({message["key"]: message for message in messages}.values())


def _was_made(change: Change, seen: Sequence[Seen]) -> bool:
    return any(one.makes and one.change == change.id for one in seen)
