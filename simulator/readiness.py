"""Which workloads are less ready in one dump than in an earlier one. Pure.

A workload that a scenario has broken comes and goes by itself: it counts only if it stood still before, that
is if none of its pods had restarted.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")

Objects = Mapping[str, Mapping[str, Any]]


def less_ready(before: Objects, after: Objects, broken: Collection[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Key, namespace and a sentence for every workload that lost ready replicas, or is gone.

    ``broken`` holds namespace and name of the workloads that scenarios break. They fall when they do: what still stands
    in the spec that the scenario gave it, or had begun to restart by then, was not made less ready by anybody else.
    """
    for key, old in before.items():
        metadata = old.get("metadata") or {}
        if old.get("kind", key.split("/")[-3]) not in _KINDS or metadata.get("ownerReferences"):
            continue
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        was = _ready(old)
        new = after.get(key)
        if was == 0 or ((namespace, name) in broken and (_left_as_it_was(old, new) or not _stood_still(before, old))):
            continue
        now = _ready(new) if new is not None else 0
        if now < min(was, _wanted(old)):
            yield key, namespace, f"{was} ready before, {now} after"


def _ready(obj: Mapping[str, Any]) -> int:
    status = obj.get("status") or {}
    if "containerStatuses" in status or "phase" in status:
        conditions = status.get("conditions") or ()
        return int(any(item["type"] == "Ready" and item["status"] == "True" for item in conditions))
    return int(status.get("readyReplicas") or status.get("numberReady") or 0)


def _wanted(obj: Mapping[str, Any]) -> int:
    """What it asks for: pods of a rollout's surge are no loss."""
    replicas = (obj.get("spec") or {}).get("replicas")
    return replicas if isinstance(replicas, int) else 10**9


def _left_as_it_was(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> bool:
    return new is not None and new.get("spec") == old.get("spec")


def _stood_still(objects: Objects, workload: Mapping[str, Any]) -> bool:
    """Whether none of the pods that its selector matches had restarted."""
    selector = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    namespace = workload["metadata"].get("namespace")
    for key, pod in objects.items():
        if not key.startswith("v1/Pod/") or pod["metadata"].get("namespace") != namespace:
            continue
        labels = pod["metadata"].get("labels") or {}
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        if selector.items() <= labels.items() and any(item.get("restartCount") for item in statuses):
            return False
    return True
