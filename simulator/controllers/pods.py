"""What controllers ask of pods: ready, available, active, and which one to delete first.

From pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go (ActivePodsWithRanks) in Kubernetes v1.36.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from simulator.clock import SimClock, parse_time
from simulator.informer import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """The status condition of that type, or None."""
    conditions: Iterable[dict[str, Any]] = obj.get("status", {}).get("conditions") or ()
    for item in conditions:  # asked so often that a generator would be felt
        if item["type"] == kind:
            return item
    return None


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def is_terminal(pod: Object) -> bool:
    """Whether the pod has run to its end."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def seconds_until_available(pod: Object, min_ready_seconds: int, clock: SimClock) -> float | None:
    """Simulated seconds until a ready pod counts as available (0: it does now); None when it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod) if min_ready_seconds > 0 else None
    if since is None:
        return 0.0
    return max(0.0, min_ready_seconds - clock.simulated_seconds(clock.now() - since))


def ready_since(pod: Object) -> datetime | None:
    """When the pod last became ready, or None when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True" or not ready.get("lastTransitionTime"):
        return None
    return parse_time(ready["lastTransitionTime"])


def deletion_order(pods: list[Object]) -> list[Object]:
    """The pods in the order in which a ReplicaSet that is scaled down deletes them."""
    per_node = Counter(pod["spec"].get("nodeName", "") for pod in pods)

    def rank(pod: Object) -> tuple[Any, ...]:
        metadata, status = pod["metadata"], pod.get("status", {})
        since = ready_since(pod)
        restarts = max((item.get("restartCount", 0) for item in status.get("containerStatuses") or ()), default=0)
        return (
            bool(pod["spec"].get("nodeName")),
            _PHASE_RANK.get(status.get("phase", "Pending"), 2),
            is_ready(pod),
            int((metadata.get("annotations") or {}).get(DELETION_COST, 0)),
            -per_node[pod["spec"].get("nodeName", "")],
            -(since.timestamp() if since else 0.0),
            -restarts,
            -parse_time(metadata["creationTimestamp"]).timestamp(),
        )

    return sorted(pods, key=rank)
