"""Claims and volumes that are asked to go stay while somebody uses them.

After pkg/controller/volume/pvcprotection and pvprotection in Kubernetes v1.36; the API server puts the finalizers on.
"""

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.informer import Object
from simulator.resources import PODS
from simulator.storage.kinds import CLAIMS, VOLUMES
from simulator.storage.matching import claim_names

_CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
_VOLUME_FINALIZER = "kubernetes.io/pv-protection"


class StorageProtection(Controller):
    """Takes the finalizers off. Keys without a namespace are volumes."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._claims = self.caches.of(CLAIMS)
        self._volumes = self.caches.of(VOLUMES)
        self._pods = self.caches.of(PODS)
        self.watch_own(self._claims)
        self.watch_own(self._volumes)
        self._pods.on_change(self._pod_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        if namespace:
            claim = self._claims.get(namespace, name)
            if claim is not None and is_deleting(claim) and not self._is_used(claim):
                await self._release(claim, _CLAIM_FINALIZER)
            return
        volume = self._volumes.get("", name)
        if volume is not None and is_deleting(volume) and (volume.get("status") or {}).get("phase") != "Bound":
            await self._release(volume, _VOLUME_FINALIZER)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and old["spec"].get("volumes"):
            for name, _ in claim_names(old):
                self.queue.add((old["metadata"]["namespace"], name))

    def _is_used(self, claim: Object) -> bool:
        metadata = claim["metadata"]
        pods = self._pods.in_namespace(metadata["namespace"])
        return any(
            pod["spec"].get("nodeName") and any(name == metadata["name"] for name, _ in claim_names(pod))
            for pod in pods
        )

    async def _release(self, obj: Object, finalizer: str) -> None:
        metadata = obj["metadata"]
        found = metadata.get("finalizers") or []
        if finalizer not in found:
            return
        resource = CLAIMS if metadata.get("namespace") else VOLUMES
        kept = [item for item in found if item != finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}}
        try:
            answer = await self.client.patch(resource, metadata["name"], patch, metadata.get("namespace"))
        except ApiError as error:
            if error.code != 404:
                raise
            return
        self.caches.of(resource).observe(answer)
