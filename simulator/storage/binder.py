"""The binder of the controller-manager: brings claims and volumes together and gives volumes back.

After pkg/controller/volume/persistentvolume/pv_controller.go in Kubernetes v1.36. Keys without a namespace are volumes.
Recycling and in-tree plugins that make volumes are left out: nothing in here has them.
"""

from typing import Any

from simulator.controllers.controller import Controller, ControllerContext
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, key_of
from simulator.resources import PODS
from simulator.storage.kinds import (
    BETA_PROVISIONER,
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    CLAIMS,
    CLASSES,
    DEFAULT_CLASS,
    NO_PROVISIONER,
    PROVISIONED_BY,
    PROVISIONER,
    VOLUMES,
)
from simulator.storage.matching import (
    annotations_of,
    claim_names,
    class_of,
    is_reserved_for,
    matching_volume,
    misfit,
    same_mode,
    waits_for_consumer,
    was_given_node,
)
from simulator.storage.reclaiming import deletion_problem
from simulator.storage.writing import StorageWriter

_SOURCE = EventSource("persistentvolume-controller")
_RESYNC_SECONDS = 15.0
_NOTHING_SUITS = "no persistent volumes available for this claim and no storage class is set"
_NOT_SUPPORTED = f"no volume plugin matched name: {NO_PROVISIONER}"
_EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner '%s' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)


class VolumeBinder(Controller):
    """Looks at a claim and at a volume alike: whoever changes, both ends are brought into line."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._claims = self.caches.of(CLAIMS)
        self._volumes = self.caches.of(VOLUMES)
        self._classes = self.caches.of(CLASSES)
        self._pods = self.caches.of(PODS)
        self._write = StorageWriter(self.client, self.clock, self._claims, self._volumes)
        self.watch_own(self._claims)
        self.watch_own(self._volumes)
        self._claims.on_change(self._claim_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        if namespace:
            await self._sync_claim(namespace, name)
        else:
            await self._sync_volume(name)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        """What a claim was bound to has to know; and whoever is free may suit another."""
        volume = ((new or old or {}).get("spec") or {}).get("volumeName")
        if volume:
            self.queue.add(("", volume))

    # --- claims ---

    async def _sync_claim(self, namespace: str, name: str) -> None:
        claim = self._claims.get(namespace, name)
        if claim is None:
            return
        if BIND_COMPLETED in annotations_of(claim):
            await self._sync_bound(claim)
        elif claim["spec"].get("volumeName"):
            await self._sync_asked_for(claim, claim["spec"]["volumeName"])
        else:
            await self._sync_unbound(claim)

    async def _sync_unbound(self, claim: Object) -> None:
        storage_class = self._classes.get("", class_of(claim))
        delayed = waits_for_consumer(claim, storage_class)
        volume = matching_volume(claim, self._volumes.all(), delayed=delayed)
        if volume is not None:
            await self._write.bind(volume, claim)
            return
        default = self._default_class() if claim["spec"].get("storageClassName") is None and not class_of(claim) else ""
        if default:
            await self._write.claim(claim, {"spec": {"storageClassName": default}})
            return
        self.queue.add_after(key_of(claim), _RESYNC_SECONDS)
        if delayed and not was_given_node(claim):
            self._tell_who_is_waited_for(claim)
        elif class_of(claim):
            await self._provision(claim, storage_class)
        else:
            self._tell(claim, "FailedBinding", _NOTHING_SUITS)

    async def _provision(self, claim: Object, storage_class: Object | None) -> None:
        if storage_class is None:
            missing = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
            self._warn(claim, "ProvisioningFailed", missing)
            return
        provisioner = storage_class.get("provisioner", "")
        if provisioner == NO_PROVISIONER:
            self._warn(claim, "ProvisioningFailed", _NOT_SUPPORTED)
            return
        if annotations_of(claim).get(PROVISIONER) != provisioner:
            marks = {PROVISIONER: provisioner, BETA_PROVISIONER: provisioner}
            claim = await self._write.claim(claim, {"metadata": {"annotations": marks}})
        self._tell(claim, "ExternalProvisioning", _EXTERNAL % provisioner)

    async def _sync_asked_for(self, claim: Object, name: str) -> None:
        volume = self._volumes.get("", name)
        if volume is None:
            self.queue.add_after(key_of(claim), _RESYNC_SECONDS)
        elif not volume["spec"].get("claimRef"):
            problem = misfit(volume, claim)
            if problem:
                self._warn(claim, "VolumeMismatch", f'Cannot bind to requested volume "{name}": {problem}')
                self.queue.add_after(key_of(claim), _RESYNC_SECONDS)
            else:
                await self._write.bind(volume, claim)
        elif is_reserved_for(volume, claim):
            await self._write.bind(volume, claim)
        else:
            self._warn(claim, "FailedBinding", f'volume "{name}" already bound to a different claim.')
            self.queue.add_after(key_of(claim), _RESYNC_SECONDS)

    async def _sync_bound(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        volume = self._volumes.get("", name) if name else None
        reference = volume["spec"].get("claimRef") if volume is not None else None
        if volume is not None and (not reference or reference.get("uid") == claim["metadata"]["uid"]):
            await self._write.bind(volume, claim)
            return
        if (claim.get("status") or {}).get("phase") == "Lost":
            return
        reason, lost = "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        if not name:
            lost = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        elif reference:
            reason = "ClaimMisbound"
            lost = "Two claims are bound to the same volume, this one is bound incorrectly"
        await self._write.claim_status(claim, {"phase": "Lost", "accessModes": None, "capacity": None})
        self._warn(claim, reason, lost)

    def _default_class(self) -> str:
        """The name of the newest class that is marked as default; empty for none."""
        marked = [item for item in self._classes.all() if annotations_of(item).get(DEFAULT_CLASS) == "true"]
        newest = max(marked, key=lambda item: str(item["metadata"].get("creationTimestamp")), default=None)
        return str(newest["metadata"]["name"]) if newest is not None else ""

    def _tell_who_is_waited_for(self, claim: Object) -> None:
        metadata = claim["metadata"]
        pods = [pod for pod in self._pods.in_namespace(metadata["namespace"]) if _waits_with(pod, metadata["name"])]
        names = ",".join(sorted(pod["metadata"]["name"] for pod in pods))
        if not pods:
            message = "waiting for first consumer to be created before binding"
            self._tell(claim, "WaitForFirstConsumer", message)
        else:
            which = f"pods {names}" if len(pods) > 1 else f"pod {names}"
            self._tell(claim, "WaitForPodScheduled", f"waiting for {which} to be scheduled")

    # --- volumes ---

    async def _sync_volume(self, name: str) -> None:
        volume = self._volumes.get("", name)
        if volume is None:
            return
        reference: dict[str, Any] = volume["spec"].get("claimRef") or {}
        if not reference.get("uid"):
            await self._write.volume_phase(volume, "Available")
            self._look_again_at_claims(reference)
            return
        claim = self._claims.get(reference.get("namespace", ""), reference.get("name", ""))
        if claim is None or claim["metadata"]["uid"] != reference["uid"]:
            if await self._write.is_gone(reference):
                await self._reclaim(volume)
        elif not claim["spec"].get("volumeName"):
            if not same_mode(volume, claim):
                self._tell_mode_mismatch(volume, claim)
            self.queue.add(key_of(claim))
        elif claim["spec"]["volumeName"] == name:
            await self._write.volume_phase(volume, "Bound")
        else:
            await self._unbind(volume)

    def _look_again_at_claims(self, reference: dict[str, Any]) -> None:
        """A volume is free: claims that wait may want it."""
        if reference:
            self.queue.add((reference.get("namespace", ""), reference.get("name", "")))
            return
        for claim in self._claims.all():
            if BIND_COMPLETED not in annotations_of(claim):
                self.queue.add(key_of(claim))

    async def _reclaim(self, volume: Object) -> None:
        if (volume.get("status") or {}).get("phase") not in ("Released", "Failed"):
            volume = await self._write.volume_phase(volume, "Released")
        if volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete" or _is_others(volume):
            return  # kept, or for the provisioner that made it to delete
        if volume["metadata"].get("deletionTimestamp"):
            return
        problem = deletion_problem(volume)
        if not problem:
            await self.client.delete(VOLUMES, volume["metadata"]["name"])
        elif (volume.get("status") or {}).get("message") != problem:
            volume = await self._write.volume_phase(volume, "Failed", problem)
            self.recorder.warning(_SOURCE, reference_to(volume), "VolumeFailedDelete", problem)

    async def _unbind(self, volume: Object) -> None:
        """The claim has been bound elsewhere."""
        if PROVISIONED_BY in annotations_of(volume):
            await self._reclaim(volume)
        elif BOUND_BY_CONTROLLER in annotations_of(volume):
            cleared = {"metadata": {"annotations": {BOUND_BY_CONTROLLER: None}}, "spec": {"claimRef": None}}
            await self._write.volume(volume, cleared)
        else:
            await self._write.volume(volume, {"spec": {"claimRef": {"uid": None}}})

    def _tell_mode_mismatch(self, volume: Object, claim: Object) -> None:
        to, of = claim["metadata"]["name"], volume["metadata"]["name"]
        about = "due to incompatible volumeMode."
        said = f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{to}" {about}'
        self.recorder.warning(_SOURCE, reference_to(volume), "VolumeMismatch", said)
        said = f'Cannot bind PersistentVolume "{of}" to requested PersistentVolumeClaim {about}'
        self._warn(claim, "VolumeMismatch", said)

    def _tell(self, claim: Object, reason: str, message: str) -> None:
        self.recorder.normal(_SOURCE, reference_to(claim), reason, message)

    def _warn(self, claim: Object, reason: str, message: str) -> None:
        self.recorder.warning(_SOURCE, reference_to(claim), reason, message)


def _is_others(volume: Object) -> bool:
    """Whether whoever made the volume deletes it."""
    return PROVISIONED_BY in annotations_of(volume) or "csi" in volume["spec"]


def _waits_with(pod: Object, claim: str) -> bool:
    """Whether the pod has no node yet and uses the claim."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not pod["spec"].get("nodeName") and not ended and any(name == claim for name, _ in claim_names(pod))
