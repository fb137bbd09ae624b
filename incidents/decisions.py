"""Asking a person, and what the person decided: a single-use record bound to exactly what was shown.

A request names a digest of the object's uid, the values tested, the patch and the leaf difference. An approval of
it approves that and nothing else: if the world has moved on, the digest differs, and the person is asked anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.changes import Change, ChangeState, LeafChange
from incidents.incident import Outcome
from incidents.objects import ChangeId, IncidentId
from incidents.policy import Verdict
from incidents.proposals import Proposal


class RequestState(StrEnum):
    """Where a request stands. ``VOID``: the world has moved on, or the subject has healed."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    USED = "used"  # approved, and the change was made


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a person is asked for. ``diff`` is for people, with masked values."""

    id: str
    incident: IncidentId
    round: int
    digest: str
    proposal: Proposal
    verdict: Verdict
    diff: tuple[LeafChange, ...]
    asked_at: datetime
    expires_at: datetime
    state: RequestState = RequestState.OPEN
    change: ChangeId | None = None  # that used the approval


class DecisionKind(StrEnum):
    """What a person may say."""

    APPROVE = "approve"
    REJECT = "reject"
    RETRY = "retry"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said, once. ``request`` is empty for a retry, which is about the incident.

    ``rounds``: how many rounds the incident had when a retry was asked for. They are remembered and not counted again.
    """

    id: str
    kind: DecisionKind
    incident: IncidentId
    request: str = ""
    digest: str = ""
    by: str
    reason: str = ""
    rounds: int = 0
    decided_at: datetime


def rounds_allowed(decisions: Sequence[Decision], budget: int) -> int:
    """The number of the last round an incident may have: whoever says `retry` gives it a whole budget of new ones."""
    return budget + max((one.rounds for one in decisions if one.kind is DecisionKind.RETRY), default=0)


def turned_down(requests: Sequence[Request], decisions: Sequence[Decision], number: int) -> str:
    """Why the round of that number is not to be asked for again; empty if it may be.

    A request that was rejected or ran out ends the matter until a person says `retry`; where it was asked anew, the
    last one counts.
    """
    retried = _last_retry(decisions)
    asked = [one for one in requests if one.round == number and (retried is None or one.asked_at >= retried)]
    last = asked[-1] if asked else None
    if last is not None and last.state is RequestState.EXPIRED:
        return "nobody has decided in time"
    if last is not None and last.state is RequestState.REJECTED:
        said = next((one for one in decisions if one.request == last.id), None)
        return f"{said.by} has rejected it: {said.reason}" if said is not None else "it was rejected"
    return ""


def taken_back(changes: Sequence[Change], decisions: Sequence[Decision]) -> Change | None:
    """The change that a person has undone since the last `retry`: until the next one nothing is tried again."""
    retried = _last_retry(decisions)
    for change in changes:
        if change.undone_by and change.ended_at and (retried is None or retried < change.ended_at):
            return change
    return None


def undone_lately(changes: Sequence[Change], decisions: Sequence[Decision]) -> list[Change]:
    """The changes that were taken back, by whomever, since the last `retry`."""
    retried = _last_retry(decisions)
    undone = [one for one in changes if one.state is ChangeState.UNDONE and one.ended_at is not None]
    return [one for one in undone if retried is None or (one.ended_at and one.ended_at > retried)]


def outcome_of_well(changes: Sequence[Change], decisions: Sequence[Decision]) -> Outcome:
    """How the work on a subject ends that is well, where a crash came before that was written down.

    Being well for now, after what was tried was taken back, heals nothing: a person is still to be told.
    """
    if any(change.state is ChangeState.VERIFIED for change in changes):
        return Outcome.RESOLVED
    return Outcome.ROLLED_BACK if undone_lately(changes, decisions) else Outcome.SUPPRESSED


def _last_retry(decisions: Sequence[Decision]) -> datetime | None:
    return max((one.decided_at for one in decisions if one.kind is DecisionKind.RETRY), default=None)


class SwitchName(StrEnum):
    """``KILL`` stops every write within a second, undo included; ``PAUSE`` begins no new change."""

    KILL = "kill"
    PAUSE = "pause"


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One switch as a person left it. ``until``: it goes off by itself then."""

    name: SwitchName
    on: bool
    by: str
    reason: str = ""
    at: datetime
    until: datetime | None = None

    def is_on(self, now: datetime) -> bool:
        """Whether it is on at ``now``."""
        return self.on and (self.until is None or now < self.until)
