"""Writing down how a run ended: closed, handed over to a person, waiting for one, or parked until a later moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from agents.standing import Standing
from incidents.changes import ChangeState
from incidents.decisions import RequestState, taken_back
from incidents.incident import CLOSING, Incident, Outcome, Status
from incidents.objects import Manifest
from incidents.snapshot import pod_template, spec_digest, template_digest
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader
from tools.store import Store

log = structlog.get_logger(__name__)


class Ending:
    """Closes, hands over, has wait or parks; records a revision that a change was verified on as good."""

    def __init__(self, *, reader: Reader, store: Store, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._store = store
        self._now = now

    async def write(self, standing: Standing, *, lease: str = "") -> None:
        """Write how it stands. The subject's spec at that moment tells later whether somebody has changed it.

        ``lease`` is the holder's name of the lease that a run in plain words took, to be given back.
        """
        if standing.parked_until is not None:
            await self._park(standing, standing.parked_until)
        elif standing.request and standing.outcome is None:
            await self._wait(standing)
        else:
            await self._end(standing)
        if lease:
            await self._store.release_lease(standing.incident.subject.lease, lease)

    async def _park(self, standing: Standing, until: datetime) -> None:
        """Nobody is told: it is taken up again by itself, and its round has not been used."""
        incident = await self._save(
            standing,
            status=Status.OPEN,
            parked_until=until,
            waited_out=standing.waited_out,
            summary=standing.summary,
        )
        await self._store.note(incident.id, "parked", until=until, because=standing.summary)
        log.info("incident.parked", incident=incident.id, until=until.isoformat(), because=standing.summary)

    async def _wait(self, standing: Standing) -> None:
        live = await self._live(standing)
        spec = spec_digest(live) if live is not None else ""
        incident = await self._save(
            standing, status=Status.WAITING, parked_until=None, summary=standing.summary, spec=spec
        )
        await self._store.note(incident.id, "waiting", request=standing.request)
        log.info("incident.waiting", incident=incident.id, request=standing.request)

    async def _end(self, standing: Standing) -> None:
        outcome, summary = await self._said(standing)
        live = await self._live(standing)
        if live is not None:
            await self._record_good(standing.incident, live)
        status = Status.CLOSED if outcome in CLOSING else Status.HANDED_OVER
        incident = await self._save(
            standing,
            status=status,
            outcome=outcome,
            summary=summary,
            ended_at=self._now(),
            parked_until=None,
            spec=spec_digest(live) if live is not None else "",
        )
        await self._forget_requests(incident)
        await self._store.note(incident.id, "ended", outcome=outcome, status=status)
        log.info("incident.ended", incident=incident.id, subject=str(incident.subject), outcome=outcome.value)

    async def _said(self, standing: Standing) -> tuple[Outcome, str]:
        """The outcome and why; what a person has undone while it was worked on is theirs, however well it went."""
        outcome, incident = standing.outcome or Outcome.ESCALATED, standing.incident.id
        undone = taken_back(await self._store.changes(incident), await self._store.decisions(incident))
        if undone is not None and outcome is Outcome.RESOLVED:
            return Outcome.ROLLED_BACK, f"{undone.undone_by} has undone change {undone.id}"
        return outcome, standing.summary

    async def _live(self, standing: Standing) -> Manifest | None:
        incident = await self._store.incident(standing.incident.id) or standing.incident  # it may be made anew by now
        try:
            return await self._reader.find(incident.subject.ref)
        except ClusterError:
            return None  # the outcome is written all the same; an empty digest means unknown

    async def _save(self, standing: Standing, **fields: Any) -> Incident:
        # Read again only now: signals have been counted in it while the API server was asked.
        incident = await self._store.incident(standing.incident.id) or standing.incident
        incident = msgspec.structs.replace(incident, **fields)
        await self._store.save_incident(incident)
        return incident

    async def _forget_requests(self, incident: Incident) -> None:
        """The work has ended without them: what nobody has decided, or nobody has used, is void."""
        for request in await self._store.requests_of(incident.id):
            if request.state in (RequestState.OPEN, RequestState.APPROVED):
                await self._store.close_request(request.id, RequestState.VOID)

    async def _record_good(self, incident: Incident, live: Manifest) -> None:
        """Remember the revision that a change was verified on, if it is still the one that stands."""
        for change in await self._store.changes(incident.id):
            if change.state is ChangeState.VERIFIED and not change.overtaken(live):
                await self._store.record_good(incident.subject, template_digest(pod_template(live)))
