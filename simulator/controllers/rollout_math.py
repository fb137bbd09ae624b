"""The arithmetic of a rolling update. Pure: numbers and ReplicaSets in, numbers out.

After pkg/controller/deployment/util/deployment_util.go and rolling.go in Kubernetes v1.36.
"""

import math
from collections.abc import Iterable

from simulator.controllers.revisions import MAX_REPLICAS, annotations_of, by_age
from simulator.informer import Object


def spec_replicas(replica_sets: Iterable[Object]) -> int:
    """How many pods the ReplicaSets ask for."""
    return sum(item["spec"].get("replicas", 1) for item in replica_sets)


def status_count(replica_sets: Iterable[Object], field: str) -> int:
    """How many pods the ReplicaSets report in ``field``."""
    return sum(item.get("status", {}).get(field, 0) for item in replica_sets)


def active(replica_sets: Iterable[Object]) -> list[Object]:
    """Those that ask for at least one pod."""
    return [item for item in replica_sets if item["spec"].get("replicas", 1) > 0]


def is_rolling(deployment: Object) -> bool:
    """Whether the strategy is RollingUpdate."""
    return bool(deployment["spec"].get("strategy", {}).get("type", "RollingUpdate") == "RollingUpdate")


def fenceposts(deployment: Object) -> tuple[int, int]:
    """maxSurge (percentages rounded up) and maxUnavailable (rounded down); never both zero."""
    if not is_rolling(deployment):
        return 0, 0
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    replicas = deployment["spec"]["replicas"]
    surge = _scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def max_surge(deployment: Object) -> int:
    """How many pods beyond the wanted number a rollout may have."""
    return fenceposts(deployment)[0]


def max_unavailable(deployment: Object) -> int:
    """How many of the wanted pods may be missing during a rollout."""
    replicas: int = deployment["spec"]["replicas"]
    if not is_rolling(deployment) or replicas == 0:
        return 0
    allowed: int = min(fenceposts(deployment)[1], replicas)
    return allowed


def new_set_size(deployment: Object, replica_sets: list[Object], current: int) -> int:
    """How large the new ReplicaSet may be now; ``replica_sets`` are all, the new one included."""
    wanted: int = deployment["spec"]["replicas"]
    if not is_rolling(deployment):
        return wanted
    room: int = wanted + max_surge(deployment) - spec_replicas(replica_sets)
    missing: int = wanted - current
    return current if room <= 0 else current + min(room, missing)


def old_set_budget(deployment: Object, old: list[Object], new: Object) -> int:
    """How many pods of old ReplicaSets may go in this step, healthy or not."""
    missing_in_new = new["spec"]["replicas"] - status_count([new], "availableReplicas")
    needed = deployment["spec"]["replicas"] - max_unavailable(deployment)
    return int(spec_replicas([*old, new]) - needed - missing_in_new)


def unhealthy_cut(old: list[Object], budget: int) -> dict[str, int]:
    """New sizes by name after the unhealthy pods of old ReplicaSets are cleaned up, within ``budget``."""
    sizes: dict[str, int] = {}
    for item in by_age(old):
        size = item["spec"]["replicas"]
        unhealthy = size - status_count([item], "availableReplicas")
        cut = min(budget, unhealthy)
        if size > 0 and cut > 0:
            sizes[item["metadata"]["name"]] = size - cut
            budget -= cut
    return sizes


def healthy_cut(deployment: Object, old: list[Object], new: Object) -> dict[str, int]:
    """New sizes by name after old ReplicaSets give up what the new one has made superfluous."""
    needed = deployment["spec"]["replicas"] - max_unavailable(deployment)
    budget = status_count([*old, new], "availableReplicas") - needed
    sizes: dict[str, int] = {}
    for item in by_age(old):
        size = item["spec"]["replicas"]
        cut = min(size, budget)
        if cut > 0:
            sizes[item["metadata"]["name"]] = size - cut
            budget -= cut
    return sizes


def proportional_sizes(deployment: Object, replica_sets: list[Object]) -> dict[str, int]:
    """Sizes by name when a Deployment is scaled in the middle of a rollout."""
    wanted = deployment["spec"]["replicas"]
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - spec_replicas(replica_sets)
    ordered = _by_size(replica_sets, newest_first=to_add > 0)
    sizes = {item["metadata"]["name"]: item["spec"]["replicas"] for item in ordered}
    added = 0
    for item in ordered:
        share = _share(deployment, item, to_add=to_add, added=added) if to_add else 0
        sizes[item["metadata"]["name"]] += share
        added += share
    if ordered and to_add:
        first = ordered[0]["metadata"]["name"]
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _by_size(replica_sets: list[Object], *, newest_first: bool) -> list[Object]:
    aged = by_age(replica_sets)
    if newest_first:
        aged.reverse()
    return sorted(aged, key=lambda item: -item["spec"]["replicas"])


def _share(deployment: Object, replica_set: Object, *, to_add: int, added: int) -> int:
    size, wanted = replica_set["spec"]["replicas"], deployment["spec"]["replicas"]
    if size == 0 or to_add == added:
        return 0
    share = -size
    if wanted > 0:
        before = int(annotations_of(replica_set).get(MAX_REPLICAS, wanted))
        share = math.floor(size * (wanted + max_surge(deployment)) / max(before, 1) + 0.5) - size
    left = to_add - added
    bounded: int = min(share, left) if to_add > 0 else max(share, left)
    return bounded


def _scaled(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * replicas
    return -(-exact // 100) if up else exact // 100
