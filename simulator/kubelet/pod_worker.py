"""One pod on one node, from its arrival to its removal from the API.

One task a pod. It reads the spec once (nothing it reacts to is mutable in a pod) and afterwards only hears that
the pod is to end. The status goes out as one strategic merge patch, and only when it differs from the last.
"""

import asyncio
import logging
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiError
from simulator.event_recorder import reference_to
from simulator.informer import Object
from simulator.kubelet.container import ContainerWorker, PodRun, initial_states
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.pod_status import PodFacts, pod_status
from simulator.kubelet.references import MountError, References, volumes_of
from simulator.resources import PODS

log = logging.getLogger(__name__)

_FIRST_MOUNT_RETRY_SECONDS = 0.5
_LONGEST_MOUNT_RETRY_SECONDS = 122.0
_MOUNT_TIMEOUT_SECONDS = 123.0
_COALESCE_SECONDS = 0.01
_SANDBOX_SECONDS = 0.3


class PodWorker:
    """``run`` is the pod's task; ``end`` tells it that the API wants the pod gone."""

    def __init__(self, pod: Object, node: NodeContext) -> None:
        self.pod = pod
        self.node = node
        metadata = pod["metadata"]
        self._name, self._namespace, self._uid = metadata["name"], metadata["namespace"], metadata["uid"]
        self.init, self.regular = initial_states(pod)
        self._dirty = asyncio.Event()
        self._written: dict[str, Any] = pod.get("status") or {}
        self._started_at = self._written.get("startTime") or node.clock.timestamp()
        self._over = False
        references = References(node.client, self._namespace)
        self._run = PodRun(pod, node, references, self._dirty.set)
        self._take_over()

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
        self._run.ending.set()

    async def run(self) -> None:
        """Live; then, if the API asked for it, remove the pod."""
        writer = asyncio.create_task(self._write_changes())
        try:
            self._dirty.set()
            await self._live()
            self._over = True
            self._dirty.set()
            await self._run.ending.wait()
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        await self._remove()

    async def _live(self) -> None:
        if not await self._mount():
            return
        if await self._run.pause(_SANDBOX_SECONDS):
            return
        self._run.ip = self.node.take_address()
        self._dirty.set()
        for state in self.init:
            await ContainerWorker(self._run, state, is_init=True).run()
            ended = state.terminated
            if self._run.ending.is_set() or ended is None or ended["exitCode"] != 0:
                return
        async with asyncio.TaskGroup() as group:
            for state in self.regular:
                if self.init:
                    state.waiting("PodInitializing")
                group.create_task(ContainerWorker(self._run, state).run())

    async def _mount(self) -> bool:
        """Set every volume up, trying until it works; False when the pod ends first."""
        pause, began = _FIRST_MOUNT_RETRY_SECONDS, self.node.clock.monotonic()
        while True:
            failed = await self._mount_once()
            if not failed:
                return True
            now = self.node.clock.monotonic()
            if now - began > _MOUNT_TIMEOUT_SECONDS:
                self._warn_mount(
                    f"Unable to attach or mount volumes: unmounted volumes=[{' '.join(failed)}], unattached "
                    "volumes=[], failed to process volumes=[]: context deadline exceeded"
                )
                began = now
            if await self._run.pause(pause):
                return False
            pause = min(pause * 2, _LONGEST_MOUNT_RETRY_SECONDS)

    async def _mount_once(self) -> list[str]:
        """The names of the volumes that could not be set up."""
        self._run.references.look_again()
        volumes: dict[str, set[str]] = {}
        failed = []
        for volume in volumes_of(self.pod):
            name = volume["name"]
            try:
                volumes[name] = await self._run.references.files(volume)
            except MountError as error:
                failed.append(name)
                self._warn_mount(f'MountVolume.SetUp failed for volume "{name}" : {error}')
            except ApiError as error:
                failed.append(name)
                log.debug("volume %s of %s/%s: %s", name, self._namespace, self._name, error)
        self._run.volumes = volumes
        return failed

    def _warn_mount(self, message: str) -> None:
        self.node.recorder.warning(self.node.source, reference_to(self.pod), "FailedMount", message)

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
        body = {"metadata": {"uid": self._uid}, "status": changed}
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

    def _status(self) -> dict[str, Any]:
        facts = PodFacts(
            self.pod,
            self.node.address,
            self._run.ip,
            self._started_at,
            self._over and all(item.terminated for item in self.regular),
            self.node.clock.timestamp(),
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
