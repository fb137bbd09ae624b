"""Workloads that break again and again, while the program's watches are cut under it.

Each name is worked on by itself: broken, waited for until it is repaired and the program's store has closed the
incident, broken again. What takes longer than that may has been missed. To break what is still being verified would be
another test: there the program hands over to whoever keeps changing the workload.

What was changed is counted by the API server's own log, which remembers more than passes between two questions.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from wire import Relay

from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient
from simulator.request_targets import writes_of
from simulator.resources import DEPLOYMENTS

NAMESPACE, GOOD, BAD, USER = "bench", "nginx:1.27-alpine", "nginx:1.27-alpnie", "k8s-auto-fixer"
REPAIR_SECONDS, LOOK_SECONDS = 300.0, 0.3
_UNCLOSED = "SELECT json_extract(body, '$.subject.name') FROM incidents WHERE status <> 'closed'"


class Churn:
    """Goes on from ``run`` until ``stop``. ``drop_seconds``: how often all watches are cut, about."""

    def __init__(
        self, cluster: EmbeddedCluster, admin: ApiClient, relay: Relay, names: list[str], *, store: Path
    ) -> None:
        self._cluster = cluster
        self._admin = admin
        self._relay = relay
        self._names = names
        self._store = store
        self._stopping = asyncio.Event()
        self._looked = asyncio.Condition()
        self._looks = 0
        self._well: set[str] = set()  # repaired, and with nothing of it open in the store
        self._broken, self._repaired, self._dropped = 0, 0, 0
        self._missed: list[str] = []
        self._landed: Counter[str] = Counter()
        self._read = 0  # how many requests of the log
        self.drop_seconds = 1.0

    async def run(self) -> None:
        """Until it is to stop, and everything that was broken then is repaired."""
        async with asyncio.TaskGroup() as beside:
            going_on = [beside.create_task(self._keep_looking()), beside.create_task(self._keep_cutting())]
            async with asyncio.TaskGroup() as group:
                for name in self._names:
                    group.create_task(self._keep_breaking(name))
            for task in going_on:
                task.cancel()

    def stop(self) -> None:
        """Nothing more is broken from now on."""
        self._stopping.set()

    def told(self) -> dict[str, Any]:
        """So far: how many were broken and repaired, which were not in time, how many watches were cut; and, by the
        API server's log, how many changes have landed and which of them more than once.
        """
        self._count()
        return {
            "broken": self._broken,
            "incidents": self._repaired,
            "missed": self._missed,
            "drops": self._dropped,
            "changes": sum(self._landed.values()),
            "repeated": [change for change, times in self._landed.items() if times > 1],
        }

    async def _keep_breaking(self, name: str) -> None:
        while not self._stopping.is_set():
            patch = {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": BAD}]}}}}
            await self._admin.patch(DEPLOYMENTS, name, patch, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH)
            self._broken += 1
            try:
                async with asyncio.timeout(REPAIR_SECONDS):
                    await self._until_repaired(name)
            except TimeoutError:
                self._missed.append(name)
                return
            self._repaired += 1

    async def _until_repaired(self, name: str) -> None:
        too_early = self._looks + 1  # one that is under way may have seen it before it was broken
        async with self._looked:
            while self._looks <= too_early or name not in self._well:
                await self._looked.wait()

    async def _keep_looking(self) -> None:
        """One look for all names: first at the cluster, then at the store, which closes after the repair."""
        while True:
            found = (await self._admin.list(DEPLOYMENTS, NAMESPACE))["items"]
            well = {item["metadata"]["name"] for item in found if _is_well(item)}
            well -= await asyncio.to_thread(self._unclosed)
            async with self._looked:
                self._well, self._looks = well, self._looks + 1
                self._looked.notify_all()
            await asyncio.sleep(LOOK_SECONDS)

    def _unclosed(self) -> set[str]:
        with closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True, timeout=10)) as connection:
            return {str(name) for (name,) in connection.execute(_UNCLOSED)}

    async def _keep_cutting(self) -> None:
        while True:
            await asyncio.sleep(self.drop_seconds * random.uniform(0.5, 1.5))
            self._dropped += self._relay.drop_watches()

    def _count(self) -> None:
        """The program's changes among the requests since the last time. Raises RuntimeError if some are forgotten."""
        log = self._cluster._api.log
        forgotten, records = self._cluster._on_loop(lambda: (log.forgotten, log.records()))
        if forgotten > self._read:
            raise RuntimeError("the API server's log has forgotten requests that nobody has counted")
        for target, item in writes_of(records[self._read - forgotten :]):
            if item.user == USER and target.kind == "Deployment":
                self._landed[item.user_agent.partition(" change/")[2]] += 1
        self._read = forgotten + len(records)


def _is_well(deployment: dict[str, Any]) -> bool:
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    status = deployment.get("status", {})
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return bool(image != BAD and seen and status.get("updatedReplicas") == status.get("availableReplicas") == 1)
