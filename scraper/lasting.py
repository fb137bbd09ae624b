"""How long subjects have been well without a restart: being well for a moment between two crashes is not being well."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from incidents.health import restarts
from incidents.incident import Incident
from incidents.snapshot import Snapshot
from tools.clock import Clock


class WellSince:
    """Remembers, for each incident, since when its subject is well and at how many restarts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, tuple[datetime, int]] = {}

    def seconds(self, incident: Incident, snapshot: Snapshot) -> float:
        """How long it has lasted, in the clock's seconds; the count starts anew with every restart."""
        now, count = self._clock.now(), sum(restarts(pod) for pod in snapshot.live_pods)
        since, restarted = self._since.get(incident.id, (now, -1))
        if restarted != count:
            self._since[incident.id] = (now, count)
            return 0.0
        return (now - since).total_seconds() * self._clock.speed

    def keep(self, incidents: Iterable[Incident]) -> None:
        """Forget all others: they are not looked at any more, and when they are again the time begins anew."""
        kept = {incident.id for incident in incidents}
        self._since = {key: since for key, since in self._since.items() if key in kept}

    def forget(self, incident: Incident) -> None:
        """It is not well any more, or over."""
        self._since.pop(incident.id, None)
