"""Claims that a pod states within itself: made with the pod and owned by it.

After pkg/controller/volume/ephemeral/controller.go in Kubernetes v1.36.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, controller_reference, is_deleting
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, key_of
from simulator.resources import PODS
from simulator.storage.kinds import CLAIMS

_SOURCE = EventSource("ephemeral_volume")


class EphemeralVolumes(Controller):
    """Creates what is missing; that it goes with its pod is the garbage collector's part."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._pods = self.caches.of(PODS)
        self._claims = self.caches.of(CLAIMS)
        self._pods.on_change(self._pod_changed)
        self.watch_owned(self._claims, "Pod")

    async def reconcile(self, namespace: str, name: str) -> None:
        pod = self._pods.get(namespace, name)
        if pod is None or is_deleting(pod):
            return
        for volume in pod["spec"].get("volumes") or ():
            if volume.get("ephemeral") is not None:
                await self._ensure(pod, volume)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None and any("ephemeral" in item for item in new["spec"].get("volumes") or ()):
            self.queue.add(key_of(new))

    async def _ensure(self, pod: Object, volume: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        name = f"{metadata['name']}-{volume['name']}"
        claim = self._claims.get(metadata["namespace"], name)
        if claim is None:
            await self._create(pod, name, volume)
        elif all(item["uid"] != metadata["uid"] for item in claim["metadata"].get("ownerReferences") or ()):
            problem = f"PVC {metadata['namespace']}/{name} was not created for pod "
            problem += f"{metadata['namespace']}/{metadata['name']} (pod is not owner)"
            self._warn(pod, volume, problem)
            self.queue.retry(key_of(pod))

    async def _create(self, pod: Object, name: str, volume: dict[str, Any]) -> None:
        template = volume["ephemeral"].get("volumeClaimTemplate") or {}
        given = template.get("metadata") or {}
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": pod["metadata"]["namespace"],
                "annotations": given.get("annotations") or {},
                "labels": given.get("labels") or {},
                "ownerReferences": [controller_reference(pod)],
            },
            "spec": template.get("spec") or {},
        }
        try:
            self._claims.observe(await self.client.create(CLAIMS, body))
        except ApiError as error:
            self._warn(pod, volume, f"create PVC {name}: {error.message}")
            raise

    def _warn(self, pod: Object, volume: dict[str, Any], problem: str) -> None:
        message = f"ephemeral volume {volume['name']}: {problem}"
        self.recorder.warning(_SOURCE, reference_to(pod), "FailedBinding", message)
