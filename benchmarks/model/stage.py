"""The incidents: every scenario broken on one embedded cluster, and worked on by rules first.

Those that the rules hand to a person are what a model is for. They are left as they stand, and each side works on
each of them, one after the other.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.composition import App, open_app
from app.settings import embedded_settings
from incidents.incident import Incident, Outcome
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.scenario import load_scenarios
from tests.scenario_runs import Incidents, play
from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.notify import FileNotifier

SPEED = 20.0
_END_SECONDS = 300.0
_NOBODY = {"openai_api_key": None, "openai_base_url": None, "tavily_api_key": None}


@dataclass(frozen=True)
class Left:
    """What the rules have left: the incidents by scenario."""

    cluster: EmbeddedCluster
    admin: ApiClient
    reader: Reader
    incidents: dict[str, Incident]

    @asynccontextmanager
    async def program(self, base_url: str) -> AsyncIterator[App]:
        """The program with a model at that address, and a store that knows of nothing yet."""
        with tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-bench-") as folder:
            # What the rules have left has been waited for long enough: no grace, and so no patience.
            settings = embedded_settings(Path(folder), **{**_NOBODY, "openai_base_url": base_url, "grace_seconds": 0.0})
            kubeconfig, notifier = self.cluster.kubeconfig(user="program"), FileNotifier(Path(folder) / "notices.jsonl")
            async with open_app(settings, kubeconfig=kubeconfig, speed=SPEED, notifier=notifier) as app:
                yield app


@asynccontextmanager
async def left_by_rules(names: list[str]) -> AsyncIterator[Left]:
    """Break the scenarios (all without names), have the rules work on them, and yield what they hand over."""
    scenarios = [one for one in load_scenarios() if not names or one.name in names]
    found: list[Incident] = []
    with (
        tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-bench-") as folder,
        EmbeddedCluster(nodes=3, speed=SPEED) as at,
    ):
        async with ApiClient(Connection(at.server, at.admin_token, user_agent="bench")) as admin:
            program = _by_rule(at, Path(folder), found)
            await play(scenarios, admin=admin, program=program, dump=at.dump, seconds=_END_SECONDS, speed=SPEED)
            by_namespace = {one.namespace: one.name for one in scenarios}
            escalated = [
                one
                for one in reversed(found)
                if one.outcome is Outcome.ESCALATED and one.subject.namespace in by_namespace  # a StorageClass has none
            ]
            escalated.sort(key=lambda one: one.subject.is_workload)  # where there are two, the workload's is it
            left = {by_namespace[one.subject.namespace]: one for one in escalated}
            transport = await connect(user_agent="bench", kubeconfig=at.kubeconfig(user="onlooker"))
            try:
                yield Left(at, admin, Reader(transport), dict(sorted(left.items())))
            finally:
                await transport.aclose()


@asynccontextmanager
async def _by_rule(cluster: EmbeddedCluster, folder: Path, found: list[Incident]) -> AsyncIterator[Incidents]:
    kubeconfig, notifier = cluster.kubeconfig(user="by-rule"), FileNotifier(folder / "notices.jsonl")
    settings = embedded_settings(folder, **_NOBODY)
    async with open_app(settings, kubeconfig=kubeconfig, speed=SPEED, notifier=notifier) as app:
        async with app.daemon().watching():
            yield partial(app.store.incidents)
        found += await app.store.incidents()
