"""Gives pods without a node a node: fits requests, honours selectors, taints and cordons.

The filters run in the order of kube-scheduler's and speak its words; the score is its default idea reduced
to one number (least allocated, then the fewest pods of the same owner). Nothing is preempted, so the last
part of a FailedScheduling message always says that preemption does not help.
"""

import asyncio
import random
from collections import Counter
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, EventSource, reference_to
from simulator.informer import Informer, Object, controller_of, key_of
from simulator.node_fit import PodRequests, Refusal, refusal, requests_of, usage_by_node
from simulator.resources import NODES, PODS
from simulator.workqueue import WorkQueue

_BINDING = EventSource("default-scheduler", "embedded", action="Binding")
_SCHEDULING = EventSource("default-scheduler", "embedded", action="Scheduling")
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 10.0
_FLUSH_SECONDS = 300.0
"""How long an unschedulable pod waits at most when nothing in the cluster changes."""


async def run_scheduler(client: ApiClient, clock: SimClock, *, seed: int = 0) -> None:
    """Schedule until cancelled. ``client`` speaks as system:kube-scheduler; ``seed`` breaks ties."""
    scheduler = Scheduler(client, clock, seed=seed)
    async with asyncio.TaskGroup() as group:
        for task in scheduler.tasks():
            group.create_task(task)


class Scheduler:
    """One queue, one worker: decisions are made one after the other, each on what the last one left."""

    def __init__(self, client: ApiClient, clock: SimClock, *, seed: int = 0) -> None:
        self._client = client
        self._clock = clock
        self._random = random.Random(seed)
        self._recorder = EventRecorder(client, clock)
        self._pods = Informer(client, PODS, clock=clock)
        self._nodes = Informer(client, NODES, clock=clock)
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue(clock)
        self._refused: dict[tuple[str, str], int] = {}
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def tasks(self) -> list[Any]:
        """The coroutines that make it work; run them together."""
        return [self._recorder.run(), self._pods.run(), self._nodes.run(), self._work()]

    async def _work(self) -> None:
        await self._pods.synced.wait()
        await self._nodes.synced.wait()
        while True:
            key = await self._queue.get()
            try:
                await self._schedule(key)
            except ApiError:
                self._queue.retry(key)
            finally:
                self._queue.done(key)

    async def _schedule(self, key: tuple[str, str]) -> None:
        pod = self._pods.get(*key)
        if pod is None or not _waits(pod):
            self._refused.pop(key, None)
            return
        requests = requests_of(pod)
        usage = usage_by_node(self._pods.all())
        nodes = self._nodes.all()
        refusals = {
            node["metadata"]["name"]: refusal(pod, requests, node, usage.get(node["metadata"]["name"]))
            for node in nodes
        }
        fitting = [node for node in nodes if not refusals[node["metadata"]["name"]].reasons]
        if fitting:
            await self._bind(pod, self._best(pod, fitting, usage))
            self._refused.pop(key, None)
        else:
            await self._refuse(key, pod, refusals)

    def _best(self, pod: Object, nodes: list[Object], usage: dict[str, PodRequests]) -> str:
        owner = controller_of(pod)
        siblings = Counter(
            other["spec"].get("nodeName", "")
            for other in (self._pods.owned_by(owner["uid"]) if owner is not None else [])
        )

        def rank(node: Object) -> tuple[float, ...]:
            name = node["metadata"]["name"]
            used = usage.get(name) or PodRequests()
            return (siblings[name], used.pods, used.memory_bytes, self._random.random())

        return str(min(nodes, key=rank)["metadata"]["name"])

    async def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        path = PODS.path(metadata["namespace"], metadata["name"], "binding")
        await self._client.request("POST", path, body=body)
        # Counted as placed at once: the next pod must see the room it takes.
        self._pods.observe(pod | {"spec": pod["spec"] | {"nodeName": node}, "metadata": _newer(metadata)})
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self._recorder.normal(_BINDING, reference_to(pod), "Scheduled", message)

    async def _refuse(self, key: tuple[str, str], pod: Object, refusals: dict[str, Refusal]) -> None:
        message = _fit_error(refusals)
        self._recorder.warning(_SCHEDULING, reference_to(pod), "FailedScheduling", message)
        await self._report(pod, message)
        self._refused[key] = self._refused.get(key, 0) + 1
        self._queue.add_after(key, _FLUSH_SECONDS)

    async def _report(self, pod: Object, message: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": self._clock.timestamp(),
        }
        current = (pod.get("status", {}).get("conditions")) or []
        same = [item for item in current if item["type"] == "PodScheduled" and item.get("message") == message]
        if same:
            return
        others = [item for item in current if item["type"] != "PodScheduled"]
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [*others, condition]}}
        name, namespace = metadata["name"], metadata["namespace"]
        self._pods.observe(await self._client.patch(PODS, name, patch, namespace, subresource="status"))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _waits(new):
            if old is None or old["spec"] != new["spec"]:
                self._queue.add(key_of(new))
            return
        if new is None:
            self._retry_refused()  # something may have become free

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or _offer(old) != _offer(new)):
            self._retry_refused()

    def _retry_refused(self) -> None:
        for key, tries in self._refused.items():
            pause = min(_FIRST_BACKOFF_SECONDS * 2 ** min(tries - 1, 10), _LONGEST_BACKOFF_SECONDS)
            self._queue.add_after(key, pause)


def _waits(pod: Object) -> bool:
    spec, metadata = pod["spec"], pod["metadata"]
    ours = spec.get("schedulerName", "default-scheduler") == "default-scheduler"
    return ours and not spec.get("nodeName") and not metadata.get("deletionTimestamp")


def _newer(metadata: dict[str, Any]) -> dict[str, Any]:
    return metadata | {"resourceVersion": str(int(metadata["resourceVersion"]) + 1)}


def _offer(node: Object) -> tuple[Any, ...]:
    """What of a node decides whether a pod fits on it; its heartbeat does not."""
    spec = node.get("spec", {})
    return (
        spec.get("unschedulable"),
        spec.get("taints"),
        node["metadata"].get("labels"),
        node.get("status", {}).get("allocatable"),
    )


def _fit_error(refusals: dict[str, Refusal]) -> str:
    """The message of framework.FitError (pkg/scheduler/framework/types.go in Kubernetes v1.36)."""
    total = len(refusals)
    if not total:
        return "no nodes available to schedule pods"
    counts = Counter(reason for item in refusals.values() for reason in item.reasons)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    preemption = Counter(
        "No preemption victims found for incoming pod"
        if item.preemptable
        else "Preemption is not helpful for scheduling"
        for item in refusals.values()
    )
    hopeless = ", ".join(sorted(f"{count} {reason}" for reason, count in preemption.items()))
    where = f"0/{total} nodes are available"
    return f"{where}: {listed}. preemption: {where}: {hopeless}."
