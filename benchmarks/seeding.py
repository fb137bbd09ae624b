"""Thousands of workloads put into an embedded cluster in seconds.

One Deployment is made and settles, well or broken, as any does; the others are copies of what has become of it, written
where the API server keeps its objects. Their pods are on a node that no kubelet runs: nothing has to be started, and
nothing about them ever changes but the node's heartbeat. Whoever lists or watches cannot tell them from others.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.resources import DEPLOYMENTS, NAMESPACES, PODS

NAMES, PATTERN, FAR, GOOD = 10, "pattern", "far-away", "nginx:1.27-alpine"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
SETTLE_SECONDS, LOOK_SECONDS, BEAT_SECONDS = 60.0, 0.1, 2.0
Object = dict[str, Any]


@contextmanager
def far_node(cluster: EmbeddedCluster) -> Iterator[None]:
    """A node that only seems to be run by a kubelet, while the block runs."""
    node = next(body for key, body in cluster.dump().items() if key.startswith("v1/Node/"))
    far = _copy(node, {node["metadata"]["name"]: FAR, node["metadata"]["uid"]: _uid()})
    far["spec"] |= {"unschedulable": True, "taints": [{"key": UNSCHEDULABLE, "effect": "NoSchedule"}]}
    ended = threading.Event()
    _beat(cluster, far)
    beating = threading.Thread(target=_keep_beating, args=(cluster, far, ended))
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()


async def copies(cluster: EmbeddedCluster, workloads: int, *, prefix: str, image: str = GOOD) -> list[Object]:
    """So many Deployments of one pod in ten namespaces; their pods."""
    async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="benchmark")) as admin:
        for number in range(NAMES):
            metadata = {"name": f"{prefix}-{number}"}
            await admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        await admin.create(DEPLOYMENTS, deployment(PATTERN, f"{prefix}-0", image))
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                if await _settled(admin, f"{prefix}-0"):
                    break
                await asyncio.sleep(LOOK_SECONDS)
    pattern = [body for key, body in cluster.dump().items() if _is_of_pattern(key, f"{prefix}-0")]
    written = cluster._on_loop(lambda: _written(cluster, pattern, workloads - 1, prefix))
    return [body for body in [*pattern, *written] if body["kind"] == "Pod"]


async def _settled(admin: ApiClient, namespace: str) -> bool:
    """Whether the one pod runs, or waits for an image that is not there."""
    for pod in (await admin.list(PODS, namespace))["items"]:
        for status in pod.get("status", {}).get("containerStatuses") or ():
            if status["ready"]:
                found = await admin.get(DEPLOYMENTS, PATTERN, namespace)
                return bool(found.get("status", {}).get("availableReplicas"))
            return bool(status["state"].get("waiting", {}).get("reason") == "ImagePullBackOff")
    return False


def _is_of_pattern(key: str, namespace: str) -> bool:
    kind = key.rpartition(f"/{namespace}/{PATTERN}")[0]
    return kind in ("apps/v1/Deployment", "apps/v1/ReplicaSet", "v1/Pod")


def deployment(name: str, namespace: str, image: str) -> Object:
    """A Deployment of one pod."""
    labels = {"app": name}
    container = {"name": "nginx", "image": image, "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


# --- what is done on the cluster's own thread, to which its store belongs


def kinds_of(cluster: EmbeddedCluster) -> dict[str, Any]:
    """The server's kinds by name."""
    return {kind.kind: kind for kind in cluster._api.kinds.all()}


def _written(cluster: EmbeddedCluster, pattern: list[Object], number: int, prefix: str) -> list[Object]:
    kinds, written = kinds_of(cluster), []
    for place in range(number):
        changes = {PATTERN: f"copy-{place:05}", f"{prefix}-0": f"{prefix}-{place % NAMES}"}
        changes |= {body["metadata"]["uid"]: _uid() for body in pattern}
        for body in pattern:
            copied = _copy(body, changes)
            if "nodeName" in copied["spec"]:
                copied["spec"]["nodeName"] = FAR
            cluster._api.store.write(kinds[body["kind"]], copied)
            written.append(copied)
    return written


def _copy(body: Object, changes: dict[str, str]) -> Object:
    text = orjson.dumps(body)
    for before, after in changes.items():
        text = text.replace(before.encode(), after.encode())
    copied: Object = orjson.loads(text)
    return copied


def _uid() -> str:
    return str(uuid.uuid4())


def _keep_beating(cluster: EmbeddedCluster, node: Object, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        _beat(cluster, node)


def _beat(cluster: EmbeddedCluster, node: Object) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [condition | {"lastHeartbeatTime": now} for condition in node["status"]["conditions"]]
    beating = node | {"status": node["status"] | {"conditions": conditions}}
    cluster._on_loop(lambda: cluster._api.store.write(kinds_of(cluster)["Node"], beating))
