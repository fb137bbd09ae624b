"""One pod on one node, from its arrival to its removal from the API.

One task a pod. Afterwards it hears that the pod's spec has changed in place, that the pod is to end, or that the
node ends it itself. The status goes out as one strategic merge patch, and only when it differs from the last.
"""

import asyncio
import logging
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiError
from simulator.informer import Object
from simulator.kubelet.container import ContainerWorker, initial_states, role_of
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.pod_resize import PodResize
from simulator.kubelet.pod_run import PodRun
from simulator.kubelet.pod_status import RESIZE_CONDITIONS, Fate, PodFacts, pod_status
from simulator.kubelet.references import References
from simulator.kubelet.signals import Signal
from simulator.kubelet.volume_setup import VolumeSetup
from simulator.node_fit import PodRequests, requests_of
from simulator.resources import PODS

log = logging.getLogger(__name__)

_COALESCE_SECONDS = 0.01
_SANDBOX_SECONDS = 0.3
_EVICTION_GRACE_SECONDS = 1.0


class PodWorker:
    """``run`` is the pod's task; ``end`` tells it that the API wants the pod gone, ``fail`` that the node does."""

    def __init__(self, pod: Object, node: NodeContext) -> None:
        self.pod = pod
        self.node = node
        metadata = pod["metadata"]
        self._name, self._namespace, self._uid = metadata["name"], metadata["namespace"], metadata["uid"]
        self.init, self.regular = initial_states(pod)
        self._dirty = Signal()
        self._deleted = Signal()
        self._written: dict[str, Any] = pod.get("status") or {}
        self._started_at = self._written.get("startTime") or node.clock.timestamp()
        self._over = False
        self._fate: Fate | None = None
        references = References(node.client, self._namespace, self._name)
        self._run = PodRun(pod, node, references, self._dirty.set)
        self.workers = [
            *(ContainerWorker(self._run, state, role=role_of(state.spec)) for state in self.init),
            *(ContainerWorker(self._run, state) for state in self.regular),
        ]
        self._resize = PodResize(self._run, self.workers)
        self._requests = requests_of(pod)
        self._take_over()

    @property
    def address(self) -> str:
        """The pod's IP; empty before it has one."""
        return self._run.ip

    @property
    def requests(self) -> PodRequests:
        """What it asks of its node; nothing once it is over."""
        return self._requests if self.is_active else PodRequests()

    @property
    def is_active(self) -> bool:
        """Whether it still uses the node."""
        return not self._over

    def _take_over(self) -> None:
        """Containers that an earlier kubelet process ran are started again, and counted."""
        known = {item["name"]: item for item in self._written.get("containerStatuses") or ()}
        for state in self.regular:
            status = known.get(state.name)
            if status is not None and status.get("containerID"):
                state.container_id = status["containerID"]
                state.restart_count = status.get("restartCount", 0)
                state.last_state = status.get("lastState") or {}

    def end(self, grace_seconds: float) -> None:
        """The pod has a deletion timestamp: stop its containers within the grace period."""
        self._run.grace_seconds = grace_seconds
        self._deleted.set()
        self._run.ending.set()

    def fail(self, fate: Fate, *, grace_seconds: float = _EVICTION_GRACE_SECONDS) -> None:
        """The node ends it: the pod stays in the API as Failed, for whoever owns it."""
        if self._fate is None and not self._run.ending.is_set():
            self._fate = fate
            self._run.grace_seconds = grace_seconds
            self._run.ending.set()

    def refuse(self, fate: Fate) -> None:
        """The node does not admit it: it fails without having run."""
        self.warn(fate.reason, fate.message.removeprefix("Pod was rejected: "))
        self.fail(fate, grace_seconds=0.0)

    def warn(self, reason: str, message: str) -> None:
        """A Warning about the pod."""
        self._run.warn(reason, message)

    def update(self, pod: Object) -> None:
        """The pod's object has changed: an image, resources, a deadline or its metadata."""
        before, self.pod = self.pod, pod
        self._run.pod = pod
        if before["spec"] != pod["spec"]:
            self._resize.apply(before)
            self._requests = requests_of(pod)
            self._dirty.set()
        self._reconcile(pod)

    def _reconcile(self, pod: Object) -> None:
        """Somebody else has set whether it is ready, as the controller of silent nodes does: what is true is written
        again, as ``needsReconcile`` of pkg/kubelet/status/status_manager.go has it. A state from before the last
        write is no such thing.
        """
        ours, theirs = (_readiness(status) for status in (self._written, pod.get("status") or {}))
        if ours is None or theirs is None or ours["status"] == theirs["status"]:
            return
        if (theirs.get("lastTransitionTime") or "") >= (ours.get("lastTransitionTime") or ""):
            self._written = self._written | {"conditions": pod["status"]["conditions"]}
            self._dirty.set()

    def room_was_made(self) -> None:
        """Another pod has left the node: a deferred resize may fit now."""
        if self._resize.retry():
            self._dirty.set()

    async def run(self) -> None:
        """Live; then, if the API asked for it, remove the pod."""
        writer = asyncio.create_task(self._write_changes())
        deadline = asyncio.create_task(self._watch_deadline())
        try:
            self._dirty.set()
            await self._live()
            self._over = True
            self._dirty.set()
            await self._deleted.wait()
        finally:
            for task in (writer, deadline):
                task.cancel()
            await asyncio.gather(writer, deadline, return_exceptions=True)
        await self._remove()

    async def _watch_deadline(self) -> None:
        """activeDeadlineSeconds, as pkg/kubelet/active_deadline.go; it may be set later and then only shortened."""
        began = self.node.clock.monotonic()
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or await self._run.pause(began + seconds - self.node.clock.monotonic()) or self._over:
            return
        text = "Pod was active on the node longer than the specified deadline"
        tell, _ = self._run.reporter("")
        tell("DeadlineExceeded", text)
        self.fail(Fate("DeadlineExceeded", text), grace_seconds=self._run.grace_seconds)

    async def _live(self) -> None:
        if not await VolumeSetup(self._run).run():
            return
        if await self._run.pause(_SANDBOX_SECONDS):
            return
        self._run.ip = self.node.take_address()
        self._dirty.set()
        names = [item.name for item in self.init if role_of(item.spec) == "sidecar"] + [i.name for i in self.regular]
        self._run.ended = {name: Signal() for name in names}
        async with asyncio.TaskGroup() as group:
            if await self._initialize(group):
                await self._run_regular()
            self._run.drained.set()
            for name in names:
                self._run.ended[name].set() if name in {item.name for item in self.regular} else None

    async def _initialize(self, group: asyncio.TaskGroup) -> bool:
        """Init containers in their order; True when the others may start. Sidecars run on in ``group``."""
        for worker in self.workers[: len(self.init)]:
            if role_of(worker.state.spec) == "sidecar":
                group.create_task(worker.run())
                if not await self._has_started(worker):
                    return False
                continue
            await worker.run()
            ended = worker.state.terminated
            if self._run.ending.is_set() or ended is None or ended["exitCode"] != 0:
                return False
        return True

    async def _has_started(self, sidecar: ContainerWorker) -> bool:
        while not (sidecar.state.is_running and sidecar.state.started):
            if await self._run.pause(0.2):
                return False
        return True

    async def _run_regular(self) -> None:
        workers = self.workers[len(self.init) :]
        if len(workers) == 1:  # most pods: they need no task besides their own
            await workers[0].run()
            return
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.run())

    async def _write_changes(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_COALESCE_SECONDS)
            self._dirty.clear()
            if not await self._write_status():
                await self.node.clock.sleep(1.0)
                self._dirty.set()

    async def _write_status(self) -> bool:
        """Patch what differs; False when it should be tried again."""
        status = self._status()
        changed = {key: value for key, value in status.items() if self._written.get(key) != value}
        if not changed:
            return True
        merged = {"conditions": self._condition_patch(status["conditions"])} if "conditions" in changed else {}
        body = {"metadata": {"uid": self._uid}, "status": changed | merged}
        try:
            await self.node.client.patch(
                PODS,
                self._name,
                body,
                self._namespace,
                subresource="status",
                content_type=STRATEGIC_MERGE_PATCH,
            )
        except ApiError as error:
            log.debug("status of %s/%s: %s", self._namespace, self._name, error)
            return error.code in (404, 409)  # gone, or another pod of that name
        self._written = self._written | changed
        return True

    def _condition_patch(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A merge keeps what it is not told of: old reasons, and the conditions of a resize that is done."""
        before = {item["type"]: item for item in self._written.get("conditions") or ()}
        now = {item["type"] for item in wanted}
        gone = [{"type": kind, "$patch": "delete"} for kind in RESIZE_CONDITIONS if kind in before and kind not in now]
        return [dict.fromkeys(before.get(item["type"], ())) | item for item in wanted] + gone

    def _status(self) -> dict[str, Any]:
        facts = PodFacts(
            self.pod,
            self.node.address,
            self._run.ip,
            self._started_at,
            self._over and (self._fate is not None or all(item.terminated for item in self.regular)),
            self.node.clock.timestamp(),
            self._fate,
            self._resize.condition,
        )
        return pod_status(facts, self.init, self.regular, self._written)

    async def _remove(self) -> None:
        """Write the last state, then confirm the deletion, until the server knows."""
        self.node.images.pull_backoff.forget(self._uid)
        await self._write_status()
        while True:
            try:
                await self.node.client.delete(PODS, self._name, self._namespace, uid=self._uid, grace_period_seconds=0)
            except ApiError as error:
                if error.code not in (404, 409):
                    await self.node.clock.sleep(1.0)
                    continue
            return


def _readiness(status: Object) -> Object | None:
    return next((item for item in status.get("conditions") or () if item["type"] == "Ready"), None)
