"""ControllerRevisions: what a StatefulSet's or DaemonSet's template was, numbered.

After pkg/controller/history in Kubernetes v1.36. A revision holds the patch that restores the template; two
revisions are equal when those patches are. The hash in a name differs in value from the real one, which
hashes Go's rendering of the same data.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.adoption import claim
from simulator.controllers.controller import ControllerContext, controller_reference
from simulator.controllers.revisions import annotations_of, template_hash
from simulator.controllers.workload_kinds import CONTROLLER_REVISIONS
from simulator.informer import Object, controller_of

HASH_LABEL = "controller.kubernetes.io/hash"
_MOST_COLLISIONS = 10


class History:
    """The revisions of the objects of one controller. ``hash_label`` is where a revision states its hash."""

    def __init__(self, context: ControllerContext, *, hash_label: str = HASH_LABEL) -> None:
        self._client = context.client
        self._revisions = context.caches.of(CONTROLLER_REVISIONS)
        self._hash_label = hash_label

    def of(self, owner: Object) -> list[Object]:
        """The owner's revisions, lowest number first."""
        uid = owner["metadata"]["uid"]
        found = [item for item in self._revisions.owned_by(uid) if (controller_of(item) or {}).get("uid") == uid]
        return sorted(found, key=lambda item: (item["revision"], item["metadata"]["name"]))

    async def for_template(self, owner: Object) -> tuple[Object, int]:
        """The revision of the owner's present template, made or renumbered if need be, and the collision count."""
        await claim(self._client, CONTROLLER_REVISIONS, self._revisions, owner)
        known = self.of(owner)
        data = restoring_patch(owner)
        number = known[-1]["revision"] + 1 if known else 1
        collisions: int = (owner.get("status") or {}).get("collisionCount") or 0
        equal = [item for item in known if item["data"] == data]
        if equal and equal[-1] is known[-1]:
            return known[-1], collisions
        if equal:
            renumbered = await self._client.update(CONTROLLER_REVISIONS, equal[-1] | {"revision": number})
            self._revisions.observe(renumbered)
            return renumbered, collisions
        return await self._create(owner, data, number, collisions)

    async def truncate(self, owner: Object, live: set[str]) -> None:
        """Delete the oldest revisions that nothing uses, beyond revisionHistoryLimit."""
        unused = [item for item in self.of(owner) if item["metadata"]["name"] not in live]
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        for item in unused[: max(0, len(unused) - limit)]:
            metadata = item["metadata"]
            try:
                await self._client.delete(CONTROLLER_REVISIONS, metadata["name"], metadata["namespace"])
            except ApiError as error:
                if error.code != 404:
                    raise
            self._revisions.forget(item)

    async def _create(self, owner: Object, data: Object, number: int, collisions: int) -> tuple[Object, int]:
        for count in range(collisions, collisions + _MOST_COLLISIONS):
            body = self._revision(owner, data, number, count)
            try:
                created = await self._client.create(CONTROLLER_REVISIONS, body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                metadata = body["metadata"]
                existing = await self._client.get(CONTROLLER_REVISIONS, metadata["name"], metadata["namespace"])
                if existing["data"] == data:
                    self._revisions.observe(existing)
                    return existing, count
                continue
            self._revisions.observe(created)
            return created, count
        raise ApiError(409, "AlreadyExists", f"no free name for a revision of {owner['metadata']['name']}")

    def _revision(self, owner: Object, data: Object, number: int, collisions: int) -> Object:
        metadata = owner["metadata"]
        digest = template_hash(data, collisions)
        labels = owner["spec"]["template"].get("metadata", {}).get("labels") or {}
        meta: dict[str, Any] = {
            "name": f"{metadata['name'][:223]}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels | {self._hash_label: digest},
            "ownerReferences": [controller_reference(owner)],
        }
        if annotations_of(owner):
            meta["annotations"] = annotations_of(owner)
        return {
            "apiVersion": CONTROLLER_REVISIONS.api_version,
            "kind": CONTROLLER_REVISIONS.kind,
            "metadata": meta,
            "data": data,
            "revision": number,
        }


def restoring_patch(owner: Object) -> Object:
    """The patch that brings the owner's present template back."""
    return {"spec": {"template": owner["spec"]["template"] | {"$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The pod template that a revision holds."""
    template: Object = revision["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}
