"""Where an incident stands, as every agent sees it, and what an agent hands back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.incident import Incident, Outcome, Round
from incidents.symptoms import Symptom


class Agent(StrEnum):
    """Who may be routed to."""

    RESEARCHER = "Researcher"
    CODER = "Coder"
    AUTO_FIXER = "AutoFixer"
    HELP_SEEKER = "HelpSeeker"
    FINISH = "FINISH"


class Saying(msgspec.Struct, frozen=True):
    """What one agent said."""

    by: Agent
    text: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One incident in the middle of its work.

    ``parked_until``: it is deferred until then, ``waited_out`` naming the symptoms that may pass meanwhile.
    ``request``: a person has been asked; the work goes on with the answer.
    """

    incident: Incident
    rounds: tuple[Round, ...] = ()
    sayings: tuple[Saying, ...] = ()
    outcome: Outcome | None = None
    parked_until: datetime | None = None
    waited_out: tuple[Symptom, ...] = ()
    request: str = ""
    summary: str = ""
    has_logs: bool = False

    @property
    def current(self) -> Round | None:
        """The round that is being worked on."""
        return self.rounds[-1] if self.rounds else None

    def spoke(self, agent: Agent) -> bool:
        """Whether an agent has had its turn."""
        return any(saying.by is agent for saying in self.sayings)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent hands back: its words, and what it has decided, if anything."""

    text: str
    entry: Round | None = None
    outcome: Outcome | None = None
    parked_until: datetime | None = None
    request: str = ""  # that a person has to decide before the work goes on
    again: bool = False  # the world has changed: observe before anything else
