"""Reading one subject's present state: the object, its ReplicaSets and its pods, three requests at most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incidents.objects import DEPLOYMENT, POD, REPLICA_SET, Manifest, ObjectRef
from incidents.snapshot import Snapshot
from incidents.subjects import owns
from tools.cluster.reader import Reader

_WITH_PODS_BY_SELECTOR = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})


async def read_snapshot(reader: Reader, subject: ObjectRef, *, now: datetime) -> Snapshot | None:
    """The subject as it is now, or None if it is gone. Raises ClusterError.

    ReplicaSets and pods count only where uid, namespace and selector of the owner say so.
    """
    workload = await reader.find(subject)
    if workload is None:
        return None
    if subject.kind == POD.kind:
        return Snapshot(workload=workload, pods=(workload,), read_at=now)
    if subject.kind not in _WITH_PODS_BY_SELECTOR:
        return Snapshot(workload=workload, read_at=now)
    labels = selector_text(workload["spec"].get("selector") or {})
    owners = [workload]
    replica_sets: list[dict[str, Any]] = []
    if subject.kind == DEPLOYMENT.kind:
        replica_sets = owners = await owned_replica_sets(reader, workload)
    pods = await reader.list(POD, subject.namespace, labels=labels)
    return Snapshot(
        workload=workload,
        replica_sets=tuple(replica_sets),
        pods=tuple(pod for pod in pods if any(owns(owner, pod) for owner in owners)),
        read_at=now,
    )


async def owned_replica_sets(reader: Reader, deployment: Manifest) -> list[dict[str, Any]]:
    """The ReplicaSets of a Deployment: its revisions. Raises ClusterError."""
    labels = selector_text(deployment["spec"].get("selector") or {})
    found = await reader.list(REPLICA_SET, deployment["metadata"]["namespace"], labels=labels)
    return [item for item in found if owns(deployment, item)]


def selector_text(selector: Manifest) -> str:
    """A LabelSelector as the query parameter ``labelSelector``."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(expression.get("values") or ())
        match expression["operator"]:
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(str(key))
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)
