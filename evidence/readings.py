"""Handing a reading on: what grace has just read of a subject serves the first look of the run that follows at once.

Between the two lies a lease and nothing else, so the second reading would be of the same world, three requests later.
It is still a reading of the world after the event, and it is handed on once: every later look, and every look after a
wait of any kind, reads for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from evidence.snapshots import signalled
from incidents.incident import Incident
from incidents.objects import IncidentId, ObjectRef
from incidents.snapshot import Snapshot

FRESH_SECONDS = 1.0  # of the cluster's time: two readings one after the other may lie as far apart


class Readings:
    """Readings on their way from grace to a run, each for one taker and for a moment."""

    def __init__(self, now: Callable[[], datetime], *, speed: float = 1.0) -> None:
        self._now = now
        self._fresh = timedelta(seconds=FRESH_SECONDS / speed)
        self._kept: dict[IncidentId, tuple[tuple[ObjectRef, ...], Snapshot]] = {}

    def keep(self, incident: Incident, snapshot: Snapshot) -> None:
        """Keep what was read of an incident's subject, with the objects that its signals are about."""
        self._kept = {one: kept for one, kept in self._kept.items() if self._is_fresh(kept[1])}
        self._kept[incident.id] = (signalled(incident), snapshot)

    def take(self, incident: Incident) -> Snapshot | None:
        """The reading of an incident, once; None where it is stale or the signals are about other objects now."""
        about, snapshot = self._kept.pop(incident.id, (None, None))
        if snapshot is None or about != signalled(incident) or not self._is_fresh(snapshot):
            return None
        return snapshot

    def _is_fresh(self, snapshot: Snapshot) -> bool:
        """A clock that was put back makes nothing fresh."""
        return timedelta(0) <= self._now() - snapshot.read_at <= self._fresh
