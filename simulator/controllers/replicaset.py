"""Keeps as many pods of one template as a ReplicaSet asks for.

After pkg/controller/replicaset/replica_set.go in Kubernetes v1.36: pods are created in batches that double,
the first failure ends the batch and is reported as FailedCreate and as the condition ReplicaFailure.
"""

import asyncio
from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import (
    Controller,
    ControllerContext,
    controller_reference,
    is_deleting,
)
from simulator.controllers.pods import deletion_order, is_ready, is_terminal, seconds_until_available
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object
from simulator.resources import PODS, REPLICA_SETS

_SOURCE = EventSource("replicaset-controller")


class ReplicaSetController(Controller):
    """ReplicaSet → Pods."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._sets = self.caches.of(REPLICA_SETS)
        self._pods = self.caches.of(PODS)
        self.watch_own(self._sets)
        self.watch_owned(self._pods, "ReplicaSet")

    async def reconcile(self, namespace: str, name: str) -> None:
        """Create or delete pods, then report the counts."""
        replica_set = self._sets.get(namespace, name)
        if replica_set is None:
            return
        failure: tuple[str, str] | None = None
        error: ApiError | None = None
        if not is_deleting(replica_set):
            failure, error = await self._scale(replica_set)
        await self._report(replica_set, failure)
        if error is not None:
            raise error

    async def _scale(self, replica_set: Object) -> tuple[tuple[str, str] | None, ApiError | None]:
        active = self._active_pods(replica_set)
        wanted = replica_set["spec"].get("replicas", 1)
        try:
            if len(active) < wanted:
                await self._create_pods(replica_set, wanted - len(active))
            elif len(active) > wanted:
                for pod in deletion_order(active)[: len(active) - wanted]:
                    await self._delete_pod(replica_set, pod)
        except ApiError as error:
            return ("FailedCreate" if len(active) < wanted else "FailedDelete", error.message), error
        return None, None

    async def _create_pods(self, replica_set: Object, missing: int) -> None:
        batch = 1
        while missing > 0:
            size = min(batch, missing)
            tasks = [self._create_pod(replica_set) for _ in range(size)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            missing -= size
            batch *= 2

    async def _create_pod(self, replica_set: Object) -> None:
        involved = reference_to(replica_set)
        try:
            created = await self.client.create(PODS, pod_from(replica_set))
        except ApiError as error:
            if not (error.reason == "Forbidden" and "is being terminated" in error.message):
                self.recorder.warning(_SOURCE, involved, "FailedCreate", f"Error creating: {error.message}")
            raise
        self._pods.observe(created)
        self.recorder.normal(_SOURCE, involved, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    async def _delete_pod(self, replica_set: Object, pod: Object) -> None:
        metadata, involved = pod["metadata"], reference_to(replica_set)
        try:
            answer = await self.client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if error.code == 404:
                self._pods.forget(pod)
                return
            self.recorder.warning(_SOURCE, involved, "FailedDelete", f"Error deleting: {error.message}")
            raise
        if answer.get("kind") == "Pod" and metadata_names_node(answer):
            self._pods.observe(answer)
        else:
            self._pods.forget(pod)
        self.recorder.normal(_SOURCE, involved, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _owned_pods(self, replica_set: Object) -> list[Object]:
        return self._pods.owned_by(replica_set["metadata"]["uid"])

    def _active_pods(self, replica_set: Object) -> list[Object]:
        return [pod for pod in self._owned_pods(replica_set) if not is_deleting(pod) and not is_terminal(pod)]

    async def _report(self, replica_set: Object, failure: tuple[str, str] | None) -> None:
        status = self._status(replica_set, failure)
        if status != replica_set.get("status", {}):
            await self.update_status(REPLICA_SETS, replica_set, status)

    def _status(self, replica_set: Object, failure: tuple[str, str] | None) -> dict[str, Any]:
        spec, pods = replica_set["spec"], self._active_pods(replica_set)
        labels = spec["template"]["metadata"].get("labels") or {}
        full = [pod for pod in pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
        waits = [seconds_until_available(pod, spec.get("minReadySeconds", 0), self.clock) for pod in pods]
        later = [wait for wait in waits if wait]
        if later:
            metadata = replica_set["metadata"]
            self.queue.add_after((metadata["namespace"], metadata["name"]), min(later))
        counts = {
            "fullyLabeledReplicas": len(full),
            "readyReplicas": sum(is_ready(pod) for pod in pods),
            "availableReplicas": sum(wait == 0 for wait in waits),
            "observedGeneration": replica_set["metadata"].get("generation", 0),
        }
        terminating = sum(is_deleting(pod) and not is_terminal(pod) for pod in self._owned_pods(replica_set))
        status: dict[str, Any] = {"replicas": len(pods)}
        status |= {key: value for key, value in counts.items() if value}
        status["terminatingReplicas"] = terminating
        conditions = self._conditions(replica_set, failure)
        return status | ({"conditions": conditions} if conditions else {})

    def _conditions(self, replica_set: Object, failure: tuple[str, str] | None) -> list[dict[str, Any]]:
        current = replica_set.get("status", {}).get("conditions") or []
        others = [item for item in current if item["type"] != "ReplicaFailure"]
        if failure is None:
            return others
        same = [item for item in current if item["type"] == "ReplicaFailure" and item["reason"] == failure[0]]
        return others + (same or [self._failure_condition(*failure)])

    def _failure_condition(self, reason: str, message: str) -> dict[str, Any]:
        return {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": self.clock.timestamp(),
            "reason": reason,
            "message": message,
        }


def pod_from(replica_set: Object) -> Object:
    """The pod that the ReplicaSet's template describes, owned by it."""
    metadata, template = replica_set["metadata"], replica_set["spec"]["template"]
    meta = {
        "generateName": f"{metadata['name']}-",
        "namespace": metadata["namespace"],
        "labels": template["metadata"].get("labels") or {},
        "ownerReferences": [controller_reference(replica_set)],
    }
    if template["metadata"].get("annotations"):
        meta["annotations"] = template["metadata"]["annotations"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def metadata_names_node(pod: Object) -> bool:
    """Whether a kubelet still has to end this deleted pod; one without a node is gone at once."""
    return bool(pod["spec"].get("nodeName")) and is_deleting(pod)
