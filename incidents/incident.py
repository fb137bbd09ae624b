"""An incident: everything open about one subject, its rounds and how it ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.changes import ChangeState, LeafChange
from incidents.objects import ChangeId, IncidentId
from incidents.policy import Answer, Verdict
from incidents.proposals import Diagnosis, Proposal, Thought
from incidents.signals import Signal
from incidents.subjects import Subject
from incidents.symptoms import Symptom


class Status(StrEnum):
    """``WAITING``: a person has been asked and the work goes on with the answer.

    ``HANDED_OVER``: the work has ended, the incident has not; new signals only count up in it.
    """

    OPEN = "open"
    WAITING = "waiting"
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
    """One attempt: what was thought, what was proposed, what the guards said, what became of it.

    ``thought`` is set once a model has been asked, which is where no playbook was certain.
    """

    number: int
    diagnosis: Diagnosis | None = None
    proposal: Proposal | None = None
    verdict: Verdict | None = None
    diff: tuple[LeafChange, ...] = ()
    change: ChangeId | None = None
    change_state: ChangeState | None = None
    verification: Verification | None = None
    thought: Thought | None = None

    @property
    def tried(self) -> bool:
        """Whether its proposal has met the guards: a crash may have lost their verdict, and not what came of it."""
        return self.verdict is not None or self.change is not None

    @property
    def put_off(self) -> bool:
        """Whether the guards have only put its proposal off: nothing was made, and nothing is wrong with it."""
        return self.change is None and self.verdict is not None and self.verdict.answer is Answer.DEFER

    @property
    def open_to_thought(self) -> bool:
        """Whether neither a playbook nor a model has said anything about it."""
        return not self.tried and self.proposal is None and self.thought is None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One subject's open trouble.

    ``spec`` is the subject's ``spec_digest`` when a person was asked or the incident was handed over.
    ``rests_on`` is a digest of what else its case rests on, taken after that.
    ``parked_until``: guardrails deferred the change, or what fails may pass by itself; nothing is tried before that
    moment. ``waited_out``: the symptoms that may, empty where guardrails deferred. ``caused_by`` names the incident
    that explains this one. ``reminded_at``: when a person was last told of it.
    """

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
    rests_on: str = ""
    follows: IncidentId | None = None
    caused_by: IncidentId | None = None
    parked_until: datetime | None = None
    waited_out: tuple[Symptom, ...] = ()
    reminded_at: datetime | None = None

    def parked_seconds(self, now: datetime, *, longest: float) -> float:
        """How much longer it is deferred; 0 if it is not.

        A moment further off than the ``longest`` deferral, in seconds, was set by a clock that was wrong. What is
        waited out is waited for no longer once a signal names another symptom.
        """
        if self.status is not Status.OPEN or self.parked_until is None:
            return 0.0
        if self.waited_out and self.last_signal.symptom not in self.waited_out:
            return 0.0
        seconds = (self.parked_until - now).total_seconds()
        return seconds if 0 < seconds <= longest else 0.0

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"{self.subject}: {self.first_signal.symptom}"
