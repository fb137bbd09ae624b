"""An incident: everything open about one subject, its rounds and how it ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.changes import ChangeState, LeafChange
from incidents.objects import ChangeId, IncidentId
from incidents.policy import Verdict
from incidents.proposals import Diagnosis, Proposal
from incidents.signals import Signal
from incidents.subjects import Subject


class Status(StrEnum):
    """``HANDED_OVER``: the work has ended, the incident has not; new signals only count up in it."""

    OPEN = "open"
    HANDED_OVER = "handed-over"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How the work on an incident ended."""

    RESOLVED = "resolved"
    ROLLED_BACK = "rolled_back"
    ESCALATED = "escalated"
    SUPPRESSED = "suppressed"
    OBSERVED = "observed"
    FAILED = "failed"


CLOSING = frozenset({Outcome.RESOLVED, Outcome.SUPPRESSED})  # after any other, a person has it


class Result(StrEnum):
    """What verification says of a change."""

    WELL = "well"
    BETTER = "better"
    NO_BETTER = "no-better"
    CANNOT_TELL = "cannot-tell"


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a verification and what it rests on."""

    result: Result
    detail: str
    ready: int = 0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: what was thought, what was proposed, what the guards said, what became of it."""

    number: int
    diagnosis: Diagnosis | None = None
    proposal: Proposal | None = None
    verdict: Verdict | None = None
    diff: tuple[LeafChange, ...] = ()
    change: ChangeId | None = None
    change_state: ChangeState | None = None
    verification: Verification | None = None

    @property
    def tried(self) -> bool:
        """Whether its proposal has met the guards."""
        return self.verdict is not None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One subject's open trouble. ``spec`` is the subject's ``spec_digest`` when the incident was handed over."""

    id: IncidentId
    subject: Subject
    status: Status
    first_signal: Signal
    last_signal: Signal
    signals: int
    opened_at: datetime
    outcome: Outcome | None = None
    summary: str = ""
    ended_at: datetime | None = None
    spec: str = ""
    follows: IncidentId | None = None

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"{self.subject}: {self.first_signal.symptom}"
