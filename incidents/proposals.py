"""Diagnoses, and the one typed change a playbook or a model may propose.

A proposal names fields by a path in which list items are addressed by name (``containers[web]``), never by
index: the index is looked up, and tested, when the proposal is sealed. What a proposal may touch is decided
by the policy; nothing here can widen it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from incidents.evidence import Want
from incidents.objects import ObjectRef, Uid
from incidents.symptoms import Symptom

MODEL_AUTHOR = "model/"  # how the author of a model's proposal begins; code writes it, a model cannot


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought to be wrong: failure family, cause, confidence 0..1 and what that rests on.

    ``because``: why nothing is proposed with it; whoever chooses between the playbooks fills it in. ``blames``: the
    object beside the subject whose own trouble is the cause, and is to be mended first. ``by_hand``: commands for a
    person who agrees, where the program has no right of its own to do it.
    """

    family: str
    cause: str
    confidence: float
    rests_on: tuple[str, ...] = ()
    because: str = ""
    blames: ObjectRef | None = None
    by_hand: tuple[str, ...] = ()


class Risk(StrEnum):
    """How much a change could hurt if the diagnosis is wrong."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SetField(msgspec.Struct, frozen=True, kw_only=True, tag="set-field"):
    """Give one field a new value. ``path`` as in ``/spec/template/spec/containers[web]/image``.

    ``expected`` is the value the proposer saw; None means that the field was absent. A ``value`` of None
    removes the field.
    """

    path: str
    expected: Any
    value: Any


class RollBack(msgspec.Struct, frozen=True, kw_only=True, tag="roll-back"):
    """Put back the whole pod template of one earlier revision, named by ReplicaSet and template digest."""

    replica_set: str
    digest: str


class Recreate(msgspec.Struct, frozen=True, kw_only=True, tag="recreate"):
    """Delete the object and create it again with these fields changed: of some objects they cannot be changed else.

    What stood there is kept whole, and put back if the corrected object cannot be created.
    """

    edits: tuple[SetField, ...]


class Create(msgspec.Struct, frozen=True, kw_only=True, tag="create"):
    """Create an object that is named and is not there; the proposal's target has no uid then."""

    manifest: dict[str, Any]


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """Keep new pods off a node, and evict pods from it, one after the other, as far as their budgets let them go.

    ``owners``: the controllers, by uid, whose pods go, and no others. ``pods``: those that were there at the time.
    """

    edits: tuple[SetField, ...]
    owners: tuple[Uid, ...]
    pods: tuple[ObjectRef, ...]


Action = tuple[SetField, ...] | RollBack | Recreate | Create | Drain


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One change to one object, the symptom it promises to end, and who says so."""

    target: ObjectRef
    action: Action
    ends: Symptom
    reason: str
    risk: Risk
    confidence: float
    author: str

    @property
    def by_model(self) -> bool:
        """Whether a model and no playbook made it."""
        return self.author.startswith(MODEL_AUTHOR)

    @property
    def edits(self) -> tuple[SetField, ...]:
        """The fields it sets one by one; none of them where it puts back a revision or creates an object."""
        if isinstance(self.action, Recreate | Drain):
            return self.action.edits
        return self.action if isinstance(self.action, tuple) else ()

    @property
    def paths(self) -> frozenset[str]:
        """The fields it sets; a roll back may set any of the template."""
        if isinstance(self.action, RollBack):
            return frozenset({"/spec/template"})
        return frozenset(edit.path for edit in self.edits)


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A second look at a model's proposal: it vetoes, or says how much it believes it; it never vouches for more."""

    author: str
    veto: bool
    confidence: float
    reason: str


class Thought(msgspec.Struct, frozen=True, kw_only=True):
    """What a model made of a round, whatever came of it.

    ``claimed`` is the confidence it put to itself, ``checks`` what that was capped by. ``refused``: what it proposed
    and why that was nothing. ``declined``: why there is no proposal, in its own words or in ours.
    """

    author: str
    diagnosis: Diagnosis | None = None
    claimed: float = 0.0
    checks: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()
    refused: tuple[str, ...] = ()
    declined: str = ""


class Silent(msgspec.Struct, frozen=True, tag="silent"):
    """A playbook that proposes nothing, and why. ``diagnosis``: what it recognises all the same, for a person."""

    because: str
    diagnosis: Diagnosis | None = None


class Needs(msgspec.Struct, frozen=True, tag="needs"):
    """A playbook that could be certain if it knew more. ``first``: nothing may be changed before it does."""

    wants: tuple[Want, ...]
    first: bool = False


class Opinion(msgspec.Struct, frozen=True, tag="opinion"):
    """A playbook that is certain."""

    diagnosis: Diagnosis
    proposal: Proposal
