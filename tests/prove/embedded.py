"""Scenarios on an embedded cluster of their own, with the program in this process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.composition import open_app
from app.settings import embedded_settings
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.judge import judge
from simulator.scenario import Scenario
from tests.scenario_runs import Incidents, Progress, play
from tools.notify import FileNotifier

from .results import Result, results_of

SPEED = 20.0
_USER = "k8s-auto-fixer"
_NODES = 3  # as many as the real side has
_END_SECONDS = 300.0  # twenty are usual
_HOSTS = ("docker.io", "registry.example")  # in whose place the simulated registry may be asked for tags


async def run_embedded(scenarios: Sequence[Scenario], *, progress: Progress | None = None) -> list[Result]:
    """Play the scenarios side by side. In this process, because only so the program keeps that cluster's time."""
    with tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-prove-") as folder, _cluster() as cluster:
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="prove")) as admin:
            played = await play(
                scenarios,
                admin=admin,
                program=_program(cluster, Path(folder)),
                dump=cluster.dump,
                seconds=_END_SECONDS,
                speed=SPEED,
                progress=progress,
            )
        requests = cluster.requests()
    harms = judge(played.before, played.after, requests, user=_USER, scenarios=list(scenarios))
    return results_of(scenarios, played, harms, requests, side="embedded", user=_USER, speed=SPEED)


def registries_at(address: str) -> tuple[str, ...]:
    """The setting by which the program may ask the simulated registry at ``HOST:PORT`` for tags."""
    return tuple(f"{host}=http://{address}" for host in _HOSTS)


def _cluster() -> EmbeddedCluster:
    return EmbeddedCluster(nodes=_NODES, speed=SPEED)


@asynccontextmanager
async def _program(cluster: EmbeddedCluster, folder: Path) -> AsyncIterator[Incidents]:
    nobody = {"openai_api_key": None, "openai_base_url": None, "tavily_api_key": None}
    # Whatever the developer's environment says.
    settings = embedded_settings(folder, registries=registries_at(cluster.registry), **nobody)
    kubeconfig, notifier = cluster.kubeconfig(user=_USER), FileNotifier(folder / "notices.jsonl")
    async with (
        open_app(settings, kubeconfig=kubeconfig, speed=SPEED, notifier=notifier) as app,
        app.daemon().watching(),
    ):
        yield app.store.incidents
