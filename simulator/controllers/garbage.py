"""Deletes what its owners have left behind (background cascade).

An object whose owners are all gone is deleted; an owner counts as gone only when the server says so, since a
cache may lag (pkg/controller/garbagecollector in Kubernetes v1.36, attemptToDeleteItem). Owners being deleted in
the foreground wait for their blocking dependents, orphaning ones let them go. Only the kinds listed here are
followed.
"""

from typing import Any

from simulator.api_client import ApiError, Resource
from simulator.controllers.controller import Controller, ControllerContext
from simulator.informer import Object, ObjectKey
from simulator.resources import BY_KIND, DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES

_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"
_FOLLOWED = (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, ENDPOINT_SLICES)


class GarbageCollector(Controller):
    """Keys are ``(namespace, plural/name)``, as one queue serves several kinds."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        for resource in _FOLLOWED:
            self.caches.of(resource).on_change(self._follow(resource))

    def _follow(self, resource: Resource) -> Any:
        def changed(old: Object | None, new: Object | None) -> None:
            if new is None and old is not None:
                self._owner_gone(old)
                return
            if new is None:
                return
            finalizers = set(new["metadata"].get("finalizers") or ())
            ending = bool(new["metadata"].get("deletionTimestamp")) and finalizers & {_FOREGROUND, _ORPHAN}
            if ending or (old is None and new["metadata"].get("ownerReferences")):
                self.queue.add(_key(resource, new))

        return changed

    def _owner_gone(self, owner: Object) -> None:
        for resource in _FOLLOWED:
            for dependent in self.caches.of(resource).owned_by(owner["metadata"]["uid"]):
                self.queue.add(_key(resource, dependent))
        for reference in owner["metadata"].get("ownerReferences") or ():
            above = BY_KIND.get(reference["kind"])
            if above is not None:  # it may wait for this, its last dependent
                self.queue.add((owner["metadata"].get("namespace", ""), f"{above.plural}/{reference['name']}"))

    async def reconcile(self, namespace: str, name: str) -> None:
        """Look at one object: end its waiting deletion, or delete it if nobody owns it any more."""
        plural, _, object_name = name.partition("/")
        resource = next((item for item in _FOLLOWED if item.plural == plural), None)
        if resource is None:
            return
        obj = self.caches.of(resource).get(namespace, object_name)
        if obj is None:
            return
        if obj["metadata"].get("deletionTimestamp"):
            await self._end_waiting(resource, obj)
        elif obj["metadata"].get("ownerReferences"):
            await self._collect(resource, obj)

    async def _collect(self, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        for reference in metadata["ownerReferences"]:
            if await self._exists(metadata.get("namespace", ""), reference):
                return
        await self._delete(resource, obj)

    async def _exists(self, namespace: str, reference: Object) -> bool:
        """Whether that very owner is there; kinds that nobody here knows are left to those who do."""
        owner = BY_KIND.get(reference["kind"])
        if owner is None:
            return True
        cache = self.caches.informers.get(owner)
        cached = cache.get(namespace, reference["name"]) if cache is not None else None
        if cached is not None and cached["metadata"]["uid"] == reference["uid"]:
            return True
        try:
            live = await self.client.get(owner, reference["name"], namespace or None)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return bool(live["metadata"]["uid"] == reference["uid"])

    async def _end_waiting(self, resource: Resource, owner: Object) -> None:
        finalizers = list(owner["metadata"].get("finalizers") or ())
        uid = owner["metadata"]["uid"]
        dependents = [(kind, item) for kind in _FOLLOWED for item in self.caches.of(kind).owned_by(uid)]
        if _ORPHAN in finalizers:
            for kind, item in dependents:
                await self._disown(kind, item, uid)
            await self._drop_finalizer(resource, owner, _ORPHAN)
        elif _FOREGROUND in finalizers:
            for kind, item in dependents:
                await self._delete(kind, item)
            if not any(_blocks(item, uid) for _, item in dependents):
                await self._drop_finalizer(resource, owner, _FOREGROUND)

    async def _delete(self, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        try:
            await self.client.delete(
                resource,
                metadata["name"],
                metadata.get("namespace"),
                uid=metadata["uid"],
                propagation_policy="Background",
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _disown(self, resource: Resource, obj: Object, uid: str) -> None:
        metadata = obj["metadata"]
        kept = [item for item in metadata["ownerReferences"] if item["uid"] != uid]
        body = {"metadata": {"uid": metadata["uid"], "ownerReferences": kept or None}}
        answer = await self.client.patch(resource, metadata["name"], body, metadata.get("namespace"))
        self.caches.of(resource).observe(answer)

    async def _drop_finalizer(self, resource: Resource, owner: Object, finalizer: str) -> None:
        metadata = owner["metadata"]
        kept = [item for item in metadata.get("finalizers") or () if item != finalizer]
        body = {"metadata": {"uid": metadata["uid"], "finalizers": kept or None}}
        try:
            await self.client.patch(resource, metadata["name"], body, metadata.get("namespace"))
        except ApiError as error:
            if error.code != 404:
                raise


def _key(resource: Resource, obj: Object) -> ObjectKey:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), f"{resource.plural}/{metadata['name']}"


def _blocks(dependent: Object, uid: str) -> bool:
    references = dependent["metadata"].get("ownerReferences") or ()
    return any(item["uid"] == uid and item.get("blockOwnerDeletion") for item in references)
