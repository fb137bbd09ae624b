"""The kubelet as a process of its own, as it runs against a real control plane; and nodes over time."""

import asyncio
import re
import signal
import sys
from pathlib import Path

from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.resources import LEASES, NODES, PODS
from tests.simulator.world import alone, running_world

REPOSITORY = Path(__file__).resolve().parents[2]


async def kubelet(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator.kubelet",
        *arguments,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_announces_its_nodes_and_its_registry_and_ends_on_sigterm(tmp_path: Path) -> None:
    with EmbeddedCluster(nodes=1, speed=20) as cluster:
        token = tmp_path / "token"
        token.write_text(cluster.token("system:nodes"), encoding="utf-8")
        arguments = ("--server", cluster.server, "--token-file", str(token), "--nodes", "2", "--speed", "20")
        process = await kubelet(*arguments)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
            assert re.fullmatch(r"kubelet ready nodes=2 metrics=\d+ registry=127\.0\.0\.1:\d+\n", line)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        async with ApiClient(Connection(cluster.server, cluster.token("admin"))) as client:
            names = {item["metadata"]["name"] for item in (await client.list(NODES))["items"]}
        assert names == {"node-1", "node-2"}


async def test_a_missing_token_file_is_one_clear_line() -> None:
    process = await kubelet("--server", "http://127.0.0.1:1", "--token-file", "/nowhere/token")
    async with asyncio.timeout(20):
        _, error = await process.communicate()
    assert process.returncode == 1
    assert error.decode().splitlines() == ["kubelet: [Errno 2] No such file or directory: '/nowhere/token'"]


async def test_nodes_renew_their_leases() -> None:
    async with running_world(nodes=1, speed=100) as world:
        first = (await world.client.get(LEASES, "node-1", "kube-node-lease"))["spec"]["renewTime"]

        async def renewed() -> bool:
            lease = await world.client.get(LEASES, "node-1", "kube-node-lease")
            return bool(lease["spec"]["renewTime"] != first)

        await world.eventually(renewed)


async def test_nodes_are_ready_with_a_log_endpoint_when_the_cluster_has_started() -> None:
    async with running_world(nodes=2) as world:
        for node in (await world.client.list(NODES))["items"]:
            (ready,) = [item for item in node["status"]["conditions"] if item["type"] == "Ready"]
            assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
            assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] > 0


async def test_a_kubelet_outlives_the_loss_of_every_watch() -> None:
    async with running_world() as world:
        world.cluster.forget_history()
        await world.run_pod(alone("nginx:1.27"))

        async def ready() -> bool:
            return bool((await world.container()).get("ready"))

        await world.eventually(ready)
        assert len(await world.all(PODS)) == 1
