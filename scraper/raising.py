"""What a sweep does about what it sees: a signal for what fails, a line in the store for what is well.

A subject that has an incident already makes no noise. That it was seen in trouble is kept, with its generation: by
that the review of what people have knows whom it has to look at closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import structlog

from incidents.health import Finding, State, assess
from incidents.objects import AROUND_WORKLOADS, CLAIM, ClusterId, Uid, reference
from incidents.policy import Policy
from incidents.signals import Signal, Source
from incidents.snapshot import Snapshot, template_digest
from incidents.subjects import subject_at
from scraper.intake import Intake
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.store import Store
from tools.telemetry import Telemetry

log = structlog.get_logger(__name__)
Object = dict[str, Any]
SeenWell = dict[str, tuple[int, str]]  # workloads with revisions by uid: generation, digest of the template


@dataclass(frozen=True, kw_only=True)
class SweepParts:
    """What the sweep works with."""

    reader: Reader
    owners: Owners
    store: Store
    intake: Intake
    policy: Policy
    clock: Clock
    cluster: ClusterId
    telemetry: Telemetry = field(default_factory=Telemetry)


class Raising:
    """Takes what one sweep judges at ``now``. ``with_incident``: keys of subjects with one that is not closed."""

    def __init__(self, parts: SweepParts, now: datetime, *, seen_well: SeenWell) -> None:
        self._parts = parts
        self._now = now
        self.with_incident: set[str] = set()
        self._seen_well = seen_well
        self.troubled: dict[str, int] = {}  # subjects with an incident, seen in trouble: their generation
        self.raised = 0

    async def judge(self, snapshot: Snapshot) -> State:
        """Raise a signal if the subject fails; how it is."""
        health = assess(snapshot, self._now, self._parts.clock.speed)
        if self.has_incident(snapshot.workload):
            self.saw(snapshot.workload, in_trouble=health.state is not State.WELL)
        elif health.state is State.FAILING:
            await self._raise(snapshot.workload, health.findings)
        return health.state

    def has_incident(self, manifest: Object) -> bool:
        """Whether an object is the subject of an incident that is not closed."""
        return self._key(manifest) in self.with_incident

    def saw(self, manifest: Object, *, in_trouble: bool) -> None:
        """Keep how a subject with an incident was seen."""
        if in_trouble and self.has_incident(manifest):
            self.troubled[self._key(manifest)] = int(manifest["metadata"].get("generation") or 0)

    def _key(self, manifest: Object) -> str:
        return f"{self._parts.cluster}/{manifest['metadata']['uid']}"

    async def _raise(self, manifest: Object, findings: Sequence[Finding]) -> None:
        about, first = reference(manifest), findings[0]
        known = self._parts.owners.known(about)
        if about.kind == CLAIM.kind and known is not None and known.key in self.with_incident:
            return  # looking up who mounts it costs a list of all pods, for each claim of a set in every sweep
        if about.kind in AROUND_WORKLOADS:
            self._parts.owners.forget(about)  # whose trouble it is, is looked up anew: it may have another target now
        try:
            subject = await self._parts.owners.subject(about)
            if subject is None or subject.key in self.with_incident:
                return
            signal = Signal(
                about=about,
                reason="Swept",
                symptom=first.symptom,
                message=first.detail,
                first_seen=self._now,
                last_seen=self._now,
                source=Source.SWEEP,
                event_uid=Uid(f"sweep/{about.uid}/{first.symptom}"),
            )
            self._parts.intake.forget(signal.event_uid)  # its incident is closed: that it is broken is news again
            await self._parts.intake.signal(signal)
        except ClusterError as error:
            log.warning("sweep.unplaced", about=str(about), error=str(error))
            return
        self.with_incident.add(subject.key)
        self.raised += 1

    async def record_good(self, workload: Object, template: bytes) -> None:
        """Remember the revision of a workload that was seen well; only a new one is written."""
        metadata = workload["metadata"]
        uid, generation = metadata["uid"], int(metadata.get("generation", 0))
        known, recorded = self._seen_well.get(uid, (-1, ""))
        if known == generation:
            return
        digest = template_digest(orjson.loads(template))
        if digest != recorded:
            await self._parts.store.record_good(subject_at(reference(workload), cluster=self._parts.cluster), digest)
        self._seen_well[uid] = (generation, digest)
