"""Deletes pods from nodes with NoExecute taints, when the time that they tolerate is over.

After pkg/controller/tainteviction in Kubernetes v1.36.
"""

from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.taints import tolerates
from simulator.event_recorder import EventSource
from simulator.informer import Object, key_of
from simulator.resources import NODES, PODS

_SOURCE = EventSource("taint-eviction-controller")


class TaintEvictionController(Controller):
    """Keys are pods. A pod that may stay for a time is looked at again when that is over."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.caches.of(NODES)
        self._pods = self.caches.of(PODS)
        self._due: dict[tuple[str, str, str], tuple[float, float]] = {}
        """Pod → since when its eviction is planned, and for when; by the cluster's clock."""
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Evict, plan an eviction, or call a planned one off."""
        pod = self._pods.get(namespace, name)
        if pod is None or is_deleting(pod):
            return
        key = namespace, name, pod["metadata"]["uid"]
        allowed = self._tolerated_seconds(pod)
        planned = self._due.get(key)
        if allowed is None:
            if self._due.pop(key, None) is not None:
                self._tell(pod, f"Cancelling deletion of Pod {namespace}/{name}")
            return
        now = self.clock.monotonic()
        since = planned[0] if planned is not None else now
        due = since + allowed if planned is None else min(planned[1], since + allowed)
        if due > now:
            self._due[key] = since, due
            self.queue.add_after((namespace, name), due - now)
            return
        self._due.pop(key, None)
        self._tell(pod, f"Marking for deletion Pod {namespace}/{name}")
        await self._evict(pod)

    def _tolerated_seconds(self, pod: Object) -> float | None:
        """How long the pod may stay; None for ever."""
        node = self._nodes.get("", pod["spec"].get("nodeName", ""))
        taints = _no_execute(node)
        if not taints:
            return None
        tolerations: list[dict[str, Any]] = pod["spec"].get("tolerations") or []
        used = []
        for taint in taints:
            fitting = next((item for item in tolerations if tolerates(item, taint)), None)
            if fitting is None:
                return 0.0
            used.append(fitting)
        limits = [item["tolerationSeconds"] for item in used if item.get("tolerationSeconds") is not None]
        return float(max(0, min(limits))) if limits else None

    async def _evict(self, pod: Object) -> None:
        metadata = pod["metadata"]
        wanted = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastTransitionTime": self.clock.timestamp(),
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        try:
            answer = await self.client.patch(
                PODS,
                metadata["name"],
                {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [wanted]}},
                metadata["namespace"],
                subresource="status",
                content_type=STRATEGIC_MERGE_PATCH,
            )
            self._pods.observe(answer)
            await self.client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if error.code != 404:
                raise

    def _tell(self, pod: Object, message: str) -> None:
        namespace, name = key_of(pod)
        involved = {"kind": "Pod", "apiVersion": "v1", "name": name, "namespace": namespace}
        self.recorder.normal(_SOURCE, involved, "TaintManagerEviction", message)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or _no_execute(old) == _no_execute(new):
            return
        for pod in self._pods.all():
            if pod["spec"].get("nodeName") == new["metadata"]["name"]:
                self.queue.add(key_of(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._due.pop((*key_of(old), old["metadata"]["uid"]), None)
            return
        if old is not None and _placement(old) == _placement(new):
            return
        if _no_execute(self._nodes.get("", new["spec"].get("nodeName", ""))):
            self.queue.add(key_of(new))


def _no_execute(node: Object | None) -> list[dict[str, Any]]:
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return [item for item in taints if item["effect"] == "NoExecute"]


def _placement(pod: Object) -> tuple[Any, Any]:
    return pod["spec"].get("nodeName"), pod["spec"].get("tolerations")
