"""Tracing trouble to its cause: the incident of a node, quota, StorageClass or webhook that explains another one.

What is explained is not tried in vain and told by nobody: it is handed over under its cause, whose own incident
carries the one message. When the cause is over and the trouble is not, it is worked on after all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_text
from incidents.causes import Named, cause_signal, causes_named, explains, has_trouble_of_its_own
from incidents.health import Health
from incidents.incident import Incident, Outcome, Status
from incidents.objects import AROUND_WORKLOADS, CLAIM, MUTATING_WEBHOOK, VALIDATING_WEBHOOK, ClusterId
from incidents.policy import Policy
from incidents.snapshot import Snapshot, spec_digest
from incidents.subjects import subject_around
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
            explaining, new = await self._store.open_or_join(cause, signal)
            if new:
                await self._store.note(explaining.id, "opened", signal=signal)
                log.info("incident.opened", incident=explaining.id, subject=str(cause), symptom=signal.symptom.value)
            if explaining.status is Status.OPEN:
                self._queue_up(explaining)
            await self._hand_over(incident, explaining, snapshot)
            return True
        return False

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

    async def _hand_over(self, incident: Incident, cause: Incident, snapshot: Snapshot) -> None:
        summary = f"explained by {cause.subject}"
        present = await self._store.incident(incident.id) or incident
        await self._store.save_incident(
            msgspec.structs.replace(
                present,
                status=Status.HANDED_OVER,
                outcome=Outcome.ESCALATED,
                summary=summary,
                ended_at=self._clock.now(),
                spec=spec_digest(snapshot.workload),
                caused_by=cause.id,
            )
        )
        await self._store.note(incident.id, "explained", by=cause.id, subject=str(cause.subject))
        log.info("incident.explained", incident=incident.id, subject=str(incident.subject), by=cause.id)
