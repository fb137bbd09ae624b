"""Removes pods that nobody else would: on nodes that are gone, terminating without a node, or ended in great number.

After pkg/controller/podgc in Kubernetes v1.36.
"""

import asyncio
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiError
from simulator.controllers.controller import Controller, ControllerContext
from simulator.controllers.pods import condition, is_terminal
from simulator.informer import Object
from simulator.resources import NODES, PODS

_CHECK_SECONDS = 20.0
_QUARANTINE_SECONDS = 40.0
_MOST_TERMINATED = 12_500
_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class PodGarbageCollector(Controller):
    """Works by looking around every 20 s; its queue stays empty."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.caches.of(NODES)
        self._pods = self.caches.of(PODS)
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        """Look around until cancelled."""
        await self._nodes.synced.wait()
        await self._pods.synced.wait()
        while True:
            try:
                await self.collect()
            except ApiError:  # the next look is soon
                await asyncio.sleep(0)
            await self.clock.sleep(_CHECK_SECONDS)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Nothing is ever queued."""

    async def collect(self) -> None:
        """One look at all pods."""
        ended, leaving, nodes = [], [], set()
        pods = self._pods.all()
        for pod in pods:
            nodes.add(pod["spec"].get("nodeName", ""))
            if "deletionTimestamp" in pod["metadata"]:
                leaving.append(pod)
            if is_terminal(pod):
                ended.append(pod)
        gone = await self._gone_nodes(nodes - {""})
        for pod in pods if gone else ():
            if pod["spec"].get("nodeName") in gone:
                await self._force(pod, lost_node=True)
        for pod in leaving:
            node = pod["spec"].get("nodeName", "")
            if not node or self._is_out_of_service(node):
                await self._force(pod)
        ended.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        for pod in ended[: max(0, len(ended) - _MOST_TERMINATED)]:
            await self._force(pod)

    async def _gone_nodes(self, named: set[str]) -> set[str]:
        """The nodes that pods are bound to and that have been missing for long enough, also for the server."""
        now = self.clock.monotonic()
        missing = {name for name in named if self._nodes.get("", name) is None}
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        due = [name for name, since in self._missing_since.items() if now - since >= _QUARANTINE_SECONDS]
        return {name for name in due if not await self._exists(name)}

    async def _exists(self, node: str) -> bool:
        try:
            await self.client.get(NODES, node)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def _is_out_of_service(self, name: str) -> bool:
        node = self._nodes.get("", name)
        if node is None or (condition(node, "Ready") or {}).get("status") == "True":
            return False
        return any(item["key"] == _OUT_OF_SERVICE for item in node.get("spec", {}).get("taints") or ())

    async def _force(self, pod: Object, *, lost_node: bool = False) -> None:
        """Mark the pod as failed unless it has ended, then delete it without grace."""
        metadata = pod["metadata"]
        body: dict[str, Any] = {"metadata": {"uid": metadata["uid"]}, "status": {"phase": "Failed"}}
        if lost_node:
            body["status"]["conditions"] = [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "lastTransitionTime": self.clock.timestamp(),
                    "reason": "DeletionByPodGC",
                    "message": "PodGC: node no longer exists",
                }
            ]
        try:
            if not is_terminal(pod):
                await self.client.patch(
                    PODS,
                    metadata["name"],
                    body,
                    metadata["namespace"],
                    subresource="status",
                    content_type=STRATEGIC_MERGE_PATCH,
                )
            await self.client.delete(
                PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_period_seconds=0
            )
        except ApiError as error:
            if error.code != 404:
                raise
