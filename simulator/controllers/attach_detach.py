"""Attaches volumes to the nodes whose pods want them, and takes them away again once no pod there does.

After pkg/controller/volume/attachdetach (reconciler, reportMultiAttachError) in Kubernetes v1.36, for the one driver
whose volumes are attached in here (``DISKS``). A volume that allows one node alone is refused to a second one, and the
pods there are told once whose it is. Left out: what a node says it still uses (``volumesInUse``), the six minutes
after which a volume is taken from a node that is lost (it is waited for), and ``volumesAttached`` of the node.
"""

from collections.abc import Iterator
from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object
from simulator.resources import PODS
from simulator.storage.attachments import attachment_name, is_attached_at_all
from simulator.storage.kinds import ATTACHMENTS, CLAIMS, VOLUMES
from simulator.storage.matching import claim_names

_SOURCE = EventSource("attachdetach-controller")
_SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_EXCLUSIVE = "Volume is already exclusively attached to one node and can't be attached to another"


class AttachDetachController(Controller):
    """Looks at one volume at a time: who wants it where, and where it is."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._pods = self.caches.of(PODS)
        self._claims = self.caches.of(CLAIMS)
        self._volumes = self.caches.of(VOLUMES)
        self._attachments = self.caches.of(ATTACHMENTS)
        self._told: set[tuple[str, str]] = set()
        self.watch_own(self._volumes)
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)
        self._attachments.on_change(self._attachment_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        volume = self._volumes.get("", name)
        if volume is None or not is_attached_at_all(volume):
            return
        wanted: dict[str, list[Object]] = {}
        for pod in self._users(volume):
            wanted.setdefault(pod["spec"]["nodeName"], []).append(pod)
        placed = {item["spec"]["nodeName"]: item for item in self._attachments.all() if _source(item) == name}
        for node in placed.keys() - wanted.keys():
            await self._detach(placed[node])
        if placed.keys() - wanted.keys():
            return  # once that is gone, this volume is looked at again
        shared = bool(_SHARED & set(volume["spec"].get("accessModes") or ()))
        for node in sorted(wanted.keys() - placed.keys(), key=lambda node: _since(wanted[node])):
            if placed and not shared:
                self._refuse(volume, node, wanted)
            else:
                placed[node] = await self._attach(volume, node)

    def _users(self, volume: Object) -> Iterator[Object]:
        """The pods that have a node and are not over, and whose claim has this volume."""
        owner = volume["spec"].get("claimRef") or {}
        claim = self._claims.get(owner.get("namespace", ""), owner.get("name", ""))
        if claim is None or claim["spec"].get("volumeName") != volume["metadata"]["name"]:
            return
        for pod in self._pods.in_namespace(owner["namespace"]):
            over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if pod["spec"].get("nodeName") and not over and any(name == owner["name"] for name, _ in claim_names(pod)):
                yield pod

    def _refuse(self, volume: Object, node: str, wanted: dict[str, list[Object]]) -> None:
        name = volume["metadata"]["name"]
        others = [pod["metadata"]["name"] for place, pods in wanted.items() if place != node for pod in pods]
        why = f"Volume is already used by pod(s) {', '.join(sorted(others))}" if others else _EXCLUSIVE
        for pod in wanted[node]:
            if (key := (name, pod["metadata"]["uid"])) not in self._told:
                self._told.add(key)
                text = f'Multi-Attach error for volume "{name}" {why}'
                self.recorder.warning(_SOURCE, reference_to(pod), "FailedAttachVolume", text)

    async def _attach(self, volume: Object, node: str) -> Object:
        body: dict[str, Any] = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": attachment_name(volume, node)},
            "spec": {
                "attacher": volume["spec"]["csi"]["driver"],
                "nodeName": node,
                "source": {"persistentVolumeName": volume["metadata"]["name"]},
            },
        }
        try:
            made = await self.client.create(ATTACHMENTS, body)
        except ApiError as error:
            if error.code != 409:
                raise
            return body
        self._attachments.observe(made)
        return made

    async def _detach(self, attachment: Object) -> None:
        metadata = attachment["metadata"]
        if is_deleting(attachment):
            return
        try:
            await self.client.delete(ATTACHMENTS, metadata["name"], uid=metadata["uid"])
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    # --- what has to be looked at again

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        for name, _ in claim_names(pod):
            self._look_at(self._claims.get(pod["metadata"]["namespace"], name))
        if new is None and old is not None:
            self._told = {key for key in self._told if key[1] != old["metadata"]["uid"]}

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        self._look_at(new or old)

    def _attachment_changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(("", _source(new or old or {})))

    def _look_at(self, claim: Object | None) -> None:
        if claim is not None and claim["spec"].get("volumeName"):
            self.queue.add(("", claim["spec"]["volumeName"]))


def _source(attachment: Object) -> str:
    return str((attachment["spec"].get("source") or {}).get("persistentVolumeName") or "")


def _since(pods: list[Object]) -> str:
    return min(str(pod["metadata"].get("creationTimestamp") or "") for pod in pods)
