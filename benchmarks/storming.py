"""A storm: many workloads break at the same moment, and their kubelets say so again and again.

The broken workloads are copies of one that really is (see ``seeding``); each has five events, and each event is seen
ten times, with a count that grows. They are written where the API server keeps its objects, faster than kubelets could.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import seeding
from seeding import Object

from simulator import EmbeddedCluster

BROKEN, NAMES, SIGHTINGS = "nginx:1.27-alpnie", 10, 10
AT_ONCE, PAUSE_SECONDS = 500, 0.05
MESSAGES = {
    "Failed": f'Failed to pull image "{BROKEN}": rpc error: code = NotFound desc = {BROKEN}: not found',
    "BackOff": f'Back-off pulling image "{BROKEN}"',
    "InspectFailed": f'Failed to inspect image "{BROKEN}": rpc error: code = Unknown desc = not found',
    "ErrImagePull": f"Error: ErrImagePull: {BROKEN}: not found",
    "ImagePullBackOff": "Error: ImagePullBackOff",
}


def storm(cluster: EmbeddedCluster, subjects: int, warnings: int) -> int:
    """So many broken workloads, then so many warnings about them; how many warnings were written."""
    pods = asyncio.run(seeding.copies(cluster, subjects, image=BROKEN, prefix="storm"))
    lines = list(_warnings(pods, warnings))
    kind = seeding.kinds_of(cluster)["Event"]
    for start in range(0, len(lines), AT_ONCE):
        part = lines[start : start + AT_ONCE]
        cluster._on_loop(lambda part=part: [cluster._api.store.write(kind, event) for event in part])
        time.sleep(PAUSE_SECONDS)  # the server sends them on
    return len(lines)


def _warnings(pods: list[Object], warnings: int) -> Iterator[Object]:
    series = [(pod, reason, str(uuid.uuid4())) for pod in pods for reason in MESSAGES]
    for number in range(warnings):
        pod, reason, uid = series[number % len(series)]
        yield _event(pod, reason, uid=uid, count=number // len(series) + 1)


def _event(pod: Object, reason: str, *, uid: str, count: int) -> dict[str, Any]:
    metadata, now = pod["metadata"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{metadata['name']}.{uid[:8]}",
            "namespace": metadata["namespace"],
            "uid": uid,
            "creationTimestamp": now,
        },
        "involvedObject": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": "v1",
            "fieldPath": "spec.containers{nginx}",
        },
        "reason": reason,
        "message": MESSAGES[reason],
        "source": {"component": "kubelet", "host": seeding.FAR},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": count,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": seeding.FAR,
    }
