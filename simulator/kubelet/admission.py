"""What a node refuses when a pod arrives there (pkg/kubelet/lifecycle/predicate.go in Kubernetes v1.36).

The scheduler looks before it binds: this is met by pods that name their node themselves, and by two bindings at once.
"""

from collections.abc import Mapping
from typing import Any

from simulator.informer import Object
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.pod_status import Fate
from simulator.node_fit import requests_of
from simulator.quantities import to_bytes, to_millicores


def admit(pod: Object, node: NodeContext) -> Fate | None:
    """None, or why the pod is rejected."""
    wanted, used, room = requests_of(pod), node.requested_by_others(pod["metadata"]["uid"]), node.allocatable
    for name, asked, taken, capacity in (
        ("pods", 1, used.pods, int(room["pods"])),
        ("cpu", wanted.millicores, used.millicores, to_millicores(room["cpu"])),
        ("memory", wanted.memory_bytes, used.memory_bytes, to_bytes(room["memory"])),
    ):
        if asked and asked + taken > capacity:
            numbers = f"requested: {asked}, used: {taken}, capacity: {capacity}"
            return _rejected(f"OutOf{name}", f"Node didn't have enough resource: {name}, {numbers}")
    return _pressure(pod, node)


def _pressure(pod: Object, node: NodeContext) -> Fate | None:
    """Under pressure only what is critical comes in; under memory pressure alone also what has requests."""
    if not node.conditions or (pod["spec"].get("priority") or 0) >= 2_000_000_000:
        return None
    if node.conditions == {"MemoryPressure"} and any(_resources(item) for item in pod["spec"]["containers"]):
        return None
    conditions = " ".join(sorted(node.conditions))
    return _rejected("Evicted", f"The node had condition: [{conditions}]. ")


def _resources(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    return bool(resources.get("requests") or resources.get("limits"))


def _rejected(reason: str, message: str) -> Fate:
    return Fate(reason, f"Pod was rejected: {message}", rejected=True)
