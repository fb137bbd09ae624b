"""What the store keeps besides incidents, rounds and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an incident's timeline: when, which step, and its details."""

    at: datetime
    step: str
    detail: dict[str, Any]


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
