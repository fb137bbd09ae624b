"""What the store keeps besides incidents, rounds and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One audit record: when, which step, and its details."""

    at: datetime
    step: str
    detail: dict[str, Any]
