"""A change: an applied proposal with everything needed to verify it, to undo it, and to recover it after a crash."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from incidents.objects import ChangeId, IncidentId, Manifest, ObjectRef, Uid
from incidents.proposals import Proposal
from incidents.snapshot import spec_digest
from incidents.symptoms import Symptom

CHANGE_ANNOTATION = "k8s-auto-fixer/change"
UNTIL_ANNOTATION = "k8s-auto-fixer/until"

Operation = dict[str, Any]  # one JSON Patch operation (RFC 6902)


class ChangeState(StrEnum):
    """Where a change stands. ``ABANDONED``: it never reached the object.

    ``UNDOING``: what it has created is being deleted, and what stood there is to be created again.
    """

    PREPARED = "prepared"
    SENT = "sent"
    APPLIED = "applied"
    VERIFIED = "verified"
    UNDONE = "undone"
    KEPT = "kept"
    UNDOING = "undoing"
    ABANDONED = "abandoned"

    @property
    def is_last(self) -> bool:
        """Whether no step leads on from it."""
        return not _NEXT[self]


_NEXT: dict[ChangeState, frozenset[ChangeState]] = {
    ChangeState.PREPARED: frozenset({ChangeState.SENT, ChangeState.ABANDONED}),
    ChangeState.SENT: frozenset({ChangeState.APPLIED, ChangeState.ABANDONED, ChangeState.UNDONE}),
    ChangeState.APPLIED: frozenset({ChangeState.VERIFIED, ChangeState.UNDONE, ChangeState.KEPT, ChangeState.UNDOING}),
    ChangeState.KEPT: frozenset({ChangeState.VERIFIED, ChangeState.UNDONE, ChangeState.UNDOING}),
    ChangeState.VERIFIED: frozenset({ChangeState.UNDONE, ChangeState.UNDOING}),
    ChangeState.UNDOING: frozenset({ChangeState.UNDONE, ChangeState.KEPT, ChangeState.VERIFIED}),
    ChangeState.UNDONE: frozenset(),
    ChangeState.ABANDONED: frozenset(),
}


class IllegalStep(ValueError):
    """A change was asked to take a step that its state machine does not have."""


class LeafChange(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf that differs: a JSON pointer and its values; None stands for absent."""

    pointer: str
    before: Any = None
    after: Any = None

    @property
    def line(self) -> str:
        """One line for people."""
        before, after = ("nothing" if one is None else f"{one}" for one in (self.before, self.after))
        return f"{self.pointer}: {before} -> {after}"


class InverseKind(StrEnum):
    """How far an action can be taken back. ``COMPENSATING``: something equal is put in place of what was there."""

    EXACT = "exact"
    COMPENSATING = "compensating"
    NONE = "none"


class Inverse(msgspec.Struct, frozen=True, kw_only=True):
    """How to take a change back: operations with their tests; none of them where there is no way back."""

    operations: tuple[Operation, ...]
    kind: InverseKind = InverseKind.EXACT


class Anew(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is made anew: what stood there and what takes its place, both in the form that is created.

    ``before`` is None where nothing stood there. ``version``: the resourceVersion of the object that was judged.
    Both hold values that may be secret, as inverses do: they stay in the store.
    """

    before: dict[str, Any] | None
    after: dict[str, Any]
    version: str = ""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What verification compares with: the state before the incident's first change.

    ``ready`` counts pods that were Ready and had not failed lately (``incidents.health.steady``).
    """

    ready: int
    symptoms: tuple[Symptom, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal on its way to the object and, if it did not help, back."""

    id: ChangeId
    incident: IncidentId
    round: int
    target: ObjectRef
    proposal: Proposal
    patch: tuple[Operation, ...]
    diff: tuple[LeafChange, ...]
    inverse: Inverse
    digest: str
    baseline: Baseline
    generation: int = 0  # of the object once the change was applied
    spec: str = ""  # `spec_digest` of the object once the change was applied
    state: ChangeState = ChangeState.PREPARED
    approval: str = ""  # the request that a person approved, if one was needed
    prepared_at: datetime
    sent_at: datetime | None = None  # just before it was sent: until when its request may still land follows from it
    ended_at: datetime | None = None  # verified, undone, kept or abandoned
    undone_by: str = ""  # the person who has taken it back; empty if the program has
    deadline: datetime
    anew: Anew | None = None  # where the object is created, or deleted and created again
    made: Uid = Uid("")  # of the object that was created last on its account

    def advance(self, state: ChangeState, **fields: Any) -> Change:
        """The same change one step further. Raises IllegalStep for a step its state does not allow."""
        if state not in _NEXT[self.state]:
            raise IllegalStep(f"change {self.id} is {self.state}; it cannot become {state}")
        return msgspec.structs.replace(self, state=state, **fields)

    def overtaken(self, workload: Manifest) -> bool:
        """Whether somebody else has changed the object's spec since, other than by scaling it.

        Services and others have no generation: theirs says nothing.
        """
        if self.generation and int(workload["metadata"].get("generation", 0)) == self.generation:
            return False
        return spec_digest(workload) != self.spec

    @property
    def stands(self) -> bool:
        """Whether the object carries it, or may carry it."""
        return self.state in (ChangeState.SENT, ChangeState.APPLIED, ChangeState.KEPT, ChangeState.UNDOING)

    @property
    def for_good(self) -> bool:
        """Whether nobody can take it back."""
        return self.inverse.kind is InverseKind.NONE

    @property
    def object(self) -> ObjectRef:
        """The object that carries it: the target, or what was created in its place."""
        return msgspec.structs.replace(self.target, uid=self.made) if self.made else self.target

    @property
    def between(self) -> bool:
        """Whether its object may be deleted and not created again: nobody may take that for the object's end."""
        return self.anew is not None and self.state in (ChangeState.SENT, ChangeState.UNDOING)

    def concerns(self, uid: Uid) -> bool:
        """Whether it was made to the object with that uid, or made that object."""
        return bool(uid) and uid in (self.target.uid, self.made)
