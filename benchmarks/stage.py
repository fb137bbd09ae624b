"""The other process of the benchmarks: a cluster that breaks when it is told to, with a relay before its API server.

Apart from the program, so that the two share no interpreter. Called with the number of nodes, the cluster's speed and
how many well workloads it has from the start; speaks lines of JSON: says the kubeconfig (which leads through the
relay), then answers one command after the other. The end of what it hears ends it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from churning import churn
from cluster_process import say
from seeding import copies, deployment, far_node
from storming import storm
from wire import Relay

from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, Connection
from simulator.resources import DEPLOYMENTS, NAMESPACES

NAMESPACE = "bench"
GOOD, BAD = "nginx:1.27-alpine", "nginx:1.27-alpnie"
SETUP_SECONDS, PATCH_SECONDS, LOOK_SECONDS = 120.0, 60.0, 0.1


class Stage:
    """What can be done to the cluster."""

    def __init__(self, cluster: EmbeddedCluster, admin: ApiClient, relay: Relay) -> None:
        self._cluster = cluster
        self._admin = admin
        self._relay = relay
        self.commands: dict[str, Callable[..., Awaitable[Any]]] = {
            "deploy": self.deploy,
            "one_by_one": self.one_by_one,
            "at_once": self.at_once,
            "traffic": self.traffic,
            "storm": self.storm,
            "churn": self.churn,
        }

    async def deploy(self, names: list[str]) -> int:
        """Make Deployments and wait until each is well."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await self._admin.create(NAMESPACES, namespace)
        for name in names:
            await self._admin.create(DEPLOYMENTS, deployment(name, NAMESPACE, GOOD))
        async with asyncio.timeout(SETUP_SECONDS):
            while True:
                found = (await self._admin.list(DEPLOYMENTS, NAMESPACE))["items"]
                if all(item.get("status", {}).get("availableReplicas") == 1 for item in found):
                    return len(found)
                await asyncio.sleep(LOOK_SECONDS)

    async def one_by_one(self, names: list[str], pause_seconds: float) -> list[list[float | None]]:
        """Break each a moment after the one before has been patched; when event and patch were seen."""
        for name in names:
            await self._break(name)
            await asyncio.sleep(pause_seconds)  # the rollout of the repair is not to be part of the next reaction
        return self._seen(names)

    async def at_once(self, names: list[str]) -> list[list[float | None]]:
        """Break all; when the events and the patches were seen."""
        await asyncio.gather(*(self._break(name) for name in names))
        return self._seen(names)

    def _seen(self, names: list[str]) -> list[list[float | None]]:
        return [[self._relay.events.get(name), self._relay.patches.get(name)] for name in names]

    async def _break(self, name: str) -> None:
        self._relay.expect(name)
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": BAD}]}}}}
        await self._admin.patch(DEPLOYMENTS, name, patch, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH)
        try:
            async with asyncio.timeout(PATCH_SECONDS):
                await self._relay.until_patched(name)
        except TimeoutError:
            print(f"{name} was not patched within {PATCH_SECONDS:g} s", file=sys.stderr)

    async def traffic(self) -> dict[str, int]:
        """What has passed the relay so far."""
        return {"requests": self._relay.requests, "bytes": self._relay.bytes}

    async def storm(self, subjects: int, warnings: int) -> int:
        """So many broken workloads appear, and so many warnings about them; how many were written."""
        return await asyncio.to_thread(storm, self._cluster, subjects, warnings)

    async def churn(self, names: list[str], incidents: int, drop_seconds: float, store: str) -> dict[str, Any]:
        """Break workloads again and again while watches are cut; see ``churning``."""
        return await churn(
            self._admin, self._relay, names, incidents=incidents, drop_seconds=drop_seconds, store=Path(store)
        )


def main(nodes: int, speed: float, workloads: int) -> None:
    with EmbeddedCluster(nodes=nodes, speed=speed) as cluster, far_node(cluster):
        if workloads:
            asyncio.run(copies(cluster, workloads, prefix="crowd"))
        asyncio.run(_perform(cluster))


async def _perform(cluster: EmbeddedCluster) -> None:
    at = urlsplit(cluster.server)
    relay = Relay(str(at.hostname), int(at.port or 80))
    connection = Connection(cluster.server, cluster.admin_token, user_agent="benchmark")
    async with ApiClient(connection) as admin, relay.serving() as port:
        stage = Stage(cluster, admin, relay)
        say(_through(cluster.kubeconfig(user="k8s-auto-fixer"), cluster.server, port))
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, *arguments = orjson.loads(line)
            say(await stage.commands[command](*arguments))


def _through(kubeconfig: dict[str, Any], server: str, port: int) -> dict[str, Any]:
    """The same kubeconfig, with the relay's address in place of the server's."""
    found = orjson.dumps(kubeconfig).replace(server.encode(), f"http://127.0.0.1:{port}".encode())
    leading: dict[str, Any] = orjson.loads(found)
    return leading


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
