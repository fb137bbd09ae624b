"""Whether a pod fits on a node, and if not, why, in kube-scheduler's words. Pure.

Filters and their order after pkg/scheduler/framework/plugins in Kubernetes v1.36: the first filter that
refuses a node gives the reasons; only the resource filter may give several.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.informer import Object
from simulator.quantities import to_bytes, to_millicores

_BLOCKING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class PodRequests:
    """What pods ask of a node: millicores, bytes, and their number."""

    millicores: int = 0
    memory_bytes: int = 0
    pods: int = 0

    def __add__(self, other: "PodRequests") -> "PodRequests":
        return PodRequests(
            self.millicores + other.millicores,
            self.memory_bytes + other.memory_bytes,
            self.pods + other.pods,
        )


def requests_of(pod: Object) -> PodRequests:
    """The sum over containers, or the largest init container if that is more."""
    spec = pod["spec"]
    running = [_container_requests(item) for item in spec["containers"]]
    starting = [_container_requests(item) for item in spec.get("initContainers") or ()]
    cpu = max(sum(item[0] for item in running), max((item[0] for item in starting), default=0))
    memory = max(sum(item[1] for item in running), max((item[1] for item in starting), default=0))
    return PodRequests(cpu, memory, 1)


def usage_by_node(pods: Iterable[Object]) -> dict[str, PodRequests]:
    """What is taken on each node by pods that have not ended."""
    usage: dict[str, PodRequests] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if node and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            usage[node] = usage.get(node, PodRequests()) + requests_of(pod)
    return usage


@dataclass(frozen=True)
class Refusal:
    """Why a pod cannot run on a node; no reasons mean that it can.

    ``preemptable``: the pod would fit if others left.
    """

    reasons: tuple[str, ...] = ()
    preemptable: bool = False


def refusal(pod: Object, requests: PodRequests, node: Object, used: PodRequests | None) -> Refusal:
    """What the first filter that refuses the node says."""
    spec = node.get("spec", {})
    tolerations = pod["spec"].get("tolerations") or ()
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if spec.get("unschedulable") and not _tolerated(cordon, tolerations):
        return Refusal(("node(s) were unschedulable",))
    blocking = [taint for taint in spec.get("taints") or () if taint["effect"] in _BLOCKING]
    if any(not _tolerated(taint, tolerations) for taint in blocking):
        return Refusal(("node(s) had untolerated taint(s)",))
    selector = pod["spec"].get("nodeSelector") or {}
    if not selector.items() <= (node["metadata"].get("labels") or {}).items():
        return Refusal(("node(s) didn't match Pod's node affinity/selector",))
    return _resources(requests, node, used or PodRequests())


def _resources(requests: PodRequests, node: Object, used: PodRequests) -> Refusal:
    room = node.get("status", {}).get("allocatable") or {}
    reasons = []
    if used.pods + 1 > int(room.get("pods", 0)):
        reasons.append("Too many pods")
    cpu, memory = to_millicores(room.get("cpu", 0)), to_bytes(room.get("memory", 0))
    if requests.millicores and used.millicores + requests.millicores > cpu:
        reasons.append("Insufficient cpu")
    if requests.memory_bytes and used.memory_bytes + requests.memory_bytes > memory:
        reasons.append("Insufficient memory")
    return Refusal(tuple(reasons), requests.millicores <= cpu and requests.memory_bytes <= memory)


def _container_requests(container: dict[str, Any]) -> tuple[int, int]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return to_millicores(requests.get("cpu", 0)), to_bytes(requests.get("memory", 0))


def _tolerated(taint: dict[str, Any], tolerations: Iterable[dict[str, Any]]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
