"""The road's inner steps, for whoever walks along: Studio and notebooks show each of them as a node of its own.

The road is one and is walked in one way. It only says where it stands before each step, and goes on when it is told
to; nothing is held meanwhile but what was read, and what is sent afterwards carries its own tests. A daemon does not
walk along: for it these are calls that answer at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from incidents.objects import IncidentId


class Step(StrEnum):
    """Where the road may stand, in order."""

    PRE_GUARD = "pre_guard"
    DRY_RUN = "dry_run"
    GUARD = "guard"
    APPLY = "apply"
    VERIFY = "verify"


class Pace(Protocol):
    """Whoever is told where the road stands, and says when it goes on."""

    async def reached(self, incident: IncidentId, step: Step, *, said: str) -> None:
        """The road stands before ``step``; ``said`` is what the one before it has found, for people to read.

        Returns when it may go on. Raises whatever ends the walk here; nothing has been changed by this step then.
        """


class Unpaced:
    """Nobody walks along."""

    async def reached(self, incident: IncidentId, step: Step, *, said: str) -> None:
        """Goes on at once."""
