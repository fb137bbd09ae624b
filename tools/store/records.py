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


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model: what is set aside for it, and later what it has cost. Money is in the user's own unit."""

    id: str
    incident: str
    agent: str
    model: str
    input_tokens: int
    output_tokens: int
    money: float = 0.0


class ModelCaps(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be spent on models; None is no cap. A day is one of UTC."""

    calls_per_incident: int | None = None
    tokens_per_incident: int | None = None
    tokens_per_day: int | None = None
    money_per_day: float | None = None


class Overrun(msgspec.Struct, frozen=True, kw_only=True):
    """The cap that a call would have exceeded: what it counts, how far it had got, and the day if it counts by day."""

    scope: str
    limit: float
    spent: float
    day: str = ""


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What models have cost; calls that have not ended count what is set aside for them."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float = 0.0
