"""The least by which a quota admits what it refuses: what is used, and what the pods that are missing would take.

Rule: pkg/quota/v1/evaluator/core/pods.go (which keys a pod is counted under). Only a person raises a quota. They are
told the amount where it can be worked out: every workload that the quota keeps from its pods is known with how many
it lacks, and each says what one pod takes, in its template or in the API server's refusal of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from incidents.objects import Manifest
from incidents.quantities import UnreadableQuantity
from incidents.snapshot import observed
from playbooks.amounts import Unsaid, read, taken, written
from playbooks.by_hand import all_names, merged

PODS = ("pods", "count/pods")
_SHORT = {name: f"requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")}
_REQUESTED = re.compile(r"exceeded quota: (?P<name>[a-z0-9.-]+), requested: (?P<what>\S+), used:")


def raise_quota(quota: Manifest, refused: Sequence[Manifest]) -> tuple[str, ...]:
    """The command that raises the keys that are exceeded, just as far as the workloads in ``refused`` need; or none."""
    name, namespace = quota["metadata"].get("name"), quota["metadata"].get("namespace")
    try:
        least = least_that_admits(quota, refused)
    except (Unsaid, UnreadableQuantity):
        return ()
    if not least or not all_names((name, namespace)):
        return ()
    hard = quota.get("spec", {}).get("hard") or {}
    steps = ", ".join(f"{key} {hard[key]} -> {amount}" for key, amount in least.items())
    names = ", ".join(str(one["metadata"]["name"]) for one in refused[:5])
    meaning = f"allows the namespace more, just enough for {names}: {steps}"
    return merged(meaning, "resourcequota", str(name), {"spec": {"hard": least}}, namespace=str(namespace))


def least_that_admits(quota: Manifest, refused: Sequence[Manifest]) -> dict[str, str]:
    """The keys that are exceeded, with the least that would do. Raises Unsaid, UnreadableQuantity."""
    used, least = quota.get("status", {}).get("used") or {}, {}
    for key, most in (quota.get("spec", {}).get("hard") or {}).items():
        wanted = sum(missing(one) * one_pod(one, key, str(quota["metadata"].get("name"))) for one in refused)
        needed = read(key, used.get(key, "0")) + wanted
        if wanted and needed > read(key, most):
            least[key] = written(key, needed)
    return least


def missing(workload: Manifest) -> int:
    """How many pods a workload lacks; of a rollout that waits for room, the one by which it gets on. Raises Unsaid."""
    status, desired = workload.get("status", {}), int(workload.get("spec", {}).get("replicas", 1))
    lacks = desired - int(status.get("replicas", 0))
    if workload.get("kind") == "DaemonSet":
        lacks = int(status.get("desiredNumberScheduled", 0)) - int(status.get("currentNumberScheduled", 0))
    elif workload.get("kind") == "Deployment" and lacks <= 0 and int(status.get("updatedReplicas", 0)) < desired:
        lacks = 1
    if lacks <= 0 or not observed(workload):
        raise Unsaid("it is not known how many pods are missing")
    return lacks


def one_pod(workload: Manifest, key: str, quota: str) -> int:
    """What one pod of a workload takes of a quota's key; 0 where pods are not counted under it. Raises Unsaid."""
    if key in PODS:
        return read(key, "1")
    if key in (said := requested(workload, quota)):
        return read(key, said[key])
    what = _SHORT.get(key, key)
    counted = what.startswith(("requests.", "limits.")) and what != "requests.storage"
    return taken(_pod_spec(workload), what) if counted else 0


def requested(workload: Manifest, quota: str) -> dict[str, str]:
    """What of a quota one pod exceeded, in the API server's words as its controller has written them down."""
    for one in workload.get("status", {}).get("conditions") or ():
        match = _REQUESTED.search(str(one.get("message"))) if one.get("type") == "ReplicaFailure" else None
        if match is not None and match["name"] == quota:
            pairs = (pair.partition("=") for pair in match["what"].split(","))
            return {key: amount for key, _, amount in pairs}
    return {}


def _pod_spec(workload: Manifest) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = (workload.get("spec", {}).get("template") or {}).get("spec") or {}
    return spec
