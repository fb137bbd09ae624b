"""What a guardrail sees: the proposal, the object as it is, what it would become, what was done lately, the policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from incidents.changes import Change, InverseKind, LeafChange
from incidents.decisions import Switch
from incidents.objects import WORKLOADS, ChangeId, IncidentId, Manifest
from incidents.policy import Policy, Windows
from incidents.proposals import Proposal
from incidents.snapshot import pod_template


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Something the object is made from, or that keeps some of its fields.

    ``puts_back``: it would overwrite a change by itself. ``fields``: pointer patterns of what it keeps; empty means
    all of them. ``advice``: where the change belongs instead. The texts come from the cluster, cleaned and short.
    """

    name: str
    puts_back: bool
    advice: str
    fields: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed change. ``answer`` and ``diff`` are set once the server's dry run has answered.

    ``earlier`` are the incident's changes so far: bounds count from the values before the first of them.
    ``known`` are the changes among those the object may name that this store has made itself.
    ``read_generation`` is the object's generation in the evidence the proposal rests on.
    ``recent`` are this store's changes to the cluster in the longest of the ``windows``; ``continues`` names the
    incidents that this one goes on from because a person said so. ``workloads`` counts those of the namespace.
    """

    policy: Policy
    windows: Windows = Windows()
    incident: IncidentId = IncidentId("")
    continues: frozenset[IncidentId] = frozenset()
    proposal: Proposal
    live: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...] = ()
    read_generation: int
    manager: str = ""
    sources: tuple[Source, ...] = ()
    earlier: tuple[Change, ...] = ()
    known: frozenset[ChangeId] = frozenset()
    recent: tuple[Change, ...] = ()
    workloads: int = 0
    switches: tuple[Switch, ...] = ()
    inverse: InverseKind = InverseKind.EXACT
    never_ran: bool = False
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
        own = [pod_template(self.live)] if self.live.get("kind") in WORKLOADS else []
        return [*own, *(item["spec"]["template"] for item in self.replica_sets)]
