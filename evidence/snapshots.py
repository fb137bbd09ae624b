"""Reading one subject's present state: the object, its revisions and its pods, three requests at most.

What is no workload is read as itself, with the pods it selects or that mount it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evidence.surroundings import (
    read_beside,
    read_claim,
    read_cron_job,
    read_ingress,
    read_service,
    read_waited_for,
    selector_text,
)
from incidents.incident import Incident
from incidents.objects import (
    CLAIM,
    CONTROLLER_REVISION,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    INGRESS,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    Manifest,
    ObjectRef,
)
from incidents.ordering import all_updated
from incidents.snapshot import Snapshot, as_replica_set
from incidents.subjects import owns
from tools.cluster.errors import Forbidden
from tools.cluster.reader import Reader

__all__ = [
    "WITH_PODS_BY_SELECTOR",
    "read_incident",
    "read_snapshot",
    "revisions_of",
    "selector_text",
    "signalled",
]
WITH_PODS_BY_SELECTOR = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})


async def read_incident(reader: Reader, incident: Incident, *, now: datetime) -> Snapshot | None:
    """An incident's subject, with the claims and autoscalers that its signals were about. Raises ClusterError."""
    return await read_snapshot(reader, incident.subject.ref, now=now, beside=signalled(incident))


def signalled(incident: Incident) -> tuple[ObjectRef, ...]:
    """What an incident's first and last signals were about."""
    return tuple(dict.fromkeys((incident.first_signal.about, incident.last_signal.about)))


async def read_snapshot(
    reader: Reader, subject: ObjectRef, *, now: datetime, beside: Sequence[ObjectRef] = ()
) -> Snapshot | None:
    """The subject as it is now, or None if it is gone. Raises ClusterError.

    ReplicaSets and pods count only where uid, namespace and selector of the owner say so. ``beside``: objects that
    are read too where they have a health of their own, as are the claims that its pods wait for.
    """
    found = await reader.find(subject)
    if found is None:
        return None
    match subject.kind:
        case POD.kind:
            snapshot = Snapshot(workload=found, pods=(found,), read_at=now)
        case SERVICE.kind:
            snapshot = await read_service(reader, found, now=now)
        case INGRESS.kind:
            snapshot = await read_ingress(reader, found, now=now)
        case CLAIM.kind:
            snapshot = await read_claim(reader, found, now=now)
        case CRON_JOB.kind:
            snapshot = await read_cron_job(reader, found, now=now)
        case kind if kind in WITH_PODS_BY_SELECTOR:
            snapshot = await _with_pods(reader, found, now=now)
        case _:
            snapshot = Snapshot(workload=found, read_at=now)
    snapshot = await read_beside(reader, snapshot, [ref for ref in beside if ref.uid != subject.uid])
    return await read_waited_for(reader, snapshot)


async def _with_pods(reader: Reader, workload: dict[str, Any], *, now: datetime) -> Snapshot:
    labels = selector_text(workload["spec"].get("selector") or {})
    pods = reader.list(POD, workload["metadata"]["namespace"], labels=labels)
    if workload.get("kind") != DEPLOYMENT.kind:
        found = [pod for pod in await pods if owns(workload, pod)]
        revisions = await owned_controller_revisions(reader, workload) if _fails(workload) else []
        return Snapshot(workload=workload, replica_sets=tuple(revisions), pods=tuple(found), read_at=now)
    replica_sets, found = await asyncio.gather(owned_replica_sets(reader, workload), pods)
    return Snapshot(
        workload=workload,
        replica_sets=tuple(replica_sets),
        pods=tuple(pod for pod in found if any(owns(owner, pod) for owner in replica_sets)),
        read_at=now,
    )


async def owned_replica_sets(reader: Reader, deployment: Manifest) -> list[dict[str, Any]]:
    """The ReplicaSets of a Deployment: its revisions. Raises ClusterError."""
    labels = selector_text(deployment["spec"].get("selector") or {})
    found = await reader.list(REPLICA_SET, deployment["metadata"]["namespace"], labels=labels)
    return [item for item in found if owns(deployment, item)]


async def revisions_of(reader: Reader, workload: Manifest) -> list[dict[str, Any]]:
    """The rollout history of a workload of any kind, each with its template. Raises ClusterError."""
    if workload.get("kind") == DEPLOYMENT.kind:
        return await owned_replica_sets(reader, workload)
    return await owned_controller_revisions(reader, workload)


async def owned_controller_revisions(reader: Reader, workload: Manifest) -> list[dict[str, Any]]:
    """The revisions of a StatefulSet or DaemonSet, in the form of ReplicaSets; none where they may not be read.

    The selector is also that of its pods, as the controllers label both from the same template.
    """
    if workload.get("kind") not in (STATEFUL_SET.kind, DAEMON_SET.kind):
        return []
    labels = selector_text(workload["spec"].get("selector") or {})
    try:
        found = await reader.list(CONTROLLER_REVISION, workload["metadata"]["namespace"], labels=labels)
    except Forbidden:
        return []
    return [made for item in found if owns(workload, item) and (made := as_replica_set(item)) is not None]


def _fails(workload: Manifest) -> bool:
    """Whether its status speaks of two revisions, or of pods that are not ready: else nobody asks for its history."""
    status, spec = workload.get("status", {}), workload.get("spec", {})
    wanted = int(status.get("desiredNumberScheduled", spec.get("replicas", 1)))
    ready = int(status.get("numberAvailable", status.get("readyReplicas", 0)))
    return ready < wanted or not all_updated(workload)
