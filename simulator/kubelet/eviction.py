"""Ending pods to save the node, or because they write more than they may (pkg/kubelet/eviction, Kubernetes v1.36).

Looks every ten seconds, as the real one does, but only at nodes where something can have changed: where a pod has
come, or where some program grows. Thresholds are the kubelet's defaults: memory.available < 100Mi,
nodefs.available < 10 %.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, node_reference
from simulator.kubelet import usage
from simulator.kubelet.node_context import CAPACITY, NodeContext
from simulator.kubelet.pod_status import Fate
from simulator.kubelet.pod_worker import PodWorker
from simulator.quantities import MEBIBYTE, canonical, to_bytes

_PERIOD_SECONDS = 10.0
_TRANSITION_SECONDS = 300.0
_CRITICAL_PRIORITY = 2_000_000_000


@dataclass(frozen=True)
class _Threshold:
    """``least``: MiB of the resource that must stay free on a node of ``capacity`` MiB."""

    resource: str
    condition: str
    capacity: float
    least: float
    used_by: Callable[[PodWorker], float]


_THRESHOLDS = (
    _Threshold("memory", "MemoryPressure", to_bytes(CAPACITY["memory"]) / MEBIBYTE, 100.0, usage.pod_memory),
    _Threshold(
        "ephemeral-storage",
        "DiskPressure",
        to_bytes(CAPACITY["ephemeral-storage"]) / MEBIBYTE,
        to_bytes(CAPACITY["ephemeral-storage"]) / MEBIBYTE / 10,
        usage.pod_disk,
    ),
)


class EvictionManager:
    """One for all nodes of the process."""

    def __init__(self, clock: SimClock, recorder: EventRecorder) -> None:
        self._clock = clock
        self._recorder = recorder
        self._due: set[str] = set()
        self._seen_at: dict[tuple[str, str], float] = {}

    def look_at(self, node: str) -> None:
        """Something has come to that node."""
        self._due.add(node)

    async def run(self, nodes: Mapping[str, NodeContext], pods: Callable[[str], list[PodWorker]]) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(_PERIOD_SECONDS)
            for name in sorted(self._due):
                on_node = pods(name)
                self._look(nodes[name], on_node)
                if not any(map(usage.is_restless, on_node)) and not nodes[name].pressures:
                    self._due.discard(name)

    def _look(self, node: NodeContext, pods: list[PodWorker]) -> None:
        met = [item for item in _THRESHOLDS if item.capacity - sum(map(item.used_by, pods)) < item.least]
        now = self._clock.monotonic()
        self._seen_at |= {(node.name, item.condition): now for item in met}
        node.pressures = frozenset(
            item.condition
            for item in _THRESHOLDS
            if now - self._seen_at.get((node.name, item.condition), -1e12) < _TRANSITION_SECONDS
        )
        if not self._evict_for_their_own_limits(pods) and met:
            self._reclaim(node, pods, met[0])

    def _evict_for_their_own_limits(self, pods: list[PodWorker]) -> bool:
        found = [(pod, message) for pod in pods if (message := usage.beyond_its_limits(pod))]
        for pod, message in found:
            self._evict(pod, Fate("Evicted", message))
        return bool(found)

    def _reclaim(self, node: NodeContext, pods: list[PodWorker], threshold: _Threshold) -> None:
        """At most one pod a time: the one that is furthest beyond its request, of the lowest priority."""
        text = f"Attempting to reclaim {threshold.resource}"
        self._recorder.warning(node.source, node_reference(node.name), "EvictionThresholdMet", text)
        candidates = [pod for pod in pods if _priority(pod) < _CRITICAL_PRIORITY]
        if not candidates:
            return

        def rank(pod: PodWorker) -> tuple[bool, int, float]:
            beyond = threshold.used_by(pod) - usage.requested(pod.pod, threshold.resource)
            return beyond <= 0, _priority(pod), -beyond

        chosen = min(candidates, key=rank)
        left = max(0.0, threshold.capacity - sum(map(threshold.used_by, pods)))
        message = (
            f"The node was low on resource: {threshold.resource}. Threshold quantity: {_shown(threshold.least)}, "
            f"available: {_shown(left)}. {usage.larger_consumption(chosen, threshold.resource)}"
        )
        self._evict(chosen, Fate("Evicted", message, disruption=True))

    def _evict(self, pod: PodWorker, fate: Fate) -> None:
        if _priority(pod) < _CRITICAL_PRIORITY:
            pod.warn("Evicted", fate.message)
            pod.fail(fate)


def _priority(pod: PodWorker) -> int:
    spec: dict[str, Any] = pod.pod["spec"]
    return int(spec.get("priority") or 0)


def _shown(mebibytes: float) -> str:
    return canonical(f"{int(mebibytes * 1024)}Ki")
