"""Deletes what its owners have left behind, and ends the deletions that wait for dependents.

After pkg/controller/garbagecollector in Kubernetes v1.36. An owner counts as gone only when the server says so, since
a cache may lag; dependents of an owner that is deleted in the foreground go before it, those of an orphaning one are
disowned. Every kind is followed, but only once it has objects: a watch each is started for those that a
sweep finds. A sweep is made every half minute, before waiting deletions are ended, and soon after an owner is gone.
"""

import asyncio

from simulator.api_client import ApiError, Resource
from simulator.controllers.controller import Controller, ControllerContext
from simulator.event_recorder import EventSource
from simulator.informer import Object, ObjectKey
from simulator.resources import EVENTS, LEASES, PODS

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_SOURCE = EventSource("garbage-collector-controller")
_SWEEP_SECONDS = 30.0
_LEAST_SWEEP_SECONDS = 1.0
_EVENTS = (EVENTS, Resource("events.k8s.io", "v1", "events", "Event"))
_NOT_WATCHED = (*_EVENTS, LEASES)
"""Events, which two groups serve, belong to nobody. Leases change all the time: sweeps look at their owners."""


class GarbageCollector(Controller):
    """Keys are ``(namespace, group/plural/name)``, as one queue serves all kinds."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._followed: dict[tuple[str, str], Resource] = {}
        self._wanted = asyncio.Event()
        self._swept_for: set[str] = set()
        for resource in list(self.caches.informers):
            self._follow(resource)

    async def run(self) -> None:
        """Collect, and sweep for kinds that have got their first object, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            group.create_task(self._sweep_on())

    async def reconcile(self, namespace: str, name: str) -> None:
        """Look at one object: end its waiting deletion, or delete it if nobody owns it any more."""
        group, plural, object_name = name.split("/", 2)
        resource = self._followed.get((group, plural))
        obj = self.caches.of(resource).get(namespace, object_name) if resource is not None else None
        if resource is None or obj is None:
            return
        if obj["metadata"].get("deletionTimestamp"):
            await self._end_waiting(resource, obj)
        elif obj["metadata"].get("ownerReferences"):
            await self._collect(resource, obj)

    def _follow(self, resource: Resource) -> None:
        key = resource.group, resource.plural
        if key in self._followed or resource in _NOT_WATCHED:
            return
        self._followed[key] = resource
        informer = self.caches.of(resource)

        def changed(old: Object | None, new: Object | None) -> None:
            if new is None and old is not None:
                self._owner_gone(resource, old)
            elif new is not None and (_waits(new) or _owners_changed(old, new)):
                self.queue.add(_key(resource, new))

        informer.on_change(changed)
        for obj in informer.all():
            changed(None, obj)

    async def _sweep_on(self) -> None:
        while True:
            try:
                await self._sweep()
            except ApiError:
                self._wanted.set()  # the server is away: try again soon
            await asyncio.sleep(_LEAST_SWEEP_SECONDS)
            try:
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            self._wanted.clear()

    async def _sweep(self) -> None:
        """Follow every kind that has objects; real seconds, as this is about cost and not about the cluster."""
        new = []
        for served in await self.discovery.kinds():
            resource = served.resource
            if (resource.group, resource.plural) in self._followed or "watch" not in served.verbs:
                continue
            if resource in _NOT_WATCHED:
                await self._collect_unwatched(resource)
                continue
            first = await self.client.request("GET", resource.path(), query={"limit": "1"})
            if first.get("items"):
                self._follow(resource)
                new.append(resource)
        for resource in new:
            await self._synced(resource)

    async def _collect_unwatched(self, resource: Resource) -> None:
        if resource in _EVENTS:
            return
        for item in (await self.client.list(resource)).get("items") or ():
            if item["metadata"].get("ownerReferences") and not item["metadata"].get("deletionTimestamp"):
                typed = {"apiVersion": resource.api_version, "kind": resource.kind} | item
                await self._collect(resource, typed)

    async def _synced(self, resource: Resource) -> None:
        async with asyncio.timeout(30):
            await self.caches.of(resource).synced.wait()

    def _owner_gone(self, resource: Resource, owner: Object) -> None:
        self._swept_for.discard(owner["metadata"]["uid"])
        for kind, dependent in self._dependents(owner["metadata"]["uid"]):
            self.queue.add(_key(kind, dependent))
        for reference in owner["metadata"].get("ownerReferences") or ():
            above = self._known(reference)
            if above is not None:  # it may wait for this, its last dependent
                space = owner["metadata"].get("namespace", "") if above.namespaced else ""
                self.queue.add((space, f"{above.group}/{above.plural}/{reference['name']}"))
        if resource != PODS:
            self._wanted.set()

    def _known(self, reference: Object) -> Resource | None:
        group = reference["apiVersion"].rpartition("/")[0]
        found = (item for item in self._followed.values() if item.kind == reference["kind"] and item.group == group)
        return next(found, None)

    def _dependents(self, uid: str) -> list[tuple[Resource, Object]]:
        return [(kind, item) for kind in self._followed.values() for item in self.caches.of(kind).owned_by(uid)]

    async def _collect(self, resource: Resource, obj: Object) -> None:
        """Delete an object without a living owner; take references to dead ones off any other."""
        metadata = obj["metadata"]
        states = [(item["uid"], await self._state(resource, obj, item)) for item in metadata["ownerReferences"]]
        left = {uid for uid, state in states if state != "solid"}
        if any(state == "solid" for _, state in states):
            if left:
                await self._disown(resource, obj, left)
            return
        waiting = any(state == "waiting" for _, state in states)
        if waiting and self._dependents(metadata["uid"]):
            await self._delete(resource, obj, "Foreground")
        else:
            finalizers = metadata.get("finalizers") or ()
            policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
            await self._delete(resource, obj, policy)

    async def _state(self, resource: Resource, obj: Object, reference: Object) -> str:
        """``solid``, ``waiting`` (being deleted in the foreground) or ``gone``; unknown kinds count as solid."""
        owner = await self.discovery.find(reference["apiVersion"], reference["kind"])
        if owner is None:
            return "solid"
        self._follow(owner)
        namespace = obj["metadata"].get("namespace", "")
        if owner.namespaced and not namespace:
            self._report_namespace(obj, reference, namespace)
            return "solid"
        found = await self._owner(owner, reference, namespace if owner.namespaced else "")
        if found is None:
            if owner.namespaced and self._is_elsewhere(owner, reference):
                self._report_namespace(obj, reference, namespace)
            return "gone"
        return "waiting" if _waits(found) and FOREGROUND in (found["metadata"].get("finalizers") or ()) else "solid"

    async def _owner(self, resource: Resource, reference: Object, namespace: str) -> Object | None:
        """That very owner, from the cache or live; None when the server does not have it."""
        cached = self.caches.of(resource).get(namespace, reference["name"])
        if cached is not None and cached["metadata"]["uid"] == reference["uid"]:
            return cached
        try:
            live = await self.client.get(resource, reference["name"], namespace or None)
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        return live if live["metadata"]["uid"] == reference["uid"] else None

    def _is_elsewhere(self, resource: Resource, reference: Object) -> bool:
        return any(item["metadata"]["uid"] == reference["uid"] for item in self.caches.of(resource).all())

    def _report_namespace(self, obj: Object, reference: Object, namespace: str) -> None:
        metadata = obj["metadata"]
        involved = {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        } | ({"namespace": namespace} if namespace else {})
        identity = (
            f"[{reference['apiVersion']}/{reference['kind']}, namespace: {namespace}, "
            f"name: {reference['name']}, uid: {reference['uid']}]"
        )
        message = f'ownerRef {identity} does not exist in namespace "{namespace}"'
        self.recorder.warning(_SOURCE, involved, "OwnerRefInvalidNamespace", message)

    async def _end_waiting(self, resource: Resource, owner: Object) -> None:
        finalizers = list(owner["metadata"].get("finalizers") or ())
        uid = owner["metadata"]["uid"]
        if ORPHAN not in finalizers and FOREGROUND not in finalizers:
            return
        if uid not in self._swept_for:
            await self._sweep()
            self._swept_for.add(uid)
        dependents = self._dependents(uid)
        if ORPHAN in finalizers:
            for kind, item in dependents:
                await self._disown(kind, item, {uid})
            await self._drop_finalizer(resource, owner, ORPHAN)
            return
        blocking = [(kind, item) for kind, item in dependents if _blocks(item, uid)]
        for kind, item in blocking:
            self.queue.add(_key(kind, item))
        if not blocking:
            await self._drop_finalizer(resource, owner, FOREGROUND)

    async def _delete(self, resource: Resource, obj: Object, policy: str) -> None:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        try:
            await self.client.delete(
                resource,
                metadata["name"],
                metadata.get("namespace"),
                uid=metadata["uid"],
                propagation_policy=policy,
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _disown(self, resource: Resource, obj: Object, uids: set[str]) -> None:
        metadata = obj["metadata"]
        kept = [item for item in metadata["ownerReferences"] if item["uid"] not in uids]
        body = {"metadata": {"uid": metadata["uid"], "ownerReferences": kept or None}}
        try:
            answer = await self.client.patch(resource, metadata["name"], body, metadata.get("namespace"))
        except ApiError as error:
            if error.code != 404:
                raise
            return
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
    return metadata.get("namespace", ""), f"{resource.group}/{resource.plural}/{metadata['name']}"


def _waits(obj: Object) -> bool:
    """Whether a deletion waits for this controller."""
    finalizers = set(obj["metadata"].get("finalizers") or ())
    return bool(obj["metadata"].get("deletionTimestamp")) and bool(finalizers & {FOREGROUND, ORPHAN})


def _owners_changed(old: Object | None, new: Object) -> bool:
    owners = new["metadata"].get("ownerReferences")
    return bool(owners) and (old is None or old["metadata"].get("ownerReferences") != owners)


def _blocks(dependent: Object, uid: str) -> bool:
    references = dependent["metadata"].get("ownerReferences") or ()
    return any(item["uid"] == uid and item.get("blockOwnerDeletion") for item in references)
