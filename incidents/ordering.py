"""Ordered StatefulSets: at which pod their controller waits, and whether it will ever replace that pod by itself.

Rule: pkg/controller/statefulset/stateful_set_control.go. With ``OrderedReady`` nothing is created or updated behind a
pod that is not Running and Ready, and such a pod is not replaced either, whatever the template says by now: a set that
was led into a broken revision stays there after the template has been put right ("forced rollback" in the
StatefulSet's reference), until somebody deletes the pod. What is said here is read off the cluster alone.
"""

from __future__ import annotations

from datetime import datetime

from incidents.objects import POD, STATEFUL_SET, Manifest
from incidents.pod_health import outdated, timestamp
from incidents.snapshot import CONTROLLER_HASH, Snapshot, is_ready, observed


def goes_in_order(workload: Manifest) -> bool:
    """Whether it is a StatefulSet that rolls out by itself, in order, and to all of its pods.

    With OnDelete or a partition somebody decides by hand which pod is of which revision.
    """
    spec = workload.get("spec", {})
    strategy = spec.get("updateStrategy") or {}
    return (
        workload.get("kind") == STATEFUL_SET.kind
        and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        and strategy.get("type", "RollingUpdate") == "RollingUpdate"
        and not (strategy.get("rollingUpdate") or {}).get("partition")
    )


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

    Of a set that goes in order those of the revision that its controller goes to, none before it has seen it; a Pod of
    its own once its kubelet has seen its spec; of any other workload its current pods.
    """
    status = snapshot.workload.get("status", {})
    if snapshot.workload.get("kind") == POD.kind:
        return tuple(pod for pod in snapshot.current_pods if observed(pod) and not outdated(pod))
    if not goes_in_order(snapshot.workload) or not status.get("updateRevision"):
        return snapshot.current_pods
    if not observed(snapshot.workload):
        return ()
    return tuple(
        pod
        for pod in snapshot.live_pods
        if (pod["metadata"].get("labels") or {}).get(CONTROLLER_HASH) == status["updateRevision"]
    )


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
