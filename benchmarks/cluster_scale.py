"""Many pods on many nodes: how soon all of them run, what they take, and what they cost when nothing happens."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from cluster_apart import ClusterApart, cluster_apart

from simulator.resources import DEPLOYMENTS, EVENTS, NAMESPACES

NAMESPACE, IMAGE = "bench", "nginx:1.27-alpine"
PODS_EACH, LOOK_SECONDS, ALL_SECONDS = 50, 1.0, 900.0
TOLD_SECONDS = 2.0
STARTS, IDLE_SECONDS, CALM_SECONDS = 5, 10.0, 10.0


async def measure_starts() -> dict[str, Any]:
    """The median start of a cluster of three nodes, and what it takes while idle."""
    seconds = []
    for _ in range(STARTS):
        async with cluster_apart(nodes=3) as cluster:
            seconds.append(cluster.start_seconds)
    async with cluster_apart(nodes=3) as cluster:
        await asyncio.sleep(CALM_SECONDS / 2)
        idle, used = await cluster.idle_percent(IDLE_SECONDS), await cluster.usage()
    return {
        "starts": STARTS,
        "start_ms": round(sorted(seconds)[STARTS // 2] * 1000, 1),
        "idle_percent": round(idle, 1),
        "resident_mb": round(used["resident_mb"]),
    }


async def measure_scale(*, pods: int, nodes: int, speed: float) -> dict[str, Any]:
    """Seconds from the first Deployment's creation until every pod is ready. Raises TimeoutError.

    ``speed`` shortens the waits of images and programs; what is left is work. Deployments of 50 pods each. Events are
    written behind what they tell of, as in every cluster; it is idle once the last of them is there.
    """
    async with cluster_apart(nodes=nodes, speed=speed) as cluster:
        started = time.perf_counter()
        before = await cluster.usage()
        await _create(cluster, pods)
        async with asyncio.timeout(ALL_SECONDS):
            await _until_ready(cluster, pods)
        running = time.perf_counter() - started
        after = await cluster.usage()
        async with asyncio.timeout(ALL_SECONDS):
            events = await _until_told(cluster)
        told = time.perf_counter() - started
        await asyncio.sleep(CALM_SECONDS)
        idle = await cluster.idle_percent(IDLE_SECONDS)
    work = after["cpu_seconds"] - before["cpu_seconds"]
    return {
        "pods": pods,
        "nodes": nodes,
        "speed": speed,
        "running_seconds": round(running, 1),
        "events": events,
        "events_seconds": round(told, 1),
        "cpu_seconds": round(work, 1),
        "cpu_ms_per_pod": round(1000 * work / pods, 1),
        "resident_mb": round(after["resident_mb"]),
        "highest_mb": round(after["highest_mb"]),
        "idle_percent": round(idle, 1),
    }


async def _create(cluster: ClusterApart, pods: int) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await cluster.admin.create(NAMESPACES, namespace)
    for number in range(pods // PODS_EACH):
        await cluster.admin.create(DEPLOYMENTS, _deployment(f"web{number:03}"))


async def _until_ready(cluster: ClusterApart, pods: int) -> None:
    while True:
        if await _ready(cluster) == pods:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _until_told(cluster: ClusterApart) -> int:
    """Wait until no more Events come; how many there are."""
    seen = -1
    while (found := await _events(cluster)) != seen:
        seen = found
        await asyncio.sleep(TOLD_SECONDS)
    return found


async def _events(cluster: ClusterApart) -> int:
    page = await cluster.admin.request("GET", EVENTS.path(), query={"limit": "1"})
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


async def _ready(cluster: ClusterApart) -> int:
    found = (await cluster.admin.list(DEPLOYMENTS, NAMESPACE))["items"]
    return sum(item.get("status", {}).get("readyReplicas", 0) for item in found)


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "nginx", "image": IMAGE, "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": PODS_EACH,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
