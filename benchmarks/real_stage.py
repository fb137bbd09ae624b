"""The other process of the benchmarks on a real API server: ``stage.py`` before the control plane that tests start.

The control plane has no nodes of its own: the simulator's kubelet runs in front of it, at the speed of the clock.
Called with nothing; speaks as ``stage.py`` does, and knows of its commands those that need no embedded cluster.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the harness belongs to the tests, which nobody installs

from seeding import Object, deployment
from stage import GOOD, Stage, serve
from wire import Relay

from simulator.api_client import ApiClient, Connection
from simulator.resources import DEPLOYMENTS, EVENTS, NAMESPACES
from tests.control_plane.build import find_binaries
from tests.control_plane.harness import ControlPlane

NODES, NAMESPACE, AT_ONCE = 2, "crowd", 16
REASONS = ("ReplicaSetCreateError", "FailedCreate")
MESSAGE = (
    'Error creating: pods "web-6bfff756fb-" is forbidden: exceeded quota: compute, requested: requests.cpu=2,'
    " used: requests.cpu=3, limited: requests.cpu=4, which a controller says again and again of one object"
)


class RealStage(Stage):
    """What can be done to a real cluster."""

    def __init__(self, control_plane: ControlPlane, admin: ApiClient, relay: Relay) -> None:
        super().__init__(None, admin, relay)
        self._control_plane = control_plane
        kept = ("deploy", "one_by_one", "at_once", "traffic")
        self.commands = {name: self.commands[name] for name in kept} | {"warnings": self.warnings}

    async def warnings(self, subjects: int, events: int) -> dict[str, Any]:
        """So many Warning events about so many Deployments without pods; how a watch of all of them is asked for."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await self._admin.create(NAMESPACES, namespace)
        made = [await self._without_pods(number) for number in range(subjects)]
        version = (await self._admin.list(EVENTS))["metadata"]["resourceVersion"]
        series = [_event(one, reason) for one in made for reason in REASONS]
        writing = asyncio.Semaphore(AT_ONCE)
        for count in range(1, events // len(series) + 1):
            await asyncio.gather(*(self._say(event, count, writing) for event in series))
        connection = self._admin.connection
        reached = {"server": connection.server, "token": connection.token, "ca_file": connection.ca_file}
        return {**reached, "version": version, "events": events // len(series) * len(series)}

    async def _without_pods(self, number: int) -> Object:
        body = deployment(f"web-{number:04}", NAMESPACE, GOOD)
        body["spec"]["replicas"] = 0
        return await self._admin.create(DEPLOYMENTS, body)

    async def _say(self, event: Object, count: int, writing: asyncio.Semaphore) -> None:
        async with writing:
            if count == 1:
                await self._admin.create(EVENTS, event)
            else:
                await self._admin.update(EVENTS, event | {"count": count})


def _event(about: Object, reason: str) -> Object:
    metadata = about["metadata"]
    # Never history to whoever reads, however long it takes to write them all.
    last = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{reason.lower()}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            **{field: metadata[field] for field in ("namespace", "name", "uid", "resourceVersion")},
        },
        "reason": reason,
        "message": MESSAGE,
        "source": {"component": "deployment-controller"},
        "firstTimestamp": last,
        "lastTimestamp": last,
        "count": 1,
        "type": "Warning",
    }


def main() -> None:
    binaries = find_binaries(os.environ)
    if binaries is None:
        raise SystemExit("the control plane is not built; run `make control-plane`")
    with ControlPlane(binaries) as control_plane:
        control_plane.start_kubelet(NODES)
        asyncio.run(_perform(control_plane))


async def _perform(control_plane: ControlPlane) -> None:
    at = urlsplit(control_plane.server)
    tls = ssl.create_default_context(cafile=str(control_plane.ca_file))
    relay = Relay(str(at.hostname), int(at.port or 443), tls=tls)
    connection = Connection(control_plane.server, control_plane.admin_token, str(control_plane.ca_file), "benchmark")
    async with ApiClient(connection) as admin, relay.serving() as port:
        await serve(RealStage(control_plane, admin, relay), _kubeconfig(port, control_plane.admin_token))


def _kubeconfig(port: int, token: str) -> dict[str, Any]:
    """Leads through the relay, which speaks TLS to the server on the other side."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }


if __name__ == "__main__":
    main()
