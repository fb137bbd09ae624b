"""What a person is asked in Studio and notebooks, and what they may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from incidents.decisions import DecisionKind, Request
from incidents.signals import clean

HOW = {"decision": "approve"}, {"decision": "reject", "reason": "why, in a few words"}
_LONGEST_REASON, _LONGEST_NAME = 500, 100
_KINDS = {"approve": DecisionKind.APPROVE, "reject": DecisionKind.REJECT}


class BadAnswer(ValueError):
    """An answer that decides nothing; the text says how one looks."""


class PersonsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has answered."""

    kind: DecisionKind
    by: str
    reason: str = ""


def question(request: Request) -> dict[str, Any]:
    """What is asked, as JSON: the exact difference, why it is asked, and how to answer. Values are masked."""
    return {
        "question": f"{request.proposal.reason}, in {request.proposal.target}?",
        "difference": [{"field": one.pointer, "from": one.before, "to": one.after} for one in request.diff],
        "asked_because": [f"{ruling.rule}: {ruling.reason}" for ruling in request.verdict.objections],
        "confidence": request.proposal.confidence,
        "request": request.id,
        "answer_until": request.expires_at.isoformat(timespec="seconds"),
        "answer_with": list(HOW),
    }


def parse_answer(answer: Any, *, by: str) -> PersonsAnswer:
    """Read an answer: a mapping as ``HOW`` shows, or ``approve`` alone. ``by`` signs it unless it does so itself.

    Raises BadAnswer.
    """
    given = {"decision": answer} if isinstance(answer, str) else answer
    if not isinstance(given, Mapping):
        raise BadAnswer(f"answer with one of {list(HOW)}")
    kind = _KINDS.get(str(given.get("decision", "")).strip().lower())
    if kind is None:
        raise BadAnswer(f"decision: write approve or reject, as in {list(HOW)}")
    reason = clean(given.get("reason"), _LONGEST_REASON).strip()
    if kind is DecisionKind.REJECT and not reason:
        raise BadAnswer("reason: say in a few words why, for whoever reads the case")
    return PersonsAnswer(kind=kind, by=clean(given.get("by"), _LONGEST_NAME).strip() or by, reason=reason)
