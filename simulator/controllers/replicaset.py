"""Keeps as many pods of one template as a ReplicaSet asks for.

After pkg/controller/replicaset/replica_set.go in Kubernetes v1.36: pods are created in batches that double,
the first failure ends the batch and is reported as FailedCreate and as the condition ReplicaFailure.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.pod_control import PodControl, pod_from
from simulator.controllers.pods import deletion_order, is_terminal, seconds_until_available
from simulator.event_recorder import EventSource
from simulator.informer import Object
from simulator.resources import PODS, REPLICA_SETS

_SOURCE = EventSource("replicaset-controller")


class ReplicaSetController(Controller):
    """ReplicaSet → Pods."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._sets = self.caches.of(REPLICA_SETS)
        self._pods = self.caches.of(PODS)
        self._control = PodControl(context, _SOURCE)
        self.watch_own(self._sets)
        self.watch_owned(self._pods, "ReplicaSet")
        self.watch_orphans(self._pods, self._sets)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Create or delete pods, then report the counts."""
        replica_set = self._sets.get(namespace, name)
        if replica_set is None:
            return
        failure: tuple[str, str] | None = None
        error: ApiError | None = None
        await self._control.claim(replica_set)
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
                body = pod_from(replica_set, replica_set["spec"]["template"])
                await self._control.create_all(replica_set, [body] * (wanted - len(active)))
            elif len(active) > wanted:
                for pod in deletion_order(active)[: len(active) - wanted]:
                    await self._control.delete(replica_set, pod)
        except ApiError as error:
            return ("FailedCreate" if len(active) < wanted else "FailedDelete", error.message), error
        return None, None

    def _active_pods(self, replica_set: Object) -> list[Object]:
        return _active(self._control.owned_by(replica_set))

    async def _report(self, replica_set: Object, failure: tuple[str, str] | None) -> None:
        status = self._status(replica_set, failure)
        if status != replica_set.get("status", {}):
            await self.update_status(REPLICA_SETS, replica_set, status)

    def _status(self, replica_set: Object, failure: tuple[str, str] | None) -> dict[str, Any]:
        spec, owned = replica_set["spec"], self._control.owned_by(replica_set)
        pods = _active(owned)
        labels = (spec["template"]["metadata"].get("labels") or {}).items()
        full = [pod for pod in pods if labels <= (pod["metadata"].get("labels") or {}).items()]
        waits = [seconds_until_available(pod, spec.get("minReadySeconds", 0), self.clock) for pod in pods]
        later = [wait for wait in waits if wait]
        if later:
            metadata = replica_set["metadata"]
            self.queue.add_after((metadata["namespace"], metadata["name"]), min(later))
        counts = {
            "fullyLabeledReplicas": len(full),
            "readyReplicas": len(waits) - waits.count(None),
            "availableReplicas": waits.count(0),
            "observedGeneration": replica_set["metadata"].get("generation", 0),
        }
        terminating = sum(is_deleting(pod) and not is_terminal(pod) for pod in owned)
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


def _active(pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if not is_deleting(pod) and not is_terminal(pod)]
