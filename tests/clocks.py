"""A clock whose time passes only while somebody sleeps: tests of waiting that wait for nothing."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.builders import NOW
from tools.clock import Clock


class FakeClock(Clock):
    """``sleep`` moves the time on and calls ``on_sleep`` with the new moment."""

    def __init__(self, *, speed: float = 1.0, on_sleep: Callable[[datetime], None] | None = None) -> None:
        super().__init__(speed)
        self._moment = NOW
        self._on_sleep = on_sleep

    def now(self) -> datetime:
        return self._moment

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds / self.speed)
        if self._on_sleep is not None:
            self._on_sleep(self._moment)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._moment += timedelta(seconds=seconds)
