"""Writing down how an incident ended: closed, or handed over to a person and left alone from then on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog

from agents.standing import Standing
from incidents.incident import CLOSING, Outcome, Status
from incidents.snapshot import pod_template, template_digest
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


class Ending:
    """Closes or hands over, and records a revision that a change was verified on as good."""

    def __init__(self, *, reader: Reader, store: Store, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._store = store
        self._now = now

    async def write(self, standing: Standing) -> None:
        """Write the outcome. The generation of the subject tells later whether somebody else has changed it."""
        outcome = standing.outcome or Outcome.ESCALATED
        incident = await self._store.incident(standing.incident.id) or standing.incident
        generation = 0
        try:
            live = await self._reader.find(incident.subject.ref)
        except ClusterError:
            live = None  # the outcome is written all the same; generation 0 means unknown
        if live is not None:
            generation = int(live["metadata"].get("generation", 0))
            if outcome is Outcome.RESOLVED:
                await self._store.record_good(incident.subject, template_digest(pod_template(live)))
        status = Status.CLOSED if outcome in CLOSING else Status.HANDED_OVER
        await self._store.save_incident(
            msgspec.structs.replace(
                incident,
                status=status,
                outcome=outcome,
                summary=standing.summary,
                ended_at=self._now(),
                generation=generation,
            )
        )
        await self._store.note(incident.id, "ended", outcome=outcome, status=status)
        log.info("incident.ended", incident=incident.id, subject=str(incident.subject), outcome=outcome.value)
