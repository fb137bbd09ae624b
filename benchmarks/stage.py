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
from churning import Churn
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

    def __init__(self, cluster: EmbeddedCluster | None, admin: ApiClient, relay: Relay) -> None:
        self._cluster = cluster  # None where a real API server is: what needs more than its API is not asked for
        self._admin = admin
        self._relay = relay
        self.commands: dict[str, Callable[..., Awaitable[Any]]] = {
            "deploy": self.deploy,
            "one_by_one": self.one_by_one,
            "at_once": self.at_once,
            "traffic": self.traffic,
            "storm": self.storm,
            "begin_churn": self.begin_churn,
            "churned": self.churned,
            "end_churn": self.end_churn,
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

    async def one_by_one(self, names: list[str]) -> list[list[float | None]]:
        """Break each once the one before has been patched; when event and patch were seen."""
        for name in names:
            await self._break(name)
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

    async def begin_churn(self, names: list[str], store: str) -> None:
        """Break workloads again and again from now on while watches are cut; see ``churning``."""
        self._churn = Churn(self._cluster, self._admin, self._relay, names, store=Path(store))
        self._churning = asyncio.create_task(self._churn.run())

    async def churned(self, drop_seconds: float) -> dict[str, Any]:
        """What came of it so far; from now on the watches are cut about as often as said."""
        if self._churning.done():
            self._churning.result()
        self._churn.drop_seconds = drop_seconds
        return self._churn.told()

    async def end_churn(self) -> dict[str, Any]:
        """What came of it, once everything that was broken is repaired."""
        self._churn.stop()
        await self._churning
        return self._churn.told()


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
        kubeconfig = _through(cluster.kubeconfig(user="k8s-auto-fixer"), cluster.server, port)
        await serve(Stage(cluster, admin, relay), kubeconfig)


async def serve(stage: Stage, kubeconfig: dict[str, Any]) -> None:
    """Say how the program reaches the cluster, then do what is asked until nothing more is."""
    say(kubeconfig)
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
