"""What a guardrail sees: the proposal, the object as it is, what it would become, and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from incidents.changes import Change, LeafChange
from incidents.objects import ChangeId, Manifest
from incidents.policy import Policy
from incidents.proposals import Proposal


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed change. ``answer`` and ``diff`` are set once the server's dry run has answered.

    ``earlier`` are the incident's changes so far: bounds count from the values before the first of them.
    ``known`` are the changes among those the object may name that this store has made itself.
    ``read_generation`` is the object's generation in the evidence the proposal rests on.
    """

    policy: Policy
    proposal: Proposal
    live: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...] = ()
    read_generation: int
    manager: str = ""
    earlier: tuple[Change, ...] = ()
    known: frozenset[ChangeId] = frozenset()
    now: datetime
    answer: dict[str, Any] | None = None
    diff: tuple[LeafChange, ...] = ()

    def original(self, pointer: str, present: Any) -> Any:
        """The value of a field before the incident's first change to it."""
        for change in self.earlier:
            for leaf in change.diff if change.stands else ():
                if leaf.pointer == pointer:
                    return leaf.before
        return present

    def templates(self) -> Sequence[Manifest]:
        """Pod templates this workload has or had: the present one and those of its revisions."""
        return [self.live["spec"]["template"], *(item["spec"]["template"] for item in self.replica_sets)]
