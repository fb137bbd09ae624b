"""Why a change cannot be taken back: what somebody else has changed since, for a person to decide."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence.redaction import mask_manifest
from incidents.changes import Change, LeafChange
from incidents.masking import MASK
from incidents.objects import Manifest
from incidents.pointers import ABSENT, parts_of, value_at

_OFTEN_SECRET = ("/env/", "/args/", "/command/", "/annotations/")


class ThreeWay(msgspec.Struct, frozen=True, kw_only=True):
    """One field that somebody else has changed since: what was there before, what the change set, what is there now.

    None stands for absent. Values that may be secret are masked.
    """

    pointer: str
    before: Any = None
    set: Any = None
    now: Any = None

    def __str__(self) -> str:
        return f"{self.pointer}: set {self.set!r}, there now {self.now!r}, before {self.before!r}"


class UndoRefused(Exception):
    """The change could not be taken back; ``differences`` are the fields somebody else has changed since."""

    def __init__(self, message: str, differences: tuple[ThreeWay, ...] = ()) -> None:
        super().__init__("; ".join([message, *map(str, differences)]))
        self.message = message
        self.differences = differences


def differences_since(change: Change, live: Manifest) -> tuple[ThreeWay, ...]:
    """The fields of the change that have not the value it set any more, masked."""
    shown = mask_manifest(dict(live))
    return tuple(
        _three_way(leaf, now, leaf_value(shown, leaf.pointer))
        for leaf in change.diff
        if (now := leaf_value(live, leaf.pointer)) != leaf.after
    )


def _three_way(leaf: LeafChange, now: Any, shown: Any) -> ThreeWay:
    if any(place in leaf.pointer for place in _OFTEN_SECRET) or shown != now:
        return ThreeWay(pointer=leaf.pointer, before=MASK, set=MASK, now=MASK)
    return ThreeWay(pointer=leaf.pointer, before=leaf.before, set=leaf.after, now=now)


def leaf_value(live: Manifest, pointer: str) -> Any:
    """What stands at a leaf; None for nothing."""
    found = value_at(live, parts_of(pointer))
    return None if found is ABSENT else found
