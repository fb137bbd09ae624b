"""Workloads that break again and again, while the program's watches are cut under it.

Each name is worked on by itself: broken, waited for until it is repaired and the program's store has closed the
incident, broken again. What takes longer than that may has been missed. To break what is still being verified would be
another test: there the program hands over to whoever keeps changing the workload.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from wire import Relay

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient
from simulator.resources import DEPLOYMENTS

NAMESPACE, GOOD, BAD = "bench", "nginx:1.27-alpine", "nginx:1.27-alpnie"
REPAIR_SECONDS, LOOK_SECONDS = 120.0, 0.2
_UNCLOSED = "SELECT count(*) FROM incidents WHERE status <> 'closed' AND json_extract(body, '$.subject.name') = ?"


async def churn(
    admin: ApiClient, relay: Relay, names: list[str], *, incidents: int, drop_seconds: float, store: Path
) -> dict[str, Any]:
    """So many breaks over all names; how many were repaired, which were not, and how many watches were cut."""
    numbers, missed, dropped = itertools.count(), list[str](), 0

    async def keep_breaking(name: str) -> None:
        while next(numbers) < incidents:
            await _break(admin, name)
            if not await _repaired(admin, name, store):
                missed.append(name)
                return

    async def keep_cutting() -> None:
        nonlocal dropped
        while True:
            await asyncio.sleep(drop_seconds * random.uniform(0.5, 1.5))
            dropped += relay.drop_watches()

    cutting = asyncio.create_task(keep_cutting())
    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(keep_breaking(name))
    finally:
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
    return {"incidents": incidents, "missed": missed, "dropped": dropped}


async def _break(admin: ApiClient, name: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": BAD}]}}}}
    await admin.patch(DEPLOYMENTS, name, patch, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH)


async def _repaired(admin: ApiClient, name: str, store: Path) -> bool:
    try:
        async with asyncio.timeout(REPAIR_SECONDS):
            while True:
                found = await admin.get(DEPLOYMENTS, name, NAMESPACE)
                image = found["spec"]["template"]["spec"]["containers"][0]["image"]
                status = found.get("status", {})
                seen = status.get("observedGeneration") == found["metadata"]["generation"]
                well = status.get("updatedReplicas") == status.get("availableReplicas") == 1
                if image != BAD and seen and well and await asyncio.to_thread(_closed, store, name):
                    return True
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return False


def _closed(store: Path, name: str) -> bool:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as connection:
        return not connection.execute(_UNCLOSED, (name,)).fetchone()[0]
