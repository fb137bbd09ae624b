"""From raw Warning events to open incidents: normalise, find the subject, open or join, queue the key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_text
from incidents.incident import Incident, Status
from incidents.policy import Policy
from incidents.signals import MalformedEvent, Signal, signal_from_event
from scraper.queue import Key, KeyQueue
from tools.cluster.errors import ClusterError
from tools.cluster.owners import Owners
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class Intake:
    """Takes events in. What it makes of one event is the same however often the event is seen."""

    def __init__(
        self,
        *,
        owners: Owners,
        store: Store,
        queue: KeyQueue,
        policy: Policy,
        grace_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._owners = owners
        self._store = store
        self._queue = queue
        self._policy = policy
        self._grace_seconds = grace_seconds
        self._now = now

    async def take(self, event: dict[str, Any]) -> Incident | None:
        """Take one raw event in; the incident it opened or joined, if any."""
        try:
            signal = signal_from_event(event, now=self._now())
        except MalformedEvent as error:
            log.warning("event.malformed", error=str(error))
            return None
        if signal.about.namespace and not self._policy.covers(signal.about.namespace):
            return None
        try:
            return await self._signal(msgspec.structs.replace(signal, message=mask_text(signal.message)))
        except ClusterError as error:
            # Not lost: the series goes on while the trouble lasts, and every relist brings the event again.
            log.warning("event.unplaced", about=str(signal.about), error=str(error))
            return None

    async def _signal(self, signal: Signal) -> Incident | None:
        subject = await self._owners.subject(signal.about)
        if subject is None:
            log.debug("event.no_subject", about=str(signal.about), reason=signal.reason)
            return None
        if not self._policy.covers(subject.namespace):
            return None
        incident, new = await self._store.open_or_join(subject, signal)
        if new:
            log.info("incident.opened", incident=incident.id, subject=str(subject), symptom=signal.symptom.value)
            await self._store.note(incident.id, "opened", signal=signal)
        if incident.status is Status.OPEN:  # joined ones too: whoever had it open may have died with it
            self._queue.add(Key(incident.id), delay_seconds=self._grace_seconds)
        return incident
