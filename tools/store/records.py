"""What the store keeps besides incidents, rounds and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an incident's timeline: when, which step, and its details.

    ``count``: how often it came, for nothing happened in between; ``last_at``: when it last did, if more than once.
    """

    at: datetime
    step: str
    detail: dict[str, Any]
    count: int = 1
    last_at: datetime | None = None


class Lease(msgspec.Struct, frozen=True):
    """Who holds a lease, and for how many seconds more if it is not extended."""

    holder: str
    seconds_left: float


class AuditHead(msgspec.Struct, frozen=True):
    """The last audit record that was written: its number and its hash, empty for a store of an older version."""

    sequence: int
    hash: str = ""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit trail: who did what to which object and why, with values masked.

    ``hash`` is over the record without it and ``previous``, the hash of the record before: whoever takes a line out
    or rewrites one breaks the chain.
    """

    sequence: int
    at: datetime
    step: str
    detail: dict[str, Any]
    previous: str
    hash: str
