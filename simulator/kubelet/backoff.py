"""The kubelet's exponential back-off, in simulated seconds (client-go util/flowcontrol/backoff.go).

Ten seconds, doubled up to five minutes; an entry that nobody has used for ten minutes starts afresh.
"""

from dataclasses import dataclass

INITIAL_SECONDS = 10.0
LONGEST_SECONDS = 300.0


@dataclass
class _Entry:
    seconds: float
    updated_at: float


class Backoff:
    """Entries by key. Every moment is a reading of the simulated clock."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def next(self, key: str, *, event_at: float, now: float) -> None:
        """Something failed at ``event_at``: start at the initial duration or double it."""
        entry = self._entries.get(key)
        if entry is None or event_at - entry.updated_at > 2 * LONGEST_SECONDS:
            self._entries[key] = _Entry(INITIAL_SECONDS, now)
        else:
            entry.seconds = min(entry.seconds * 2, LONGEST_SECONDS)
            entry.updated_at = now

    def seconds(self, key: str) -> float:
        """The present duration; 0 without an entry."""
        entry = self._entries.get(key)
        return entry.seconds if entry else 0.0

    def is_active(self, key: str, *, since: float, now: float) -> bool:
        """Whether ``now`` is still within the back-off counted from ``since`` (IsInBackOffSince)."""
        entry = self._entries.get(key)
        if entry is None or since - entry.updated_at > 2 * LONGEST_SECONDS:
            return False
        return now - since < entry.seconds

    def is_active_since_update(self, key: str, now: float) -> bool:
        """The same counted from the last failure (IsInBackOffSinceUpdate)."""
        entry = self._entries.get(key)
        return entry is not None and now - entry.updated_at < entry.seconds

    def forget(self, prefix: str) -> None:
        """Drop the entries of something that is gone."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]
