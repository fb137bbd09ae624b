"""A Node that asks for a simulated kubelet gets one, and the fault that it asks for."""

import asyncio
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH
from simulator.kubelet.joining import FAULT, JOINS
from simulator.resources import LEASES, NODES
from tests.simulator.world import World, alone, running_world

NAME = "extra-1"
BEATS = 3  # of a node that is heard of, while a silent one says nothing


async def joined(world: World) -> None:
    annotations = {JOINS: "joins"}
    await world.client.create(
        NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "annotations": annotations}}
    )
    await world.eventually(lambda: condition(world, "Ready", "True"))


async def condition(world: World, kind: str, status: str) -> bool:
    found = (await world.client.get(NODES, NAME))["status"].get("conditions") or ()
    return any((item["type"], item["status"]) == (kind, status) for item in found)


async def renewed(world: World, name: str) -> str:
    return str((await world.client.get(LEASES, name, "kube-node-lease"))["spec"]["renewTime"])


async def befalls(world: World, fault: str | None) -> None:
    body = {"metadata": {"annotations": {FAULT: fault}}}
    await world.client.patch(NODES, NAME, body, content_type=STRATEGIC_MERGE_PATCH)


async def test_it_runs_pods_like_any_other() -> None:
    async with running_world() as world:
        await joined(world)
        await world.run_pod(alone("nginx:1.27") | {"nodeName": NAME})

        async def ready() -> Any:
            return (await world.container()).get("ready")

        await world.eventually(ready)


async def test_a_node_that_asks_for_none_gets_none() -> None:
    async with running_world() as world:
        await world.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}})
        await asyncio.sleep(0.3)
        assert not await condition(world, "Ready", "True")


async def test_a_pressure_lasts_as_long_as_it_is_asked_for() -> None:
    async with running_world() as world:
        await joined(world)
        await befalls(world, "disk-pressure")
        await world.eventually(lambda: condition(world, "DiskPressure", "True"))
        await befalls(world, None)
        await world.eventually(lambda: condition(world, "DiskPressure", "False"))


async def test_a_silent_node_says_nothing_while_others_do() -> None:
    async with running_world() as world:
        await joined(world)
        await befalls(world, "silent")
        await asyncio.sleep(0.2)  # a beat that was on its way
        before, seen = await renewed(world, NAME), {await renewed(world, "node-1")}

        async def others() -> bool:
            seen.add(await renewed(world, "node-1"))
            return len(seen) > BEATS

        await world.eventually(others)
        assert await renewed(world, NAME) == before
