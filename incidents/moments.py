"""Moments counted from those that objects carry: whoever writes an object may write the last moment there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LAST = datetime.max.replace(tzinfo=UTC)


def after(moment: datetime, seconds: float) -> datetime:
    """The moment so many seconds after another; the last there is where that is beyond it."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LAST
