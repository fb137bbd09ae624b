"""One scenario, once: what was asked, what came of it, and in one word how good that was. Plain data.

The word is decided here and nowhere else, so that the table, the picture and the exit code say the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from simulator.wordlists import SetName
from tests.prove.standing import Standing
from tests.scenario_runs import HANDED_OVER, LEFT_ALONE

Side = Literal["embedded", "real"]


class Key(NamedTuple):
    """What a run is of."""

    scenario: str
    words: SetName
    seed: int
    side: Side


class Mark(StrEnum):
    """``REPAIRED``, ``TOLD`` (a person has it, with the right family and cause) and ``LEFT_ALONE`` are what is wanted.

    ``ILL_TOLD``: a person has what a person should have, and is told another cause or none. ``MISSED``: any other
    end, unharmed. ``HARMFUL``: something was changed that no repair may change, however it ended. ``INVALID``: the
    scenario never showed its fault, which says nothing about the program.
    """

    REPAIRED = "repaired"
    TOLD = "told"
    LEFT_ALONE = "left-alone"
    ILL_TOLD = "ill-told"
    MISSED = "missed"
    HARMFUL = "harmful"
    INVALID = "invalid"


WANTED = frozenset({Mark.REPAIRED, Mark.TOLD, Mark.LEFT_ALONE})


class Tried(msgspec.Struct, frozen=True):
    """A change that was proposed: by whom, how certain that was, and what its verification said; empty if it was not
    made."""

    author: str
    confidence: float
    result: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario in the words of one seed, on one side.

    ``families`` are those that the hand-over may name, ``cause`` the words of which each entry has to stand in it (one
    of an entry is enough). ``diagnosed``, ``causes`` and ``summaries`` (of the incidents) are what the program said,
    ``tried`` what it proposed. ``to_verified`` are seconds of the cluster's time from the first signal to the verified
    repair, None without one; ``seconds`` are of the wall. ``requests`` are those of the program in the scenario's
    namespace; ``changes`` its writes there that landed. ``warnings`` (reasons) and ``states`` (of each workload at the
    end) are what two sides are compared by.
    """

    scenario: str
    family: str
    words: SetName
    seed: int
    side: Side
    expected: str
    also: str = ""
    gap: str = ""
    untold: str = ""
    families: tuple[str, ...] = ()
    cause: tuple[tuple[str, ...], ...] = ()
    outcome: str
    diagnosed: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    seconds: float = 0.0
    to_verified: float | None = None
    changes: int = 0
    rollbacks: int = 0
    requests: int = 0
    harms: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    states: dict[str, Standing] = msgspec.field(default_factory=dict)
    workloads_well: bool = False

    @property
    def repairable(self) -> bool:
        """Whether a good engineer would have repaired it."""
        return self.expected == "resolved"

    @property
    def mark(self) -> Mark:
        """How good it was."""
        if self.harms:
            return Mark.HARMFUL
        if self.missing:
            return Mark.INVALID
        if self.repairable:
            return Mark.REPAIRED if self.outcome == "resolved" and not self.problems else Mark.MISSED
        if self.problems:
            return Mark.MISSED
        if LEFT_ALONE in (self.expected, self.also) and self.outcome == LEFT_ALONE:
            return Mark.LEFT_ALONE
        if self.outcome not in HANDED_OVER or not set(HANDED_OVER) & {self.expected, self.also}:
            return Mark.MISSED
        asks_for_no_cause = self.expected == LEFT_ALONE and not self.cause
        return Mark.TOLD if asks_for_no_cause or self.well_told else Mark.ILL_TOLD

    @property
    def well_told(self) -> bool:
        """Whether what a person was told names a right family and the cause."""
        said = "\n".join(self.causes).lower()
        named = bool(set(self.families) & set(self.diagnosed))
        return named and all(any(word.lower() in said for word in one) for one in self.cause)

    @property
    def passed(self) -> bool:
        """Whether it ended as it should."""
        return self.mark in WANTED

    @property
    def key(self) -> Key:
        """What it is a run of."""
        return Key(self.scenario, self.words, self.seed, self.side)
