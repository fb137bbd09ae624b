"""A collector whose readings are put on the tape of the run, and what of a change may be written there."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from evidence.collector import Collector, SubjectGone
from evidence.redaction import mask_text
from incidents.changes import Change, Inverse, LeafChange
from incidents.evidence import Evidence, Want
from incidents.incident import Incident
from incidents.masking import MASK
from incidents.objects import ObjectRef
from incidents.pointers import parts_of
from incidents.recording import Read
from incidents.snapshot import Snapshot
from incidents.subjects import Subject
from tools.tape import Tape, present_tape

_SHOWN = frozenset({"image", "memory", "cpu", "ephemeral-storage", "storage"})  # fields whose text is no secret


class Reading:
    """One reading while it grows: the answers to what playbooks want come after it."""

    def __init__(self, evidence: Evidence | None) -> None:
        self.evidence = evidence
        self.incident: Incident | None = None

    def put_on(self, tape: Tape) -> None:
        """Keep it, as it will be at the end."""
        at = tape.now()
        tape.put(self, lambda: Read(at=at, evidence=self._shown(), incident=self.incident))

    def _shown(self) -> Evidence | None:
        if self.evidence is None:
            return None
        return msgspec.structs.replace(self.evidence, unread=tuple(map(mask_text, self.evidence.unread)))


class RecordedCollector(Collector):
    """The collector itself; what it answers is kept."""

    async def collect(
        self,
        subject: Subject,
        *,
        good: frozenset[str],
        beside: Sequence[ObjectRef] = (),
        explained: Sequence[Subject] = (),
        reading: Snapshot | None = None,
    ) -> Evidence:
        """As the collector does. Raises what it raises."""
        tape = present_tape()
        try:
            evidence = await super().collect(subject, good=good, beside=beside, explained=explained, reading=reading)
        except SubjectGone:
            if tape is not None:
                Reading(None).put_on(tape)
            raise
        if tape is not None:
            Reading(evidence).put_on(tape)
        return evidence

    async def answer(self, evidence: Evidence, wants: Sequence[Want]) -> Evidence:
        """As the collector does."""
        answered = await super().answer(evidence, wants)
        reading = tape.last(Reading) if (tape := present_tape()) is not None else None
        if reading is not None and reading.evidence is evidence:
            reading.evidence = answered
        return answered


def without_values(change: Change) -> Change:
    """A change as it may be written down: no patch, no inverse, and of its difference what cannot be a secret."""
    return msgspec.structs.replace(
        change,
        spec="",  # a digest of what may hold a secret would tell whether a guess at it is right
        digest="",
        patch=(),
        inverse=Inverse(operations=(), kind=change.inverse.kind),
        anew=None,
        diff=tuple(_open(leaf) for leaf in change.diff),
    )


def _open(leaf: LeafChange) -> LeafChange:
    shown = parts_of(leaf.pointer)[-1] in _SHOWN
    return LeafChange(pointer=leaf.pointer, before=_value(leaf.before, shown), after=_value(leaf.after, shown))


def _value(value: object, shown: bool) -> object:
    if value is None or isinstance(value, bool | int | float) or (shown and isinstance(value, str)):
        return value
    return MASK
