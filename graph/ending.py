"""Writing down how an incident ended: closed, or handed over to a person and left alone from then on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog

from agents.standing import Standing
from incidents.changes import ChangeState
from incidents.incident import CLOSING, Incident, Outcome, Status
from incidents.objects import Manifest
from incidents.snapshot import pod_template, spec_digest, template_digest
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

    async def write(self, standing: Standing, *, lease: str = "") -> None:
        """Write the outcome. The subject's spec at that moment tells later whether somebody has changed it.

        ``lease`` is the holder's name of the lease that a run in plain words took, to be given back.
        """
        outcome = standing.outcome or Outcome.ESCALATED
        spec = ""
        try:
            live = await self._reader.find(standing.incident.subject.ref)
        except ClusterError:
            live = None  # the outcome is written all the same; an empty digest means unknown
        if live is not None:
            spec = spec_digest(live)
            await self._record_good(standing.incident, live)
        # Read again only now: signals have been counted in it while the API server was asked.
        incident = await self._store.incident(standing.incident.id) or standing.incident
        status = Status.CLOSED if outcome in CLOSING else Status.HANDED_OVER
        await self._store.save_incident(
            msgspec.structs.replace(
                incident,
                status=status,
                outcome=outcome,
                summary=standing.summary,
                ended_at=self._now(),
                spec=spec,
            )
        )
        await self._store.note(incident.id, "ended", outcome=outcome, status=status)
        if lease:
            await self._store.release_lease(incident.subject.lease, lease)
        log.info("incident.ended", incident=incident.id, subject=str(incident.subject), outcome=outcome.value)

    async def _record_good(self, incident: Incident, live: Manifest) -> None:
        """Remember the revision that a change was verified on, if it is still the one that stands."""
        for change in await self._store.changes(incident.id):
            if change.state is ChangeState.VERIFIED and not change.overtaken(live):
                await self._store.record_good(incident.subject, template_digest(pod_template(live)))
