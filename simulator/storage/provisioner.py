"""Makes a volume for each claim that asks for it, and deletes those that are given back.

Plays the external provisioner of a storage vendor: the controller-manager marks a claim with the provisioner of its
class, and we answer. Behind a volume there is nothing but its name, and how much stands on it
(``simulator.kubelet.filling``). The class
`standard`, the default one, comes with it unless the cluster has a default class already.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object
from simulator.storage.kinds import (
    BETA_PROVISIONER,
    CLAIMS,
    CLASSES,
    DEFAULT_CLASS,
    HOSTPATH,
    PROVISIONED_BY,
    PROVISIONER,
    VOLUMES,
)
from simulator.storage.matching import annotations_of, claim_reference, class_of, waits_for_consumer, was_given_node

_SOURCE = EventSource(HOSTPATH)
_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
STANDARD = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}},
    "provisioner": HOSTPATH,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}


class Provisioner(Controller):
    """Keys without a namespace are volumes."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._claims = self.caches.of(CLAIMS)
        self._volumes = self.caches.of(VOLUMES)
        self._classes = self.caches.of(CLASSES)
        self.watch_own(self._claims)
        self.watch_own(self._volumes)

    async def reconcile(self, namespace: str, name: str) -> None:
        if namespace:
            claim = self._claims.get(namespace, name)
            if claim is not None:
                await self._provision(claim)
            return
        volume = self._volumes.get("", name)
        if volume is not None and annotations_of(volume).get(PROVISIONED_BY) == HOSTPATH:
            await self._give_back(volume)

    async def create_standard_class(self) -> None:
        """Unless there is a default class, or one of that name. Raises ApiError."""
        listed = (await self.client.list(CLASSES))["items"]
        if any(annotations_of(item).get(DEFAULT_CLASS) == "true" for item in listed):
            return
        try:
            await self.client.create(CLASSES, STANDARD)
        except ApiError as error:
            if error.code != 409:
                raise

    async def _provision(self, claim: Object) -> None:
        storage_class = self._classes.get("", class_of(claim))
        if not self._is_asked(claim) or storage_class is None:
            return
        if waits_for_consumer(claim, storage_class) and not was_given_node(claim):
            return
        name = f"pvc-{claim['metadata']['uid']}"
        if self._volumes.get("", name) is not None:
            return
        where = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
        begun = f'External provisioner is provisioning volume for claim "{where}"'
        self.recorder.normal(_SOURCE, reference_to(claim), "Provisioning", begun)
        try:
            self._volumes.observe(await self.client.create(VOLUMES, _volume(name, claim, storage_class)))
        except ApiError as error:
            if error.code != 409:
                raise
        made = f"Successfully provisioned volume {name}"
        self.recorder.normal(_SOURCE, reference_to(claim), "ProvisioningSucceeded", made)

    def _is_asked(self, claim: Object) -> bool:
        marks = annotations_of(claim)
        asked = marks.get(PROVISIONER) or marks.get(BETA_PROVISIONER)
        return asked == HOSTPATH and not claim["spec"].get("volumeName") and not is_deleting(claim)

    async def _give_back(self, volume: Object) -> None:
        metadata = volume["metadata"]
        released = (volume.get("status") or {}).get("phase") == "Released"
        if volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            return
        if released and not is_deleting(volume):
            self._volumes.observe(await self.client.delete(VOLUMES, metadata["name"], uid=metadata["uid"]))
        elif is_deleting(volume) and _FINALIZER in (metadata.get("finalizers") or ()):
            kept = [item for item in metadata["finalizers"] if item != _FINALIZER]
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}}
            self._volumes.observe(await self.client.patch(VOLUMES, metadata["name"], patch))


def _volume(name: str, claim: Object, storage_class: Object) -> Object:
    spec: dict[str, Any] = claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: HOSTPATH}, "finalizers": [_FINALIZER]},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": claim_reference(claim),
            "csi": {"driver": HOSTPATH, "volumeHandle": claim["metadata"]["uid"]},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            **({"mountOptions": storage_class["mountOptions"]} if storage_class.get("mountOptions") else {}),
        },
    }
