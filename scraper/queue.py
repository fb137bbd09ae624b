"""A queue of keys: a key waits once, however often it is added, and is worked on by one worker at a time.

A key that is added while it is being worked on is handed out again afterwards; the worker then decides from
the world as it is. Keys belong to groups (namespaces), which take turns: a group with a thousand keys does not hold up
one with a single key. Nor does one whose keys take long: of each group only a share is in flight at once. The workers
which that leaves free wait for the others, because nobody who has a worker can be asked to give it back.

It is a port: what it promises is tried by ``tests/scraper/test_queue.py``.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NewType, Protocol

Key = NewType("Key", str)
CAPACITY = 20_000  # keys, some 100 bytes each; whoever is refused finds the work in the store again


class Queue(Protocol):
    """Keys with the moment from which each is due."""

    def __len__(self) -> int:
        """How many keys wait."""

    def add(self, key: Key, *, group: str = "", delay_seconds: float = 0.0) -> bool:
        """Make a key due after a delay. Of two moments the earlier one counts.

        False, and nothing new, if it is full.
        """

    async def take(self) -> Key:
        """Wait for a key that is due and not in flight. ``done`` must follow."""

    def done(self, key: Key) -> None:
        """The worker is through with a key."""


class KeyQueue:
    """The queue inside this process.

    ``now`` is a monotonic clock, in seconds. ``share``: keys of one group in flight at once at most; None: any number.
    """

    def __init__(self, now: Callable[[], float], *, capacity: int = CAPACITY, share: int | None = None) -> None:
        self._now = now
        self._capacity = capacity
        self._share = share
        self._due: dict[Key, float] = {}
        self._groups: dict[Key, str] = {}
        self._later: list[tuple[float, Key]] = []
        self._ready: OrderedDict[str, list[tuple[float, Key]]] = OrderedDict()  # by group, whose turn it is first
        self._in_flight: dict[Key, str] = {}  # with their groups
        self._flying: Counter[str] = Counter()  # how many of each group
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._due)

    def add(self, key: Key, *, group: str = "", delay_seconds: float = 0.0) -> bool:
        """Make a key due after a delay. Of two moments the earlier one counts.

        False, and nothing new, if it is full.
        """
        due = self._now() + delay_seconds
        if key in self._due and self._due[key] <= due:
            return True
        if key not in self._due and len(self._due) >= self._capacity:
            return False
        self._due[key] = due
        self._groups[key] = group
        heapq.heappush(self._later, (due, key))
        self._changed.set()
        return True

    async def take(self) -> Key:
        """Wait for a key that is due and not in flight. ``done`` must follow."""
        while True:
            wait = self._sort_out()
            key = self._pop()
            if key is not None:
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The worker is through with a key."""
        group = self._in_flight.pop(key, None)
        if group is not None:
            self._flying[group] -= 1
            if not self._flying[group]:
                del self._flying[group]
        if key in self._due:
            heapq.heappush(self._later, (self._due[key], key))
        self._changed.set()

    def _sort_out(self) -> float | None:
        """Give keys that are due to their groups; answers how long until the next one is, None if there is none."""
        now: float | None = None
        while self._later:
            due, key = self._later[0]
            if self._due.get(key) != due or key in self._in_flight:
                heapq.heappop(self._later)  # an outdated moment, or `done` will push it again
                continue
            now = self._now() if now is None else now
            if due > now:
                return due - now
            heapq.heappop(self._later)
            heapq.heappush(self._ready.setdefault(self._groups[key], []), (due, key))
        return None

    def _pop(self) -> Key | None:
        """The first key of the group whose turn it is, now in flight; the group then goes to the end."""
        while (group := self._next_group()) is not None:
            keys = self._ready[group]
            due, key = heapq.heappop(keys)
            if keys:
                self._ready.move_to_end(group)
            else:
                del self._ready[group]
            if self._due.get(key) == due and key not in self._in_flight:
                del self._due[key], self._groups[key]
                self._in_flight[key] = group
                self._flying[group] += 1
                return key
        return None

    def _next_group(self) -> str | None:
        """The first group that has a key ready and its share not yet in flight."""
        return next((one for one in self._ready if self._share is None or self._flying[one] < self._share), None)
