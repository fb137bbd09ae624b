"""Empties a terminating namespace of every kind the server has, and says in conditions what is left.

After pkg/controller/namespace/deletion in Kubernetes v1.36: pods go first, the rest follows when none is left, and
the conditions use the real reasons and messages.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.controllers.controller import is_deleting
from simulator.controllers.discovery import Discovery, Served
from simulator.informer import Object
from simulator.resources import PODS

_FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": (
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
}


@dataclass
class Remains:
    """What one pass left behind."""

    objects: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    undiscovered: str = ""
    pods_only: bool = False

    @property
    def anything(self) -> bool:
        """Whether another pass is needed."""
        return bool(self.objects or self.errors or self.undiscovered)


class NamespaceContent:
    """Deletes what is in namespaces."""

    def __init__(self, client: ApiClient, discovery: Discovery) -> None:
        self._client = client
        self._discovery = discovery

    async def delete(self, namespace: str) -> Remains:
        """One pass over everything; never raises ApiError: what goes wrong is part of the answer."""
        remains = Remains()
        kinds = await self._kinds(remains)
        await self._delete_kind(Served(PODS, frozenset({"deletecollection"})), namespace, remains)
        if remains.objects:
            remains.pods_only = True
            return remains
        for served in kinds:
            if served.resource.namespaced and served.resource != PODS:
                await self._delete_kind(served, namespace, remains)
        return remains

    async def _kinds(self, remains: Remains) -> list[Served]:
        try:
            return await self._discovery.kinds()
        except ApiError as error:
            remains.undiscovered = error.message
            return self._discovery.known

    async def _delete_kind(self, served: Served, namespace: str, remains: Remains) -> None:
        resource = served.resource
        try:
            items = await self._items(resource, namespace)
            if not items:
                return
            if "deletecollection" in served.verbs:
                await self._client.request("DELETE", resource.path(namespace), body={"propagationPolicy": "Background"})
            else:
                for item in items:
                    await self._delete_one(resource, item, namespace)
            items = await self._items(resource, namespace)
        except ApiError as error:
            if error.code not in (404, 405):
                remains.errors.append(error.message)
            return
        if items:
            remains.objects[f"{resource.plural}.{resource.group}"] += len(items)
            remains.finalizers.update(one for item in items for one in item["metadata"].get("finalizers") or ())

    async def _items(self, resource: Resource, namespace: str) -> list[Object]:
        return (await self._client.list(resource, namespace)).get("items") or []

    async def _delete_one(self, resource: Resource, item: Object, namespace: str) -> None:
        if is_deleting(item):
            return
        try:
            await self._client.delete(resource, item["metadata"]["name"], namespace)
        except ApiError as error:
            if error.code not in (404, 409):
                raise


def conditions(namespace: Object, remains: Remains, now: str) -> list[dict[str, Any]]:
    """The namespace's conditions after a pass; a condition that says the same keeps its time."""
    failing = _failing(remains)
    current = {item["type"]: item for item in (namespace.get("status") or {}).get("conditions") or ()}
    found = [item for kind, item in current.items() if kind not in _FINE]
    for kind, fine in _FINE.items():
        status = "True" if kind in failing else "False"
        reason, message = failing.get(kind, fine)
        before = current.get(kind)
        same = before is not None and before["status"] == status
        since = before["lastTransitionTime"] if before is not None and same else now
        found.append(
            {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        )
    return found


def _failing(remains: Remains) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if remains.undiscovered:
        found["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", remains.undiscovered)
    if remains.errors:
        text = ", ".join(sorted(remains.errors))
        message = f"Failed to delete all resource types, {len(remains.errors)} remaining: {text}"
        found["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", message)
    if remains.objects and not remains.pods_only:
        text = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in remains.objects.items()))
        found["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {text}")
    if remains.finalizers and not remains.pods_only:
        text = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in remains.finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {text}"
        found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", message)
    return found
