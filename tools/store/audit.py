"""The audit's chain, and what of a change may be written into it. Pure.

Each record carries a hash over itself and the hash of the record before, so a line that was rewritten, taken out or put
in breaks the chain where it happened. That shows accidents and clumsy hands; whoever can rewrite the whole
file can make a new chain, which is why the records are also worth sending elsewhere. What was cut off at the end shows
because the last record's number and hash are kept apart from the records, and numbers are never given twice.

Values are shown only where they cannot be a secret: numbers, and texts of a few fields by name. Of each there is a
digest besides, under a key that never leaves the store: equal for equal values, and of no use to somebody who guesses.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from incidents.changes import Change, LeafChange
from incidents.codec import digest, to_json
from incidents.pointers import parts_of
from tools.scrub import scrub
from tools.store.records import AuditHead, AuditRecord

GENESIS = "0" * 64
LEAVES_SHOWN = 100  # of one change; a rollback replaces a whole template
_TEXT_LIMIT = 500  # characters of a reason
_SHOWN_TEXTS = frozenset({"image", "memory", "cpu", "ephemeral-storage", "storage", "name"})
_NEVER_SHOWN = frozenset({"env", "args", "command", "annotations", "labels", "data", "stringData"})


class BrokenLink(msgspec.Struct, frozen=True):
    """Where the chain does not hold, and what is wrong there."""

    sequence: int
    reason: str


def linked(sequence: int, at: datetime, step: str, detail: dict[str, Any], *, previous: str) -> AuditRecord:
    """The record that follows the one with the hash ``previous``. ``detail`` is plain JSON data."""
    return AuditRecord(
        sequence=sequence,
        at=at,
        step=step,
        detail=detail,
        previous=previous,
        hash=_hash(sequence, at, step, detail, previous),
    )


def hash_of(record: AuditRecord) -> str:
    """The hash that a record should have."""
    return _hash(record.sequence, record.at, record.step, record.detail, record.previous)


def _hash(sequence: int, at: datetime, step: str, detail: dict[str, Any], previous: str) -> str:
    return digest(sequence, at.isoformat(), step, detail, previous)


def broken_links(records: Iterable[AuditRecord], *, after: AuditRecord | None = None) -> Iterator[BrokenLink]:
    """Every place at which a run of records does not hold together, oldest first.

    ``after`` is the last record already seen, for a trail that is read in pieces; None at its beginning.
    """
    before = after
    for record in records:
        expected = before.sequence + 1 if before else 1
        if record.sequence != expected:
            yield BrokenLink(
                record.sequence, f"the record before it is not number {record.sequence - 1}: some are gone"
            )
        elif record.previous != (before.hash if before else GENESIS):
            yield BrokenLink(record.sequence, "it does not follow from the record before it")
        if record.hash != hash_of(record):
            yield BrokenLink(record.sequence, "it is not what was written")
        before = record


def cut_off(head: AuditHead | None, found: AuditRecord | None, *, last: int) -> BrokenLink | None:
    """What is wrong at the end of a trail, if anything is.

    ``head`` is the last record as it was written, read before the records; ``found`` is the record with its number,
    None where there is none; ``last`` is the number of the last record there is.
    """
    if head is None or (found is not None and head.hash in ("", found.hash)):
        return None
    if found is not None:
        return BrokenLink(head.sequence, "it is not the record that was written last")
    return BrokenLink(last + 1, f"the trail ends before it; the last record written was number {head.sequence}")


def change_detail(change: Change, *, approved_by: str, key: bytes) -> dict[str, Any]:
    """What the audit says of a change: who, what, to which object, and why; no value that could be a secret."""
    said = {
        "change": change.id,
        "incident": change.incident,
        "round": change.round,
        "target": to_json(change.target),
        "state": change.state.value,
        "who": scrub(change.proposal.author),
        "why": scrub(change.proposal.reason, limit=_TEXT_LIMIT),
        "ends": change.proposal.ends.value,
        "digest": change.digest,
        "diff": [_leaf(leaf, key) for leaf in change.diff[:LEAVES_SHOWN]],
        "approval": change.approval,
        "approved_by": approved_by,
    }
    if change.made:
        said["made"] = change.made  # the uid of what was created in the target's place
    left_out = len(change.diff) - LEAVES_SHOWN
    return {**said, "leaves_left_out": left_out} if left_out > 0 else said


def _leaf(leaf: LeafChange, key: bytes) -> dict[str, Any]:
    return {
        "pointer": scrub(leaf.pointer),
        "before": _shown(leaf.pointer, leaf.before),
        "after": _shown(leaf.pointer, leaf.after),
        "before_digest": _keyed(leaf.before, key),
        "after_digest": _keyed(leaf.after, key),
    }


def _shown(pointer: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    parts = parts_of(pointer)
    open_text = isinstance(value, str) and parts and parts[-1] in _SHOWN_TEXTS and not _NEVER_SHOWN.intersection(parts)
    return scrub(value) if open_text else "[masked]"


def _keyed(value: Any, key: bytes) -> str:
    return hmac.new(key, digest(value).encode(), hashlib.sha256).hexdigest()
