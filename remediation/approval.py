"""Asking a person for one change: what exactly is asked for, and what an approval is bound to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from incidents.changes import Change, LeafChange, Operation
from incidents.codec import digest
from incidents.decisions import Request
from incidents.objects import Uid
from incidents.patch import unmarked
from incidents.policy import Verdict


def asked_digest(uid: Uid, patch: Sequence[Operation], diff: Sequence[LeafChange]) -> str:
    """What an approval approves: this object, the values tested, the patch and the leaf difference.

    The marks are left out: each attempt has an id and a deadline of its own.
    """
    return digest(uid, unmarked(patch), tuple(diff))


def request_for(
    change: Change, verdict: Verdict, shown: tuple[LeafChange, ...], *, now: datetime, seconds: float
) -> Request:
    """The request for a change that is ready to be made. ``shown`` is its difference with masked values."""
    return Request(
        id=str(uuid.uuid4()),
        incident=change.incident,
        round=change.round,
        digest=asked_digest(change.target.uid, change.patch, change.diff),
        proposal=change.proposal,
        verdict=verdict,
        diff=shown,
        asked_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
