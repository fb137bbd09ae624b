"""How many requests the embedded API server answers in a second, and how fast its watches are told of changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from cluster_apart import ClusterApart, cluster_apart

from simulator.api_client import ApiClient
from simulator.resources import CONFIG_MAPS, NAMESPACES

NAMESPACE = "bench"
OBJECTS, AT_A_TIME, SECONDS = 100, 16, 3.0
WATCHES, CHANGES, ALL_SECONDS = 50, 200, 60.0


async def measure_requests() -> dict[str, Any]:
    """Requests a second by verb, over ``AT_A_TIME`` connections: of one object, of a list of 100, of one patch."""
    async with cluster_apart(nodes=1) as cluster:
        await _set_up(cluster.admin)
        admin = cluster.admin
        found: dict[str, Any] = {"connections": AT_A_TIME, "objects_in_the_list": OBJECTS}
        found["get_per_second"] = await _rate(lambda number: admin.get(CONFIG_MAPS, _name(number), NAMESPACE))
        found["list_per_second"] = await _rate(lambda _: admin.list(CONFIG_MAPS, NAMESPACE))
        found["patch_per_second"] = await _rate(
            lambda number: admin.patch(CONFIG_MAPS, _name(number), {"data": {"turn": str(number)}}, NAMESPACE)
        )
        found["watch"] = await _fan_out(cluster)
        return found


async def _set_up(admin: ApiClient) -> None:
    await admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for number in range(OBJECTS):
        metadata = {"name": _name(number), "namespace": NAMESPACE}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": "x" * 500}}
        await admin.create(CONFIG_MAPS, body)


def _name(number: int) -> str:
    return f"config-{number % OBJECTS}"


async def _rate(request: Callable[[int], Awaitable[Any]]) -> int:
    done, end = 0, time.perf_counter() + SECONDS

    async def keep_asking(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await request(number)
            number += AT_A_TIME
            done += 1

    async with asyncio.TaskGroup() as group:
        for number in range(AT_A_TIME):
            group.create_task(keep_asking(number))
    return round(done / SECONDS)


async def _fan_out(cluster: ClusterApart) -> dict[str, Any]:
    """Many watches of one collection: events delivered in a second while it changes as fast as it can."""
    version = (await cluster.admin.list(CONFIG_MAPS, NAMESPACE))["metadata"]["resourceVersion"]
    started = time.perf_counter()

    async def follow() -> None:
        lines = cluster.admin.watch_lines(CONFIG_MAPS, resource_version=version, namespace=NAMESPACE)
        seen = 0
        async with aclosing(lines):
            async for _ in lines:
                seen += 1
                if seen == CHANGES:
                    return

    async with asyncio.timeout(ALL_SECONDS), asyncio.TaskGroup() as group:
        for _ in range(WATCHES):
            group.create_task(follow())
        for number in range(CHANGES):
            patch = {"data": {"change": str(number)}}
            await cluster.admin.patch(CONFIG_MAPS, _name(number), patch, NAMESPACE)
    took = time.perf_counter() - started
    return {"watches": WATCHES, "changes": CHANGES, "events_per_second": round(WATCHES * CHANGES / took)}
