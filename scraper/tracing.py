"""Tracing trouble to its cause: the incident of a node, quota, StorageClass, webhook or workload that explains it.

The first four are seen at the live objects. A workload that another cannot do without is named by a playbook, which
has read the other's log; it is believed in the same namespace alone, and while it is down. What is explained is not
tried in vain and told by nobody: it is handed over under its cause, whose own incident carries the one message. When
the cause is over and the trouble is not, it is worked on after all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_text
from incidents.causes import Named, cause_signal, causes_named, explains, has_trouble_of_its_own, is_down
from incidents.health import Health
from incidents.incident import Incident, Outcome, Status
from incidents.objects import (
    AROUND_WORKLOADS,
    CLAIM,
    MUTATING_WEBHOOK,
    SERVICE,
    VALIDATING_WEBHOOK,
    ClusterId,
    reference,
)
from incidents.policy import Policy
from incidents.proposals import Diagnosis
from incidents.signals import Signal
from incidents.snapshot import Snapshot, spec_digest
from incidents.subjects import Subject, subject_around, subject_at
from tools.clock import Clock
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader
from tools.store import Store

log = structlog.get_logger(__name__)


class Tracing:
    """Finds causes. ``queue_up`` is told of the cause's incident."""

    def __init__(
        self,
        *,
        reader: Reader,
        store: Store,
        policy: Policy,
        clock: Clock,
        cluster: ClusterId,
        queue_up: Callable[[Incident], None],
    ) -> None:
        self._reader = reader
        self._store = store
        self._policy = policy
        self._clock = clock
        self._cluster = cluster
        self._queue_up = queue_up

    async def traced(self, incident: Incident, snapshot: Snapshot, health: Health) -> bool:
        """Whether something else explains the incident; it is then handed over under it. Raises ClusterError."""
        kind = incident.subject.kind
        if (kind in AROUND_WORKLOADS and kind != CLAIM.kind) or has_trouble_of_its_own(snapshot, health):
            return False
        for named in causes_named(snapshot, health):
            found = await self._find(named)
            cause = subject_around(found, cluster=self._cluster) if found is not None else None
            if found is None or cause is None or not self._policy.covers(cause.namespace):
                continue
            signal = cause_signal(found, incident.subject, mask_text(named.because), self._clock.now())
            await self._hand_over(incident, await self._opened(cause, signal), spec_digest(snapshot.workload))
            return True
        return False

    async def blamed(self, incident: Incident) -> bool:
        """Whether a playbook blames a workload or Service that is in trouble; it is then handed over under that one.

        Raises ClusterError.
        """
        diagnosis = await self._blaming(incident)
        ref = diagnosis.blames if diagnosis is not None else None
        if diagnosis is None or ref is None or ref.namespace != incident.subject.namespace:
            return False
        found = await self._reader.find(ref)
        if found is None:
            return False
        subject = subject_at(reference(found), cluster=self._cluster)
        cause = await self._store.incident_of(subject)
        if not (is_down(found) or (cause is not None and ref.kind == SERVICE.kind)):
            return False  # that a Service selects nothing is seen by the sweep, which opens its incident
        if cause is not None and await self._leads_back(cause, incident):
            return False
        if cause is None:
            signal = cause_signal(found, incident.subject, mask_text(diagnosis.cause), self._clock.now())
            cause = await self._opened(subject, signal)
        live = await self._reader.find(incident.subject.ref)
        await self._hand_over(incident, cause, spec_digest(live) if live is not None else "")
        return True

    async def _blaming(self, incident: Incident) -> Diagnosis | None:
        """What a playbook thinks of it, where nothing has been tried in this round."""
        rounds = await self._store.rounds(incident.id)
        return rounds[-1].diagnosis if rounds and not rounds[-1].tried else None

    async def _leads_back(self, cause: Incident, incident: Incident) -> bool:
        """Whether what explains the cause is in the end what it is to explain."""
        seen: set[str] = set()
        above: Incident | None = cause
        while above is not None and above.id != incident.id and above.id not in seen:
            seen.add(above.id)
            above = await self._store.incident(above.caused_by) if above.caused_by is not None else None
        return above is not None

    async def _opened(self, cause: Subject, signal: Signal) -> Incident:
        """The cause's incident, which is opened where there is none, and looked at with what it explains."""
        explaining, new = await self._store.open_or_join(cause, signal)
        if new:
            await self._store.note(explaining.id, "opened", signal=signal)
            log.info("incident.opened", incident=explaining.id, subject=str(cause), symptom=signal.symptom.value)
        if explaining.status is Status.OPEN:
            self._queue_up(explaining)
        return explaining

    async def _find(self, named: Named) -> dict[str, Any] | None:
        """The object that was named, if it exists and may be believed to be the cause."""
        if not named.namespace and self._policy.namespaces:
            return None  # nothing of the whole cluster is looked at for a few namespaces
        try:
            if named.kind in (VALIDATING_WEBHOOK, MUTATING_WEBHOOK):
                found = await self._reader.list(named.kind)
            else:
                found = [await self._reader.get(named.kind, named.namespace, named.name)]
        except (NotFound, Forbidden) as error:
            log.debug("cause.unread", kind=named.kind.kind, name=named.name, error=str(error))
            return None
        return next((item for item in found if explains(item, named)), None)

    async def _hand_over(self, incident: Incident, cause: Incident, spec: str) -> None:
        summary = f"explained by {cause.subject}"
        present = await self._store.incident(incident.id) or incident
        await self._store.save_incident(
            msgspec.structs.replace(
                present,
                status=Status.HANDED_OVER,
                outcome=Outcome.ESCALATED,
                summary=summary,
                ended_at=self._clock.now(),
                spec=spec,
                parked_until=None,
                waited_out=(),
                caused_by=cause.id,
            )
        )
        await self._store.note(incident.id, "explained", by=cause.id, subject=str(cause.subject))
        log.info("incident.explained", incident=incident.id, subject=str(incident.subject), by=cause.id)
