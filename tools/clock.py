"""The one clock. ``now`` is always real time, as API timestamps are; ``speed`` divides durations only.

Speed is 1 everywhere but on an embedded cluster, whose own waits are divided by the same number.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the time and waits."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed: {speed} is not a number above 0")
        self.speed = speed

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait for a duration, divided by the speed."""
        await asyncio.sleep(seconds / self.speed)

    async def happens(self, event: asyncio.Event, *, within_seconds: float) -> bool:
        """Wait for an event, at most for a duration, divided by the speed; whether it came."""
        try:
            async with asyncio.timeout(within_seconds / self.speed):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def after(self, seconds: float) -> datetime:
        """The moment at which a duration that starts now will have passed."""
        return self.now() + timedelta(seconds=seconds / self.speed)
