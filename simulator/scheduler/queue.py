"""Which pod is looked at next: by priority, then by age; those that did not fit wait until something has changed.

After pkg/scheduler/backend/queue in Kubernetes v1.36. A refused pod remembers which filters refused it; only a change
that may matter to one of them brings it back, and behind the others while its back-off of 1 s to 10 s lasts; after five
minutes it comes back anyway.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass

from simulator.clock import SimClock
from simulator.informer import ObjectKey

_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 10.0
_FLUSH_SECONDS = 300.0

_NODE = frozenset(
    [
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeBinding",
        "PodTopologySpread",
        "InterPodAffinity",
        "",
    ]
)
CHANGES = {
    "node": _NODE,
    "pod gone": frozenset(
        ["NodePorts", "NodeResourcesFit", "VolumeRestrictions", "PodTopologySpread", "InterPodAffinity"]
    ),
    "pod placed": frozenset(["PodTopologySpread", "InterPodAffinity"]),
    "storage": frozenset(["VolumeBinding", "VolumeRestrictions"]),
}
"""Which filters may think differently after what has changed."""


_Rank = tuple[bool, int, int]
"""Still backing off, priority, age: what is smallest comes first."""


@dataclass
class _Entry:
    priority: int
    since: int
    tries: int = 0
    tried_at: float = 0.0
    refused_by: frozenset[str] = frozenset()


class SchedulingQueue:
    """One worker takes from it."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._entries: dict[ObjectKey, _Entry] = {}
        self._active: dict[ObjectKey, _Rank] = {}
        self._ready: list[tuple[_Rank, ObjectKey]] = []
        self._parked: dict[ObjectKey, float] = {}
        self._due: list[tuple[float, ObjectKey]] = []
        self._wake = asyncio.Event()
        self._count = 0

    def add(self, key: ObjectKey, priority: int) -> None:
        """A pod that is new or whose spec has changed."""
        self._count += 1
        entry = self._entries.setdefault(key, _Entry(priority, self._count))
        entry.priority = priority
        self._activate(key)

    def drop(self, key: ObjectKey) -> None:
        """The pod needs no node any more."""
        self._entries.pop(key, None)
        self._active.pop(key, None)
        self._parked.pop(key, None)

    def park(self, key: ObjectKey, refused_by: frozenset[str]) -> None:
        """No node will have it at present."""
        self._put_aside(key, refused_by, lambda _: _FLUSH_SECONDS)

    def fail(self, key: ObjectKey) -> None:
        """Something went wrong that has nothing to do with the pod: again after the back-off."""
        self._put_aside(key, frozenset(), _backoff)

    def changed(self, what: str) -> None:
        """Bring back whoever may fit now; ``what`` is one of CHANGES."""
        for key in [key for key in self._parked if self._entries[key].refused_by & CHANGES[what]]:
            self._activate(key)

    async def get(self) -> ObjectKey:
        """The next pod to find a node for."""
        while True:
            pause = self._bring_back()
            while self._ready:
                rank, key = heapq.heappop(self._ready)
                if self._active.get(key) == rank:
                    del self._active[key]
                    return key
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _activate(self, key: ObjectKey) -> None:
        entry = self._entries[key]
        self._parked.pop(key, None)
        backing_off = entry.tries > 0 and self._clock.monotonic() < entry.tried_at + _backoff(entry.tries)
        self._active[key] = rank = (backing_off, -entry.priority, entry.since)
        heapq.heappush(self._ready, (rank, key))
        self._wake.set()

    def _put_aside(self, key: ObjectKey, refused_by: frozenset[str], wait: Callable[[int], float]) -> None:
        entry = self._entries.get(key)
        if entry is None or key in self._active:
            return  # gone meanwhile, or asked for again
        entry.tries, entry.tried_at, entry.refused_by = entry.tries + 1, self._clock.monotonic(), refused_by
        self._parked[key] = due = entry.tried_at + wait(entry.tries)
        heapq.heappush(self._due, (due, key))

    def _bring_back(self) -> float | None:
        """Activate what is due; the real seconds until the next is, None without one."""
        now = self._clock.monotonic()
        while self._due:
            due, key = self._due[0]
            if self._parked.get(key) != due:
                heapq.heappop(self._due)
            elif due <= now:
                self._activate(key)
            else:
                return self._clock.real_seconds(due - now)
        return None


def _backoff(tries: int) -> float:
    return min(_FIRST_BACKOFF_SECONDS * 2.0 ** max(tries - 1, 0), _LONGEST_BACKOFF_SECONDS)
