"""What became of a proposal on the road, before it was verified."""

from __future__ import annotations

from datetime import datetime

import msgspec

from incidents.changes import Change, LeafChange
from incidents.decisions import Request
from incidents.incident import Incident
from incidents.policy import Answer, Ruling, Verdict
from tools.store import Store

_OF_THE_OBJECT = frozenset({"cool-down", "foreign-change"})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a proposal before it was verified: ``change`` is set if it was applied, ``request`` if it waits.

    ``diff`` is for people and prompts, with masked values where the evidence has them; the change keeps the raw one.
    """

    verdict: Verdict
    diff: tuple[LeafChange, ...] = ()
    change: Change | None = None
    request: Request | None = None


def refusal(rule: str, answer: Answer, reason: str, until: datetime | None = None) -> Attempt:
    """An attempt that ended with one ruling."""
    return Attempt(verdict=Verdict((Ruling(rule, answer, reason, until),)))


def by(attempt: Attempt, moment: datetime) -> Attempt:
    """The same, with what has been put off for what was done to the object looked at again by that moment."""
    rulings = tuple(
        msgspec.structs.replace(ruling, until=min(ruling.until, moment))
        if ruling.rule in _OF_THE_OBJECT and ruling.until is not None
        else ruling
        for ruling in attempt.verdict.rulings
    )
    return msgspec.structs.replace(attempt, verdict=Verdict(rulings))


async def noted(store: Store, incident: Incident, attempt: Attempt) -> Attempt:
    """The attempt, once its verdict is in the incident's timeline."""
    await store.note(
        incident.id,
        "guarded",
        answer=attempt.verdict.answer,
        rulings=attempt.verdict.objections or attempt.verdict.rulings,
        diff=attempt.diff,
    )
    return attempt
