"""A queue of keys for level-triggered workers.

A key is a request to look again, never a fact: adding one that already waits changes nothing, and one that
is being worked on is handed out again only after ``done``. Delays are simulated seconds. The queue keeps a
failure count per key, so that a reconcile that fails comes back later and later.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from simulator.clock import SimClock

Key = TypeVar("Key", bound=Hashable)

_FIRST_RETRY_SECONDS = 0.05
_LONGEST_RETRY_SECONDS = 30.0


class WorkQueue(Generic[Key]):
    """Used from one event loop by any number of producers and workers."""

    def __init__(
        self,
        clock: SimClock,
        *,
        first_retry_seconds: float = _FIRST_RETRY_SECONDS,
        longest_retry_seconds: float = _LONGEST_RETRY_SECONDS,
    ) -> None:
        self._clock = clock
        self._first_retry = first_retry_seconds
        self._longest_retry = longest_retry_seconds
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Ask for ``key`` to be looked at as soon as possible."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for ``key`` in ``seconds`` simulated seconds; an earlier request for it stands."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key))
        self._wake.set()

    def retry(self, key: Key) -> None:
        """Ask for ``key`` again after a failure: exponential back-off, 50 ms to 30 s if not made otherwise."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._first_retry * 2 ** min(failures, 20), self._longest_retry))

    def forget(self, key: Key) -> None:
        """``key`` was handled well: the next failure starts at the shortest back-off."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key; it must be given back with ``done``."""
        while True:
            pause = self._release_due()
            if self._ready:
                key = self._ready.popleft()
                self._waiting.discard(key)
                self._working.add(key)
                return key
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The worker is finished with ``key``; if it was asked for meanwhile it is ready again."""
        self._working.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._wake.set()

    def _release_due(self) -> float | None:
        """Move what is due to the ready ones; the real seconds until the next delayed key, None without one."""
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        return self._clock.real_seconds(self._delayed[0][0] - now) if self._delayed else None
