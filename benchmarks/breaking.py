"""The other process of the reaction benchmark: a cluster whose Deployments break one after the other.

Apart from the program, so that the two do not share an interpreter. Speaks lines of JSON: says the kubeconfig (which
leads through the relay) once every Deployment is well, waits for a line, breaks one Deployment after the other, each a
moment after the one before has been patched, says what the relay saw, and waits for another line to end.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from urllib.parse import urlsplit

import orjson
from wire import Relay

from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, Connection
from simulator.resources import DEPLOYMENTS, NAMESPACES

NAMESPACE = "bench"
SPEED = 20.0  # of the cluster; the program runs at 1
GOOD, BAD = "nginx:1.27-alpine", "nginx:1.27-alpnie"
SETUP_SECONDS, PATCH_SECONDS, PAUSE_SECONDS, LOOK_SECONDS = 60.0, 30.0, 0.5, 0.1


async def main(incidents: int) -> None:
    cluster = EmbeddedCluster(speed=SPEED, nodes=4)
    await asyncio.to_thread(cluster.start)
    try:
        at = urlsplit(cluster.server)
        relay = Relay(str(at.hostname), int(at.port or 80))
        connection = Connection(cluster.server, cluster.admin_token, user_agent="benchmark")
        async with ApiClient(connection) as admin, relay.serving() as port:
            names = [f"web{number:03}" for number in range(incidents)]
            await _set_up(admin, names)
            say(_through(cluster.kubeconfig(user="k8s-auto-fixer"), cluster.server, port))
            await heard()
            for name in names:
                await _break(admin, relay, name)
            say([[relay.events.get(name), relay.patches.get(name)] for name in names])
            await heard()
    finally:
        await asyncio.to_thread(cluster.stop)


async def _set_up(admin: ApiClient, names: list[str]) -> None:
    await admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for name in names:
        await admin.create(DEPLOYMENTS, _deployment(name))
    async with asyncio.timeout(SETUP_SECONDS):
        while True:
            found = (await admin.list(DEPLOYMENTS, NAMESPACE))["items"]
            if all(item.get("status", {}).get("availableReplicas") == 1 for item in found):
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _break(admin: ApiClient, relay: Relay, name: str) -> None:
    relay.expect(name)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": BAD}]}}}}
    await admin.patch(DEPLOYMENTS, name, patch, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH)
    try:
        async with asyncio.timeout(PATCH_SECONDS):
            await relay.until_patched(name)
    except TimeoutError:
        print(f"{name} was not patched within {PATCH_SECONDS:g} s", file=sys.stderr)
    await asyncio.sleep(PAUSE_SECONDS)  # the rollout of the repair is not to be part of the next reaction


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "nginx", "image": GOOD, "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _through(kubeconfig: dict[str, Any], server: str, port: int) -> dict[str, Any]:
    """The same kubeconfig, with the relay's address in place of the server's."""
    found = orjson.dumps(kubeconfig).replace(server.encode(), f"http://127.0.0.1:{port}".encode())
    leading: dict[str, Any] = orjson.loads(found)
    return leading


def say(value: Any) -> None:
    """One line to the process that started this one."""
    print(orjson.dumps(value).decode(), flush=True)


async def heard() -> None:
    """Wait for a line, or for the end, of what that process says."""
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
