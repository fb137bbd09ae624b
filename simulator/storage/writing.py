"""The writes of the binder: each states the version it was decided on, and goes into the caches at once."""

from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.clock import SimClock
from simulator.informer import Informer, Object
from simulator.storage.kinds import BIND_COMPLETED, BOUND_BY_CONTROLLER, CLAIMS, VOLUMES
from simulator.storage.matching import annotations_of, claim_reference


class StorageWriter:
    """Every method raises ApiError: 409 when somebody was faster."""

    def __init__(self, client: ApiClient, clock: SimClock, claims: Informer, volumes: Informer) -> None:
        self._client = client
        self._clock = clock
        self._claims = claims
        self._volumes = volumes

    async def bind(self, volume: Object, claim: Object) -> None:
        """Both ends, in the order that another may take over from in the middle."""
        volume = await self._volume_to_claim(volume, claim)
        volume = await self.volume_phase(volume, "Bound")
        claim = await self._claim_to_volume(claim, volume)
        await self._claim_bound(claim, volume)

    async def claim(self, claim: Object, change: dict[str, Any], subresource: str | None = None) -> Object:
        """Patch a claim."""
        metadata = claim["metadata"]
        body = _at_version(claim, change)
        answer = await self._client.patch(
            CLAIMS, metadata["name"], body, metadata["namespace"], subresource=subresource
        )
        self._claims.observe(answer)
        return answer

    async def claim_status(self, claim: Object, status: dict[str, Any]) -> Object:
        """Patch a claim's status."""
        return await self.claim(claim, {"status": status}, "status")

    async def volume(self, volume: Object, change: dict[str, Any], subresource: str | None = None) -> Object:
        """Patch a volume."""
        body = _at_version(volume, change)
        answer = await self._client.patch(VOLUMES, volume["metadata"]["name"], body, subresource=subresource)
        self._volumes.observe(answer)
        return answer

    async def volume_phase(self, volume: Object, phase: str, message: str | None = None) -> Object:
        """Bring a volume into a phase, if it is not."""
        status = volume.get("status") or {}
        if status.get("phase") == phase and status.get("message") == message:
            return volume
        change: dict[str, Any] = {"phase": phase, "message": message}
        if status.get("phase") != phase:
            change["lastPhaseTransitionTime"] = self._clock.timestamp()
        return await self.volume(volume, {"status": change}, "status")

    async def is_gone(self, reference: dict[str, Any]) -> bool:
        """Ask the server: the claim may be newer than the cache."""
        try:
            found = await self._client.get(CLAIMS, reference["name"], reference["namespace"])
        except ApiError as error:
            if error.code != 404:
                raise
            return True
        return bool(found["metadata"]["uid"] != reference["uid"])

    async def _volume_to_claim(self, volume: Object, claim: Object) -> Object:
        reference = volume["spec"].get("claimRef") or {}
        if reference.get("uid") == claim["metadata"]["uid"]:
            return volume
        change: dict[str, Any] = {"spec": {"claimRef": claim_reference(claim)}}
        if not reference:
            change["metadata"] = {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
        return await self.volume(volume, change)

    async def _claim_to_volume(self, claim: Object, volume: Object) -> Object:
        name = volume["metadata"]["name"]
        marks = {} if BIND_COMPLETED in annotations_of(claim) else {BIND_COMPLETED: "yes"}
        change: dict[str, Any] = {}
        if claim["spec"].get("volumeName") != name:
            marks[BOUND_BY_CONTROLLER] = "yes"
            change["spec"] = {"volumeName": name}
        if not marks:
            return claim
        return await self.claim(claim, change | {"metadata": {"annotations": marks}})

    async def _claim_bound(self, claim: Object, volume: Object) -> None:
        status = claim.get("status") or {}
        wanted: dict[str, Any] = {"phase": "Bound", "accessModes": volume["spec"].get("accessModes")}
        if status.get("phase") != "Bound" or not status.get("capacity"):
            # later on it is the resizer that says how large the volume is
            wanted["capacity"] = {"storage": volume["spec"]["capacity"]["storage"]}
        if any(status.get(key) != value for key, value in wanted.items()):
            await self.claim_status(claim, wanted)


def _at_version(obj: Object, change: dict[str, Any]) -> dict[str, Any]:
    metadata = change.get("metadata", {}) | {"resourceVersion": obj["metadata"]["resourceVersion"]}
    return change | {"metadata": metadata}
