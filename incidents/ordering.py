"""Which pods are of a workload's present template, and at which one an ordered StatefulSet waits for ever.

The controllers of StatefulSets and DaemonSets label pods with the revision that they were made from, and replace them
a few at a time (pkg/controller/statefulset, pkg/controller/daemon/update.go). With ``OrderedReady`` nothing is created
or updated behind a pod that is not Running and Ready, and such a pod is not replaced either, whatever the template says
by now (stateful_set_control.go): a set that was led into a broken revision stays there after the template has been put
right ("forced rollback" in the StatefulSet's reference), until somebody deletes the pod. What is said here is read off
the cluster alone.
"""

from __future__ import annotations

from datetime import datetime

from incidents.objects import DAEMON_SET, DEPLOYMENT, POD, STATEFUL_SET, Manifest
from incidents.pod_health import outdated, timestamp
from incidents.snapshot import (
    CONTROLLER_HASH,
    Snapshot,
    is_ready,
    observed,
    pod_template,
    revision_number,
    template_digest,
)


def goes_in_order(workload: Manifest) -> bool:
    """Whether it is a StatefulSet that rolls out by itself, in order, and to all of its pods."""
    return (
        workload.get("kind") == STATEFUL_SET.kind
        and workload.get("spec", {}).get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        and _reaches_all(workload)
    )


def _reaches_all(workload: Manifest) -> bool:
    """Whether its controller replaces all its pods: with OnDelete or a partition somebody decides by hand which."""
    strategy = workload.get("spec", {}).get("updateStrategy") or {}
    rolls = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    return rolls and not (strategy.get("rollingUpdate") or {}).get("partition")


def in_the_way(snapshot: Snapshot, before: datetime) -> Manifest | None:
    """The pod that keeps the set from its present revision and is replaced only if it is deleted; None without one.

    It is the first in order that is not ready, has not been since before that moment, and is of another revision than
    the one the controller goes to. While one goes, or one before it is missing, nothing is said.
    """
    workload = snapshot.workload
    wanted = workload.get("status", {}).get("updateRevision")
    if not wanted or not goes_in_order(workload) or not observed(workload):
        return None
    if workload["metadata"].get("deletionTimestamp") or len(snapshot.live_pods) != len(snapshot.pods):
        return None
    pod = _first_not_ready(snapshot)
    since = None if pod is None else _not_ready_since(pod)
    if pod is None or since is None or since >= before:
        return None
    revision = (pod["metadata"].get("labels") or {}).get(CONTROLLER_HASH)
    return pod if revision and revision != wanted else None


def of_present_revision(snapshot: Snapshot) -> tuple[Manifest, ...]:
    """The live pods that say something about the present template.

    Of a StatefulSet or DaemonSet those of the revision that its controller goes to, none before it has seen it; a Pod
    of its own once its kubelet has seen its spec; of any other workload its current pods.
    """
    workload = snapshot.workload
    if workload.get("kind") == POD.kind:
        return tuple(pod for pod in snapshot.current_pods if observed(pod) and not outdated(pod))
    if workload.get("kind") not in (STATEFUL_SET.kind, DAEMON_SET.kind) or not _reaches_all(workload):
        return snapshot.current_pods
    if not observed(workload):
        return ()
    wanted = _present_hash(snapshot)
    if not wanted:
        return snapshot.current_pods if all_updated(workload) else ()
    return tuple(
        pod for pod in snapshot.live_pods if (pod["metadata"].get("labels") or {}).get(CONTROLLER_HASH) == wanted
    )


def _present_hash(snapshot: Snapshot) -> str:
    """What the pods of the present template carry as their label; empty where that is not known."""
    workload = snapshot.workload
    if workload.get("kind") == STATEFUL_SET.kind:
        return str(workload.get("status", {}).get("updateRevision") or "")
    digest = template_digest(pod_template(workload))
    same = [one for one in snapshot.replica_sets if template_digest(one["spec"]["template"]) == digest]
    newest = max(same, key=revision_number, default=None)
    return str(((newest or {}).get("metadata", {}).get("labels") or {}).get(CONTROLLER_HASH) or "")


def all_updated(workload: Manifest) -> bool:
    """Whether its controller says that as many pods are of the present template as there should be."""
    status, spec = workload.get("status", {}), workload.get("spec", {})
    if not observed(workload):
        return False
    match workload.get("kind"):
        case "DaemonSet":
            return int(status.get("updatedNumberScheduled", 0)) >= int(status.get("desiredNumberScheduled", 0))
        case "StatefulSet" if status.get("updateRevision"):
            return bool(status["updateRevision"] == status.get("currentRevision"))
        case "Deployment":
            return int(status.get("updatedReplicas", 0)) >= int(spec.get("replicas", 1))
    return True


def proves_template(snapshot: Snapshot) -> bool:
    """Whether a workload that is well shows by that that its present template works.

    What is scaled to nothing, paused, changed by hand (OnDelete), behind a partition or without a node to run on is
    well whatever that template does. The pods of controllers that count them need not have been read.
    """
    counted = snapshot.workload.get("kind") in (DEPLOYMENT.kind, STATEFUL_SET.kind, DAEMON_SET.kind)
    return bool(snapshot.desired if counted else snapshot.ready) and all_updated(snapshot.workload)


def _first_not_ready(snapshot: Snapshot) -> Manifest | None:
    """The pod at which the controller waits: every ordinal before it is there and ready."""
    spec = snapshot.workload.get("spec", {})
    start = int((spec.get("ordinals") or {}).get("start") or 0)
    by_ordinal = {ordinal: pod for pod in snapshot.live_pods if (ordinal := _ordinal(snapshot.workload, pod)) >= 0}
    for ordinal in range(start, start + int(spec.get("replicas", 1))):
        pod = by_ordinal.get(ordinal)
        if pod is None or not is_ready(pod):
            return pod
    return None


def _ordinal(workload: Manifest, pod: Manifest) -> int:
    """The ordinal that a pod has in its set; -1 for a name that is none of the set's."""
    base, _, number = str(pod["metadata"]["name"]).rpartition("-")
    return int(number) if base == workload["metadata"]["name"] and number.isdecimal() else -1


def _not_ready_since(pod: Manifest) -> datetime | None:
    """Since when a pod has not been ready; a pod that no kubelet has spoken of, since it was made."""
    conditions = pod.get("status", {}).get("conditions") or ()
    said = [one for one in conditions if one.get("type") == "Ready"]
    if not said:
        return timestamp(pod["metadata"].get("creationTimestamp"))
    return timestamp(said[0].get("lastTransitionTime")) if said[0].get("status") != "True" else None
