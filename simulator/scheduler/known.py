"""What the scheduler watches, and what it makes of each change: the board, and who should be looked at again."""

from collections.abc import Iterable
from typing import Any

from simulator.api_client import ApiClient, Resource
from simulator.clock import SimClock
from simulator.informer import Informer, Object, key_of
from simulator.resources import NAMESPACES, NODES, PODS
from simulator.scheduler.board import Board
from simulator.scheduler.preemption import priority_of
from simulator.scheduler.queue import SchedulingQueue
from simulator.storage.kinds import CLAIMS, CLASSES, VOLUMES

_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
_ENDED = ("Succeeded", "Failed")


class Known:
    """The caches. Answers the questions that an attempt asks about volumes and namespaces."""

    def __init__(self, client: ApiClient, clock: SimClock, queue: SchedulingQueue) -> None:
        self.board = Board()
        self.pods = Informer(client, PODS, clock=clock)
        self._queue = queue
        self._nodes = Informer(client, NODES, clock=clock)
        self._namespaces = Informer(client, NAMESPACES, clock=clock)
        self.claims = Informer(client, CLAIMS, clock=clock)
        self.pvs = Informer(client, VOLUMES, clock=clock)
        self._classes = Informer(client, CLASSES, clock=clock)
        self._budgets = Informer(client, _BUDGETS, clock=clock)
        self.informers = (
            self.pods, self._nodes, self._namespaces, self.claims, self.pvs, self._classes, self._budgets,
        )  # fmt: skip
        self.pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        for informer in (self.claims, self.pvs, self._classes):
            informer.on_change(lambda old, new: self._queue.changed("storage"))

    async def synced(self) -> None:
        """Wait until every cache has been filled once."""
        for informer in self.informers:
            await informer.synced.wait()

    def claim(self, namespace: str, name: str) -> Object | None:
        return self.claims.get(namespace, name)

    def volume(self, name: str) -> Object | None:
        return self.pvs.get("", name)

    def storage_class(self, name: str) -> Object | None:
        return self._classes.get("", name)

    def volumes(self) -> Iterable[Object]:
        return self.pvs.all()

    def budgets(self) -> Iterable[Object]:
        return self._budgets.all()

    def namespace_labels(self) -> dict[str, dict[str, str]]:
        """The labels of every namespace."""
        return {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in self._namespaces.all()}

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or new.get("status", {}).get("phase") in _ENDED:
            self._pod_ended(new or old)
        elif new["spec"].get("nodeName"):
            self.board.set_pod(new)
            self._queue.drop(key_of(new))
            if old is None or not old["spec"].get("nodeName") or _labels(old) != _labels(new):
                self._queue.changed("pod placed")
        elif not waits(new):
            self._queue.drop(key_of(new))
        elif old is None or _wish(old) != _wish(new):
            self._queue.add(key_of(new), priority_of(new))

    def _pod_ended(self, pod: Object | None) -> None:
        if pod is not None:
            self.board.drop_pod(pod["metadata"]["uid"])
            self._queue.drop(key_of(pod))
            self._queue.changed("pod gone")

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self.board.drop_node(old["metadata"]["name"] if old is not None else "")
        elif old is None or _offer(old) != _offer(new):
            self.board.set_node(new)
            self._queue.changed("node")


def waits(pod: Object) -> bool:
    """Whether the pod is ours to find a node for."""
    spec, metadata = pod["spec"], pod["metadata"]
    ours = spec.get("schedulerName", "default-scheduler") == "default-scheduler"
    return (
        ours and not spec.get("nodeName") and not metadata.get("deletionTimestamp") and not spec.get("schedulingGates")
    )


def _labels(pod: Object) -> Any:
    return pod["metadata"].get("labels")


def _wish(pod: Object) -> tuple[Any, ...]:
    """What of a waiting pod decides whether it fits; its status does not."""
    return pod["spec"], _labels(pod)


def _offer(node: Object) -> tuple[Any, ...]:
    """What of a node decides whether a pod fits on it; its heartbeat does not."""
    spec = node.get("spec", {})
    return spec.get("unschedulable"), spec.get("taints"), _labels(node), node.get("status", {}).get("allocatable")
