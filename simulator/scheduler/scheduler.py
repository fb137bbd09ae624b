"""Gives pods without a node a node, one after the other, each on what the last one left.

Filters, words, preemption and queue are those of kube-scheduler, each in a module of its own; the score is its order
of wishes (``scoring``). A pod whose volumes wait for it is counted on its node while they are bound.
"""

import asyncio
import contextlib
import random
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, ApiError
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, EventSource, reference_to
from simulator.informer import Object, ObjectKey, controller_of
from simulator.resources import PODS
from simulator.scheduler.attempt import Attempt
from simulator.scheduler.board import NodeInfo
from simulator.scheduler.eviction import Evictions
from simulator.scheduler.known import Known, waits
from simulator.scheduler.preemption import Victims, find_victims
from simulator.scheduler.queue import SchedulingQueue
from simulator.scheduler.scoring import best
from simulator.scheduler.verdicts import Refusals
from simulator.scheduler.volume_binding import VolumeBinder, VolumeBindingError
from simulator.scheduler.volumes import Binding

_NAME, _INSTANCE = "default-scheduler", "embedded"
_BINDING = EventSource(_NAME, _INSTANCE, action="Binding")
_SCHEDULING = EventSource(_NAME, _INSTANCE, action="Scheduling")


async def run_scheduler(client: ApiClient, clock: SimClock, *, seed: int = 0) -> None:
    """Schedule until cancelled. ``client`` speaks as system:kube-scheduler; ``seed`` breaks ties."""
    async with asyncio.TaskGroup() as group:
        await Scheduler(client, clock, group, seed=seed).run()


class Scheduler:
    """One queue, one worker; only volumes are waited for on the side."""

    def __init__(self, client: ApiClient, clock: SimClock, group: asyncio.TaskGroup, *, seed: int = 0) -> None:
        self._client = client
        self._clock = clock
        self._group = group
        self._dice = random.Random(seed)
        self._recorder = EventRecorder(client, clock)
        self._queue = SchedulingQueue(clock)
        self._known = Known(client, clock, self._queue)
        self._volumes = VolumeBinder(client, clock, self._known)
        self._evictions = Evictions(client, clock, self._recorder, self._known)

    async def run(self) -> None:
        """Work on the queue until cancelled."""
        self._group.create_task(self._recorder.run())
        for informer in self._known.informers:
            self._group.create_task(informer.run())
        await self._known.synced()
        while True:
            key = await self._queue.get()
            try:
                await self._schedule(key)
            except ApiError:
                self._queue.fail(key)

    async def _schedule(self, key: ObjectKey) -> None:
        pod = self._known.pods.get(*key)
        if pod is None or not waits(pod):
            self._queue.drop(key)
            return
        if not self._known.board.nodes:
            await self._refuse(key, pod, "no nodes available to schedule pods", frozenset([""]))
            return
        board = self._evictions.board_for(pod)
        attempt = Attempt(pod, board, self._known, self._known.namespace_labels())
        fitting, refusals = attempt.refusals()
        if fitting:
            await self._place(key, attempt, self._best(attempt, fitting))
        else:
            await self._make_room(key, attempt, refusals)

    def _best(self, attempt: Attempt, fitting: list[NodeInfo]) -> NodeInfo:
        promised = (attempt.pod.get("status") or {}).get("nominatedNodeName")
        for info in fitting:
            if len(fitting) == 1 or info.name == promised:
                return info
        owner = controller_of(attempt.pod)
        siblings = self._known.pods.owned_by(owner["uid"]) if owner is not None else []
        return best(attempt, fitting, siblings, self._dice)

    async def _place(self, key: ObjectKey, attempt: Attempt, info: NodeInfo) -> None:
        pod = attempt.pod
        binding = attempt.claims.binding(info.node)
        self._evictions.settled(pod)
        if not binding:
            await self._bind(pod, info.name)
            return
        await self._volumes.reserve(info.name, binding)
        self._known.board.set_pod(pod | {"spec": pod["spec"] | {"nodeName": info.name}})
        self._group.create_task(self._bind_with_volumes(key, pod, info.name, binding))

    async def _bind_with_volumes(self, key: ObjectKey, pod: Object, node: str, binding: Binding) -> None:
        try:
            pod = await self._change(pod, {"nominatedNodeName": node})
            await self._volumes.wait(pod, node, binding)
            await self._bind(pod, node)
        except (VolumeBindingError, ApiError) as error:
            self._known.board.drop_pod(pod["metadata"]["uid"])
            message = f'running PreBind plugin "VolumeBinding": binding volumes: {error}'
            await self._report_failure(key, pod, message)

    async def _report_failure(self, key: ObjectKey, pod: Object, message: str) -> None:
        self._recorder.warning(_SCHEDULING, reference_to(pod), "FailedScheduling", message)
        with contextlib.suppress(ApiError):  # the pod is gone, or the next attempt will say it again
            await self._report(pod, message, "SchedulerError")
        self._queue.fail(key)

    async def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        names = {key: metadata[key] for key in ("name", "namespace", "uid")}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": names, "target": target}
        path = PODS.path(metadata["namespace"], metadata["name"], "binding")
        await self._client.request("POST", path, body=body)
        # Counted as placed at once: the next pod must see the room it takes.
        self._known.pods.observe(pod | {"spec": pod["spec"] | {"nodeName": node}, "metadata": _newer(metadata)})
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self._recorder.normal(_BINDING, reference_to(pod), "Scheduled", message)

    async def _make_room(self, key: ObjectKey, attempt: Attempt, refusals: Refusals) -> None:
        found = find_victims(attempt, refusals, self._known.budgets())
        if isinstance(found, Victims):
            await self._refuse(key, attempt.pod, refusals.message(), refusals.plugins, nominated=found.node)
            await self._evictions.evict(attempt.pod, found)
            return
        keep = None if "terminating pod on the nominated node" in found else ""
        await self._refuse(key, attempt.pod, refusals.message(found), refusals.plugins, nominated=keep)

    async def _refuse(
        self, key: ObjectKey, pod: Object, message: str, plugins: frozenset[str], *, nominated: str | None = None
    ) -> None:
        """``nominated``: the node promised to the pod from now on, empty for none; None leaves it as it is."""
        self._recorder.warning(_SCHEDULING, reference_to(pod), "FailedScheduling", message)
        self._queue.park(key, plugins)
        await self._report(pod, message, "Unschedulable", nominated)

    async def _report(self, pod: Object, message: str, reason: str, nominated: str | None = None) -> None:
        status = pod.get("status") or {}
        current: dict[str, Any] = next(
            (item for item in status.get("conditions") or () if item["type"] == "PodScheduled"), {}
        )
        condition = {"status": "False", "reason": reason, "message": message}
        changes: dict[str, Any] = {}
        if any(current.get(key) != value for key, value in condition.items()):
            changes["conditions"] = [self._condition(pod, current) | condition]
        if nominated is not None and nominated != (status.get("nominatedNodeName") or ""):
            changes["nominatedNodeName"] = nominated or None
        if changes:
            await self._change(pod, changes)

    async def _change(self, pod: Object, status: dict[str, Any]) -> Object:
        """Patch a pod's status and take the answer in."""
        metadata = pod["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
        answer = await self._client.patch(
            PODS, name, patch, namespace, subresource="status", content_type=STRATEGIC_MERGE_PATCH
        )
        self._known.pods.observe(answer)
        return answer

    def _condition(self, pod: Object, current: dict[str, Any]) -> dict[str, Any]:
        since = current.get("lastTransitionTime") if current.get("status") == "False" else None
        return {
            "type": "PodScheduled",
            "lastProbeTime": None,
            "lastTransitionTime": since or self._clock.timestamp(),
            "observedGeneration": pod["metadata"].get("generation"),
        }


def _newer(metadata: dict[str, Any]) -> dict[str, Any]:
    return metadata | {"resourceVersion": str(int(metadata["resourceVersion"]) + 1)}
