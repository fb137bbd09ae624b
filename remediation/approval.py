"""Asking a person for one change: what exactly is asked for, and what an approval is bound to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from incidents.changes import Change, LeafChange, Operation
from incidents.codec import digest
from incidents.decisions import Request
from incidents.patch import unmarked
from incidents.policy import Verdict
from incidents.proposals import Drain, Proposal


def asked_digest(proposal: Proposal, patch: Sequence[Operation], diff: Sequence[LeafChange]) -> str:
    """What an approval approves: this object, the values tested, the patch, the leaf difference, and whose pods leave.

    The marks are left out: each attempt has an id and a deadline of its own.
    """
    owners = tuple(sorted(proposal.action.owners)) if isinstance(proposal.action, Drain) else ()
    return digest(proposal.target.uid, unmarked(patch), tuple(diff), *owners)


def request_for(
    change: Change, verdict: Verdict, shown: tuple[LeafChange, ...], *, now: datetime, seconds: float
) -> Request:
    """The request for a change that is ready to be made. ``shown`` is its difference with masked values."""
    return Request(
        id=str(uuid.uuid4()),
        incident=change.incident,
        round=change.round,
        digest=asked_digest(change.proposal, change.patch, change.diff),
        proposal=change.proposal,
        verdict=verdict,
        diff=shown,
        asked_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
