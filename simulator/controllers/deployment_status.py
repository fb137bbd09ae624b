"""The status of a Deployment: counts, Available, Progressing, ReplicaFailure. Pure.

After pkg/controller/deployment/progress.go, sync.go and util/deployment_util.go in Kubernetes v1.36, whose
reasons and messages are used word for word.
"""

from dataclasses import dataclass
from typing import Any

from simulator.clock import SimClock, parse_time
from simulator.controllers.pods import condition
from simulator.controllers.rollout_math import max_unavailable, spec_replicas, status_count
from simulator.informer import Object

NO_DEADLINE = 2**31 - 1


@dataclass(frozen=True)
class Condition:
    """One condition as the controller wants it."""

    type: str
    status: str
    reason: str
    message: str


def calculate(deployment: Object, old: list[Object], new: Object | None, now: str) -> dict[str, Any]:
    """Counts and the Available condition; the other conditions are carried over."""
    sets = [*old, *([new] if new is not None else [])]
    available = status_count(sets, "availableReplicas")
    unavailable = max(0, spec_replicas(sets) - available)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": status_count(sets, "replicas"),
        "updatedReplicas": status_count([new] if new is not None else [], "replicas"),
        "readyReplicas": status_count(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": unavailable,
        "collisionCount": deployment.get("status", {}).get("collisionCount", 0),
    }
    status: dict[str, Any] = {key: value for key, value in counts.items() if value}
    status["terminatingReplicas"] = status_count(sets, "terminatingReplicas")
    status["conditions"] = list(deployment.get("status", {}).get("conditions") or [])
    enough = available >= deployment["spec"]["replicas"] - max_unavailable(deployment)
    if enough:
        wanted = Condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        wanted = Condition(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    set_condition(status, wanted, now)
    return status


def set_condition(status: dict[str, Any], wanted: Condition, now: str, *, refresh: bool = False) -> None:
    """Put ``wanted`` in: same status and reason change nothing, unless ``refresh`` moves lastUpdateTime on."""
    current = condition({"status": status}, wanted.type)
    same_status = current is not None and current["status"] == wanted.status
    if current is not None and same_status and not refresh and current["reason"] == wanted.reason:
        return
    since = current["lastTransitionTime"] if current is not None and same_status else now
    remove_condition(status, wanted.type)
    status["conditions"].append(
        {
            "type": wanted.type,
            "status": wanted.status,
            "lastUpdateTime": now,
            "lastTransitionTime": since,
            "reason": wanted.reason,
            "message": wanted.message,
        }
    )


def remove_condition(status: dict[str, Any], kind: str) -> None:
    """Take the condition of that type out, if there is one."""
    status["conditions"] = [item for item in status.get("conditions") or [] if item["type"] != kind]


def has_deadline(deployment: Object) -> bool:
    """Whether progress is watched at all."""
    return bool(deployment["spec"].get("progressDeadlineSeconds", 600) != NO_DEADLINE)


def is_complete(deployment: Object, status: dict[str, Any]) -> bool:
    """Whether every wanted replica is updated and available and no old one is left."""
    wanted = deployment["spec"]["replicas"]
    counts = [status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return all(count == wanted for count in counts) and bool(seen)


def add_progress(deployment: Object, status: dict[str, Any], *, new: Object | None, clock: SimClock) -> None:
    """Set the Progressing condition on a status that ``calculate`` made."""
    if not has_deadline(deployment):
        remove_condition(status, "Progressing")
        return
    current = condition(deployment, "Progressing")
    settled = current is not None and current["reason"] == "NewReplicaSetAvailable"
    if settled and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new is not None else _named(deployment)
    now = clock.timestamp()
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        set_condition(status, Condition("Progressing", "True", "NewReplicaSetAvailable", message), now)
    elif _has_progressed(deployment.get("status", {}), status):
        message = f"{subject} is progressing."
        progress = Condition("Progressing", "True", "ReplicaSetUpdated", message)
        set_condition(status, progress, now, refresh=True)
    elif has_timed_out(deployment, clock):
        message = f"{subject} has timed out progressing."
        set_condition(status, Condition("Progressing", "False", "ProgressDeadlineExceeded", message), now)


def has_timed_out(deployment: Object, clock: SimClock) -> bool:
    """Whether the last progress is further back than the deadline allows."""
    current = condition(deployment, "Progressing")
    if current is None or current["reason"] == "NewReplicaSetAvailable":
        return False
    if current["reason"] == "ProgressDeadlineExceeded":
        return True
    return seconds_to_deadline(deployment, clock) <= 0


def seconds_to_deadline(deployment: Object, clock: SimClock) -> float:
    """Simulated seconds left until the rollout counts as stuck; call it only with a Progressing condition."""
    current = condition(deployment, "Progressing")
    if current is None:
        return float(NO_DEADLINE)
    elapsed = clock.simulated_seconds(clock.now() - parse_time(current["lastUpdateTime"]))
    return float(deployment["spec"].get("progressDeadlineSeconds", 600)) - elapsed


def add_replica_failure(status: dict[str, Any], old: list[Object], new: Object | None) -> None:
    """Carry the first ReplicaFailure of a ReplicaSet, the new one's before the old ones', or clear it."""
    for item in [*([new] if new is not None else []), *old]:
        found = condition(item, "ReplicaFailure")
        if found is not None:
            wanted = Condition("ReplicaFailure", found["status"], found["reason"], found["message"])
            set_condition(status, wanted, found["lastTransitionTime"])
            return
    remove_condition(status, "ReplicaFailure")


def _has_progressed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    def grew(field: str) -> bool:
        return bool(after.get(field, 0) > before.get(field, 0))

    def outdated(status: dict[str, Any]) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    more = grew("updatedReplicas") or grew("readyReplicas") or grew("availableReplicas")
    return more or outdated(after) < outdated(before)


def _named(deployment: Object) -> str:
    return f'Deployment "{deployment["metadata"]["name"]}"'
