"""What the server serves, as the controllers that care for every kind ask it.

Asked anew when something may have changed: a new group, or another set of CustomResourceDefinitions. Kinds are
taken in the server's preferred version.
"""

from dataclasses import dataclass
from typing import Any

from simulator.api_client import ApiClient, ApiError, Resource

_DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)


@dataclass(frozen=True)
class Served:
    """One kind that the server stores."""

    resource: Resource
    verbs: frozenset[str]


class Discovery:
    """Shared by the garbage collector and the namespace controller."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._signature: Any = None
        self._served: list[Served] = []

    @property
    def known(self) -> list[Served]:
        """What was found the last time."""
        return self._served

    async def kinds(self) -> list[Served]:
        """Every kind that can be listed and deleted. Raises ApiError."""
        groups = (await self._client.request("GET", "/apis")).get("groups") or []
        versions = [group["preferredVersion"]["groupVersion"] for group in groups]
        signature = (tuple(versions), await self._definitions())
        if signature != self._signature:
            found = await self._resources("/api/v1", "", "v1")
            for text in versions:
                group, _, version = text.partition("/")
                found += await self._resources(f"/apis/{text}", group, version)
            self._served, self._signature = found, signature
        return self._served

    async def find(self, api_version: str, kind: str) -> Resource | None:
        """The resource behind an owner reference, in whatever version it is served; None for an unknown kind."""
        group = api_version.rpartition("/")[0]

        def search() -> Resource | None:
            found = (item.resource for item in self._served if item.resource.kind == kind)
            return next((resource for resource in found if resource.group == group), None)

        known = search()
        if known is not None:
            return known
        await self.kinds()
        return search()

    async def _definitions(self) -> tuple[str, ...]:
        try:
            items = (await self._client.list(_DEFINITIONS)).get("items") or []
        except ApiError as error:
            if error.code != 404:
                raise
            return ()
        return tuple(f"{item['metadata']['uid']}/{item['metadata'].get('generation')}" for item in items)

    async def _resources(self, path: str, group: str, version: str) -> list[Served]:
        try:
            listed = (await self._client.request("GET", path)).get("resources") or []
        except ApiError as error:
            if error.code not in (404, 503):  # a group that went away, or an aggregated one that is down
                raise
            return []
        return [
            Served(
                Resource(group, version, item["name"], item["kind"], namespaced=item["namespaced"]),
                frozenset(item.get("verbs") or ()),
            )
            for item in listed
            if "/" not in item["name"] and {"list", "delete"} <= set(item.get("verbs") or ())
        ]
