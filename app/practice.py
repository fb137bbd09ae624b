"""A cluster to practise on: embedded, with the program on it, and workloads that are broken on demand.

For Studio, where nobody has named a cluster, and for notebooks. No kubeconfig is read, nobody is called about a
made-up cluster, and everything is gone at the end.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.composition import App, open_app
from app.settings import embedded_settings
from incidents.incident import Incident, Status
from incidents.policy import Mode
from scraper.daemon import Daemon
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.scenario import Scenario, apply_break, apply_setup, load_scenario, until_settled
from tools.notify import FileNotifier

SPEED = 20.0  # of the embedded cluster: a minute of settling is three seconds
USER = "k8s-auto-fixer"
SETTLED_SECONDS, BROKEN_SECONDS = 60.0, 60.0  # real seconds
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Practice:
    """The cluster, whoever breaks things in it, and the program. ``notices`` is what people would have been told."""

    cluster: EmbeddedCluster
    admin: ApiClient
    app: App
    daemon: Daemon
    notices: Path

    async def stand(self, *names: str) -> list[Scenario]:
        """Set scenarios up and let the program see them stand, so that it knows what works. Raises TimeoutError."""
        scenarios = [await asyncio.to_thread(load_scenario, name) for name in names]
        for scenario in scenarios:
            await apply_setup(self.admin, scenario)
        async with asyncio.timeout(SETTLED_SECONDS):
            for scenario in scenarios:
                await until_settled(self.admin, scenario)
        await self.daemon.sweep()
        return scenarios

    async def break_(self, *scenarios: Scenario) -> list[Incident]:
        """Break them; their open incidents, once the program's own look has found them. Raises TimeoutError."""
        for scenario in scenarios:
            await apply_break(self.admin, scenario)
        wanted = [scenario.namespace for scenario in scenarios]
        async with asyncio.timeout(BROKEN_SECONDS):
            while True:
                await self.daemon.sweep()
                found = {one.subject.namespace: one for one in await self.app.store.incidents(Status.OPEN)}
                if all(namespace in found for namespace in wanted):
                    return [found[namespace] for namespace in wanted]
                await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def open_practice(*, mode: Mode = Mode.APPROVE, **settings: Any) -> AsyncIterator[Practice]:
    """An embedded cluster and the program on it, whose graph shows every step; other settings as given.

    Nothing is waited out (``grace_seconds`` is 0): whoever begins a run here wants to see it.
    """
    async with _folder() as folder, _embedded_cluster() as cluster:
        connection, notices = Connection(cluster.server, cluster.admin_token, user_agent="practice"), folder / "notices"
        async with (
            ApiClient(connection) as admin,
            open_app(
                embedded_settings(folder, mode=mode, **{"grace_seconds": 0.0, **settings}),
                kubeconfig=cluster.kubeconfig(user=USER),
                speed=SPEED,
                notifier=FileNotifier(notices),
                stepwise=True,
            ) as app,
        ):
            yield Practice(cluster, admin, app, app.daemon(), notices)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder for the store; made and removed in a thread, since Studio's server refuses calls that block its loop."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="k8s-auto-fixer-practice-")
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


@asynccontextmanager
async def _embedded_cluster() -> AsyncIterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(speed=SPEED)
    await asyncio.to_thread(cluster.start)
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.stop)
