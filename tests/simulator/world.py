"""A running embedded cluster and the few things that every test of its parts does with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, ApiError, Connection, Resource
from simulator.resources import DEPLOYMENTS, EVENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS

Object = dict[str, Any]
NAMESPACE = "shop"
DEADLINE_SECONDS = 15.0


class World:
    """One cluster with the namespace ``shop``, seen by the user admin."""

    def __init__(self, cluster: EmbeddedCluster, client: ApiClient) -> None:
        self.cluster = cluster
        self.client = client

    async def eventually(self, look: Callable[[], Awaitable[Any]]) -> Any:
        """The first truthy answer of ``look``; fails after a generous deadline."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    found = await look()
                except ApiError as error:
                    if error.code != 404:
                        raise
                    found = None
                if found:
                    return found
                await asyncio.sleep(0.01)

    async def pod(self, name: str = "") -> Object | None:
        """The pod of that name, or the only one there is, or None."""
        items = (await self.client.list(PODS, NAMESPACE))["items"]
        return next((item for item in items if name in ("", item["metadata"]["name"])), None)

    async def container(self) -> Object:
        """The first container status of the first pod; empty before there is one."""
        pod = await self.pod()
        statuses = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
        return dict(statuses[0])

    async def waits(self, reason: str) -> Object:
        """The waiting state once the first container waits for that reason."""

        async def look() -> Object | None:
            waiting = (await self.container()).get("state", {}).get("waiting")
            return waiting if waiting and waiting["reason"] == reason else None

        return dict(await self.eventually(look))

    async def run_pod(self, spec: Object, name: str = "pod") -> Object:
        """Create a pod with that spec."""
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        }
        return await self.client.create(PODS, body)

    async def deploy(self, **changes: Any) -> Object:
        """Create the Deployment ``web`` (two nginx), with changes to its spec."""
        return await self.client.create(DEPLOYMENTS, deployment(**changes))

    async def deployment(self) -> Object:
        """The Deployment ``web`` as it is now."""
        return await self.client.get(DEPLOYMENTS, "web", NAMESPACE)

    async def change(self, spec: Object) -> Object:
        """Patch the Deployment's spec (strategic merge)."""
        return await self.client.patch(
            DEPLOYMENTS, "web", {"spec": spec}, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH
        )

    async def change_image(self, image: str) -> Object:
        """Roll another image out."""
        return await self.change({"template": {"spec": {"containers": [{"name": "nginx", "image": image}]}}})

    async def rolled_out(self) -> Object:
        """The Deployment once every replica is updated and available."""

        async def look() -> Object | None:
            found = await self.deployment()
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            return found if seen and counts == [wanted] * 3 else None

        return dict(await self.eventually(look))

    async def all(self, resource: Resource) -> list[Object]:
        """Everything of one kind in the namespace."""
        return list((await self.client.list(resource, NAMESPACE))["items"])

    async def events(self, reason: str = "", kind: str = "") -> list[Object]:
        """The events with that reason and involved kind, oldest first."""
        found = [
            item
            for item in await self.all(EVENTS)
            if reason in ("", item["reason"]) and kind in ("", item["involvedObject"]["kind"])
        ]
        return sorted(found, key=lambda item: int(item["metadata"]["resourceVersion"]))

    async def event(self, reason: str, text: str = "") -> Object:
        """The first event with that reason whose message contains ``text``, once there is one."""

        async def look() -> Object | None:
            return next((item for item in await self.events(reason) if text in item["message"]), None)

        return dict(await self.eventually(look))


@asynccontextmanager
async def running_world(*, speed: float = 40.0, nodes: int = 2) -> AsyncIterator[World]:
    """A cluster that is stopped again; everything waits ``speed`` times shorter."""
    with EmbeddedCluster(nodes=nodes, speed=speed) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.token("admin"), user_agent="tests")) as client:
            world = World(cluster, client)
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            await client.create(NAMESPACES, body)
            await world.eventually(lambda: client.get(SERVICE_ACCOUNTS, "default", NAMESPACE))
            yield world


def deployment(**changes: Any) -> Object:
    """The manifest of ``web``."""
    spec: Object = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:1.27"}]},
        },
    }
    metadata = {"name": "web", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec | changes}


def container(image: str, **fields: Any) -> Object:
    """A container ``main`` of that image."""
    return {"name": "main", "image": image} | fields


def alone(image: str, **fields: Any) -> Object:
    """The spec of a pod with one container."""
    return {"containers": [container(image, **fields)]}
