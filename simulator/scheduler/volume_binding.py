"""Binding the volumes that waited for a pod: reserve what exists, ask for what does not, wait until all are bound.

After pkg/scheduler/framework/plugins/volumebinding/binder.go (BindPodVolumes) in Kubernetes v1.36. The binder of the
controller-manager does the rest.
"""

from simulator.api_client import ApiClient
from simulator.clock import SimClock
from simulator.informer import Object
from simulator.scheduler.known import Known
from simulator.scheduler.volumes import Binding, is_bound
from simulator.storage.kinds import BOUND_BY_CONTROLLER, CLAIMS, SELECTED_NODE, VOLUMES
from simulator.storage.matching import annotations_of, claim_reference

_TIMEOUT_SECONDS = 600.0
_POLL_SECONDS = 1.0


class VolumeBindingError(Exception):
    """The volumes of a pod were not bound; the pod is tried again."""


class VolumeBinder:
    """``reserve`` writes what the decision was, ``wait`` returns when the pod may be bound."""

    def __init__(self, client: ApiClient, clock: SimClock, known: Known) -> None:
        self._client = client
        self._clock = clock
        self._known = known

    async def reserve(self, node: str, binding: Binding) -> None:
        """Raises ApiError, for one when somebody has changed a volume or a claim meanwhile."""
        for volume, claim in binding.reserved:
            metadata = {"resourceVersion": volume["metadata"]["resourceVersion"]}
            marked = metadata | {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
            patch = {"metadata": marked, "spec": {"claimRef": claim_reference(claim)}}
            answer = await self._client.patch(VOLUMES, volume["metadata"]["name"], patch)
            self._known.pvs.observe(answer)
        for claim in binding.provisioned:
            metadata = claim["metadata"]
            version = metadata["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "annotations": {SELECTED_NODE: node}}}
            answer = await self._client.patch(CLAIMS, metadata["name"], patch, metadata["namespace"])
            self._known.claims.observe(answer)

    async def wait(self, pod: Object, node: str, binding: Binding) -> None:
        """Raises VolumeBindingError."""
        claims = [claim for _, claim in binding.reserved] + list(binding.provisioned)
        made = {claim["metadata"]["name"] for claim in binding.provisioned}
        deadline = self._clock.monotonic() + _TIMEOUT_SECONDS
        while not all(self._is_bound(claim, node, claim["metadata"]["name"] in made) for claim in claims):
            await self._clock.sleep(_POLL_SECONDS)
            metadata = pod["metadata"]
            if self._known.pods.get(metadata["namespace"], metadata["name"]) is None:
                raise VolumeBindingError(f'pod does not exist any more: pod "{metadata["name"]}" not found')
            if self._clock.monotonic() > deadline:
                raise VolumeBindingError("context deadline exceeded")

    def _is_bound(self, claim: Object, node: str, made: bool) -> bool:
        name = claim["metadata"]["name"]
        current = self._known.claim(claim["metadata"]["namespace"], name)
        if current is None:
            raise VolumeBindingError(f'failed to check binding: persistentvolumeclaim "{name}" not found')
        if made and annotations_of(current).get(SELECTED_NODE) != node:
            raise VolumeBindingError(f'provisioning failed for PVC "{name}"')
        return is_bound(current)
