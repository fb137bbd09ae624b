"""Makes a volume larger when its claim asks for more: the external resizer of a storage vendor.

Growing needs nothing of the node. Shrinking is refused by the API server, as is growing where the class does not
allow it. A volume with the annotation ``LARGEST`` grows no further than that, as disks of a cheap kind do: then the
claim is told so, in the words of external-resizer and of pkg/volume/util/resize_util.go.
"""

from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object
from simulator.quantities import to_bytes
from simulator.storage.kinds import CLAIMS, HOSTPATH, VOLUMES
from simulator.storage.matching import annotations_of, capacity_of, size_of

LARGEST = "simulator/largest-size"
_AGAIN_SECONDS = 60.0
_SOURCE = EventSource(f"external-resizer {HOSTPATH}")


class Resizer(Controller):
    """Looks at bound claims."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._claims = self.caches.of(CLAIMS)
        self._volumes = self.caches.of(VOLUMES)
        self.watch_own(self._claims)

    async def reconcile(self, namespace: str, name: str) -> None:
        claim = self._claims.get(namespace, name)
        if claim is None or is_deleting(claim) or (claim.get("status") or {}).get("phase") != "Bound":
            return
        volume = self._volumes.get("", claim["spec"].get("volumeName", ""))
        held = to_bytes((claim["status"].get("capacity") or {}).get("storage", 0))
        if volume is None or size_of(claim) <= held or (volume["spec"].get("csi") or {}).get("driver") != HOSTPATH:
            return
        largest = annotations_of(volume).get(LARGEST)
        if largest is not None and size_of(claim) > to_bytes(largest):
            why = f"rpc error: code = OutOfRange desc = a volume of this kind has {largest} at most"
            await self._fail(claim, volume, why)
            self.queue.add_after((namespace, name), _AGAIN_SECONDS)
            return
        await self._grow(claim, volume)

    async def _fail(self, claim: Object, volume: Object, why: str) -> None:
        metadata, name = claim["metadata"], volume["metadata"]["name"]
        text = f'resize volume "{name}" by resizer "{HOSTPATH}" failed: {why}'
        self.recorder.warning(_SOURCE, reference_to(claim), "VolumeResizeFailed", text)
        known = claim["status"].get("conditions") or []
        condition = {
            "type": "ControllerResizeError",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.clock.timestamp(),
            "message": f"failed to expand pvc with {why}",
        }
        if not any(item["type"] == condition["type"] for item in known):
            status = {"status": {"conditions": [*known, condition]}}
            answer = await self.client.patch(
                CLAIMS, metadata["name"], status, metadata["namespace"], subresource="status"
            )
            self._claims.observe(answer)

    async def _grow(self, claim: Object, volume: Object) -> None:
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        name = volume["metadata"]["name"]
        if capacity_of(volume) < size_of(claim):
            begun = f"External resizer is resizing volume {name}"
            self.recorder.normal(_SOURCE, reference_to(claim), "Resizing", begun)
            patch = {"spec": {"capacity": {"storage": wanted}}}
            self._volumes.observe(await self.client.patch(VOLUMES, name, patch))
        metadata = claim["metadata"]
        status = {"status": {"capacity": {"storage": wanted}}}
        answer = await self.client.patch(CLAIMS, metadata["name"], status, metadata["namespace"], subresource="status")
        self._claims.observe(answer)
        self.recorder.normal(_SOURCE, reference_to(claim), "VolumeResizeSuccessful", "Resize volume succeeded")
