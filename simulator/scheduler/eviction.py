"""Carrying out a preemption: lesser pods are asked to go, and their node is kept for the pod they go for.

After pkg/scheduler/framework/preemption/executor.go in Kubernetes v1.36.
"""

from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, ApiError
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, EventSource, reference_to
from simulator.informer import Object
from simulator.resources import PODS
from simulator.scheduler.board import Board
from simulator.scheduler.known import Known, waits
from simulator.scheduler.preemption import Victims, priority_of

_SOURCE = EventSource("default-scheduler", "embedded", action="Preempting")


class Evictions:
    """Remembers which node is promised to whom."""

    def __init__(self, client: ApiClient, clock: SimClock, recorder: EventRecorder, known: Known) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._known = known
        self._promised: dict[tuple[str, str], str] = {}

    def board_for(self, pod: Object) -> Board:
        """The board as ``pod`` has to see it: with the pods of no lesser priority that a node is promised to."""
        board, own = self._known.board, pod["metadata"]["uid"]
        for key, node in list(self._promised.items()):
            other = self._known.pods.get(*key)
            if other is None or not waits(other):
                del self._promised[key]
            elif other["metadata"]["uid"] != own and priority_of(other) >= priority_of(pod) and node in board.nodes:
                info = board.nodes[node].copy()
                info.add(other | {"spec": other["spec"] | {"nodeName": node}})
                board = board.with_node(info)
        return board

    def settled(self, pod: Object) -> None:
        """The pod has a node."""
        self._promised.pop((pod["metadata"].get("namespace", ""), pod["metadata"]["name"]), None)

    async def evict(self, pod: Object, victims: Victims) -> None:
        """Ask them to go and keep the node for ``pod``. Raises ApiError, but not for one that is gone already."""
        self._promised[pod["metadata"].get("namespace", ""), pod["metadata"]["name"]] = victims.node
        for victim in victims.pods:
            if victim["metadata"].get("deletionTimestamp"):
                continue
            try:
                await self._evict(pod, victim, victims.node)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise

    async def _evict(self, pod: Object, victim: Object, node: str) -> None:
        metadata = victim["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [self._condition(victim)]}}
        await self._client.patch(PODS, name, patch, namespace, subresource="status", content_type=STRATEGIC_MERGE_PATCH)
        await self._client.delete(PODS, name, namespace, uid=metadata["uid"])
        message = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
        self._recorder.normal(_SOURCE, reference_to(victim), "Preempted", message)

    def _condition(self, victim: Object) -> dict[str, Any]:
        return {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastProbeTime": None,
            "lastTransitionTime": self._clock.timestamp(),
            "observedGeneration": victim["metadata"].get("generation"),
        }
