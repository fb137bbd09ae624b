"""A queue of keys: a key waits once, however often it is added, and is worked on by one worker at a time.

A key that is added while it is being worked on is handed out again afterwards; the worker then decides from
the world as it is.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import NewType

Key = NewType("Key", str)


class KeyQueue:
    """Keys with the moment from which each is due. ``now`` is a monotonic clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._in_flight: set[Key] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._due)

    def add(self, key: Key, *, delay_seconds: float = 0.0) -> None:
        """Make a key due after a delay. Of two moments the earlier one counts."""
        due = self._now() + delay_seconds
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._changed.set()

    async def take(self) -> Key:
        """Wait for a key that is due and not in flight. ``done`` must follow."""
        while True:
            wait = self._next_wait()
            if wait is not None and wait <= 0:
                key = self._pop()
                if key is not None:
                    self._in_flight.add(key)
                    return key
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The worker is through with a key."""
        self._in_flight.discard(key)
        if key in self._due:
            heapq.heappush(self._heap, (self._due[key], key))
        self._changed.set()

    def _next_wait(self) -> float | None:
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) != due or key in self._in_flight:
                heapq.heappop(self._heap)  # an outdated moment, or `done` will push it again
                continue
            return due - self._now()
        return None

    def _pop(self) -> Key | None:
        _, key = heapq.heappop(self._heap)
        return key if self._due.pop(key, None) is not None else None
