"""One look at one Deployment: its ReplicaSets as they are now, and the writes that move them on.

Made new for every reconcile and thrown away. Every write is answered with the stored object, which replaces
the one held here, so that later steps of the same look decide from what is stored.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.clock import SimClock
from simulator.controllers.controller import is_deleting
from simulator.controllers.deployment_status import Condition, has_deadline, set_condition
from simulator.controllers.pods import condition
from simulator.controllers.revisions import (
    REVISION,
    annotations_of,
    find_new,
    new_replica_set,
    replica_annotations,
    revision_of,
    same_template,
    synced_annotations,
)
from simulator.controllers.rollout_math import max_surge, new_set_size
from simulator.event_recorder import EventRecorder, EventSource, reference_to
from simulator.informer import Informer, Object
from simulator.resources import DEPLOYMENTS, REPLICA_SETS

SOURCE = EventSource("deployment-controller")


@dataclass
class Rollout:
    """``new`` is the ReplicaSet with the present template (None until it is made), ``old`` are the others."""

    client: ApiClient
    clock: SimClock
    recorder: EventRecorder
    deployments: Informer
    sets: Informer
    deployment: Object
    owned: list[Object]
    new: Object | None = field(init=False)
    old: list[Object] = field(init=False)

    def __post_init__(self) -> None:
        self.new = find_new(self.deployment, self.owned)
        self.old = [item for item in self.owned if self.new is None or item is not self.new]

    @property
    def all(self) -> list[Object]:
        """Old ones first, then the new one if it exists."""
        return [*self.old, *([self.new] if self.new is not None else [])]

    @property
    def next_revision(self) -> int:
        """One more than the highest revision among the old ReplicaSets."""
        return max((revision_of(item) for item in self.old), default=0) + 1

    async def sync_revision(self) -> bool:
        """Bring the existing new ReplicaSet's annotations and the Deployment's revision up to date.

        True means that the ReplicaSet was written; the watch brings the next look, as in getNewReplicaSet.
        """
        if self.new is None:
            return False
        surge = max_surge(self.deployment)
        wanted = synced_annotations(self.deployment, self.new, revision=self.next_revision, surge=surge)
        min_ready = self.deployment["spec"].get("minReadySeconds", 0)
        if wanted != annotations_of(self.new) or min_ready != self.new["spec"].get("minReadySeconds", 0):
            body = dict(self.new)
            body["metadata"] = self.new["metadata"] | {"annotations": wanted}
            body["spec"] = self.new["spec"] | {"minReadySeconds": min_ready}
            self._replace(await self.client.update(REPLICA_SETS, body))
            return True
        await self.set_revision(annotations_of(self.new)[REVISION])
        if has_deadline(self.deployment) and condition(self.deployment, "Progressing") is None:
            message = f'Found new replica set "{self.new["metadata"]["name"]}"'
            await self._write_condition(Condition("Progressing", "True", "FoundNewReplicaSet", message))
        return False

    async def set_revision(self, revision: str) -> None:
        """Write the Deployment's revision annotation if it differs; through its status, so that the
        generation stays (a Deployment's generation counts changes of annotations too)."""
        if annotations_of(self.deployment).get(REVISION) == revision:
            return
        metadata = dict(self.deployment["metadata"])
        metadata["annotations"] = annotations_of(self.deployment) | {REVISION: revision}
        body = self.deployment | {"metadata": metadata}
        self._took(await self.client.update(DEPLOYMENTS, body, subresource="status"))

    async def create_new(self) -> None:
        """Create the ReplicaSet for the present template, at the size the strategy allows."""
        size = new_set_size(self.deployment, self.old, 0)
        body = new_replica_set(
            self.deployment, replicas=size, surge=max_surge(self.deployment), revision=self.next_revision
        )
        try:
            created = await self.client.create(REPLICA_SETS, body)
        except ApiError as error:
            await self._creation_failed(body, error)
            return
        self.sets.observe(created)
        self.new = created
        name = created["metadata"]["name"]
        if size > 0:
            self._tell(f"Scaled up replica set {name} from 0 to {size}")
        await self.set_revision(annotations_of(created)[REVISION])
        if has_deadline(self.deployment):
            message = f'Created new replica set "{name}"'
            await self._write_condition(Condition("Progressing", "True", "NewReplicaSetCreated", message))

    async def _creation_failed(self, body: Object, error: ApiError) -> None:
        metadata = body["metadata"]
        if error.reason == "AlreadyExists":
            await self._resolve_collision(metadata["namespace"], metadata["name"], error)
            return
        message = f'Failed to create new replica set "{metadata["name"]}": {error.message}'
        if has_deadline(self.deployment):
            await self._write_condition(Condition("Progressing", "False", "ReplicaSetCreateError", message))
        involved = reference_to(self.deployment)
        self.recorder.warning(SOURCE, involved, "ReplicaSetCreateError", message)
        raise error

    async def _resolve_collision(self, namespace: str, name: str, error: ApiError) -> None:
        existing = await self.client.get(REPLICA_SETS, name, namespace)
        owners = [reference["uid"] for reference in existing["metadata"].get("ownerReferences") or ()]
        ours = self.deployment["metadata"]["uid"] in owners
        template = self.deployment["spec"]["template"]
        if ours and same_template(template, existing["spec"]["template"]):
            self.sets.observe(existing)
            self.new = existing
            return
        status = dict(self.deployment.get("status") or {})
        status["collisionCount"] = status.get("collisionCount", 0) + 1
        await self.write_status(status)
        raise error

    async def scale(self, replica_set: Object, size: int, *, force: bool = False) -> bool:
        """Give a ReplicaSet another size; True when it really changed. ``force`` renews annotations too."""
        before = replica_set["spec"]["replicas"]
        if not force and before == size:
            return False
        marks = replica_annotations(self.deployment["spec"]["replicas"], max_surge(self.deployment))
        current = annotations_of(replica_set)
        if before == size and marks.items() <= current.items():
            return False
        body = dict(replica_set)
        body["metadata"] = replica_set["metadata"] | {"annotations": current | marks}
        body["spec"] = replica_set["spec"] | {"replicas": size}
        self._replace(await self.client.update(REPLICA_SETS, body))
        if before == size:
            return False
        direction = "up" if before < size else "down"
        name = replica_set["metadata"]["name"]
        self._tell(f"Scaled {direction} replica set {name} from {before} to {size}")
        return True

    async def scale_all(self, sizes: dict[str, int], *, force: bool = False) -> bool:
        """Apply sizes by name; True when any changed."""
        changed = [
            await self.scale(item, sizes[item["metadata"]["name"]], force=force)
            for item in self.all
            if item["metadata"]["name"] in sizes
        ]
        return any(changed)

    async def drop_history(self) -> None:
        """Delete the oldest empty ReplicaSets beyond revisionHistoryLimit."""
        kept = [item for item in self.old if not is_deleting(item)]
        surplus = len(kept) - self.deployment["spec"].get("revisionHistoryLimit", 10)
        for item in sorted(kept, key=revision_of)[: max(0, surplus)]:
            status, metadata = item.get("status", {}), item["metadata"]
            behind = metadata.get("generation", 0) > status.get("observedGeneration", 0)
            if status.get("replicas", 0) or item["spec"]["replicas"] or behind:
                continue
            try:
                await self.client.delete(REPLICA_SETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            except ApiError as error:
                if error.code != 404:
                    raise
            self.sets.forget(item)

    async def write_status(self, status: dict[str, Any]) -> None:
        """Replace the Deployment's status."""
        body = self.deployment | {"status": status}
        self._took(await self.client.update(DEPLOYMENTS, body, subresource="status"))

    async def _write_condition(self, wanted: Condition) -> None:
        status = dict(self.deployment.get("status") or {})
        status["conditions"] = list(status.get("conditions") or [])
        set_condition(status, wanted, self.clock.timestamp())
        if status != self.deployment.get("status"):
            await self.write_status(status)

    def _took(self, deployment: Object) -> None:
        self.deployments.observe(deployment)
        self.deployment = deployment

    def _replace(self, updated: Object) -> None:
        self.sets.observe(updated)
        uid = updated["metadata"]["uid"]
        if self.new is not None and self.new["metadata"]["uid"] == uid:
            self.new = updated
        self.old = [updated if item["metadata"]["uid"] == uid else item for item in self.old]

    def _tell(self, message: str) -> None:
        self.recorder.normal(SOURCE, reference_to(self.deployment), "ScalingReplicaSet", message)
