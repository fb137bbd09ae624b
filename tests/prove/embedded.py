"""Scenarios on an embedded cluster of their own, with the program in this process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.judge import judge
from simulator.scenario import Scenario
from tests.opened import USER, opened_at
from tests.scenario_runs import Incidents, Progress, play

from .results import Result, results_of

SPEED = 20.0
_NODES = 3  # as many as the real side has
_END_SECONDS = 300.0  # twenty are usual


async def run_embedded(scenarios: Sequence[Scenario], *, progress: Progress | None = None) -> list[Result]:
    """Play the scenarios side by side. In this process, because only so the program keeps that cluster's time.

    Where one of them is for a program that may list Secrets, it may in all of them.
    """
    with tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-prove-") as folder, _cluster() as cluster:
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="prove")) as admin:
            played = await play(
                scenarios,
                admin=admin,
                program=_program(cluster, Path(folder), secret_keys=any(item.secret_keys for item in scenarios)),
                dump=cluster.dump,
                seconds=_END_SECONDS,
                speed=SPEED,
                progress=progress,
            )
        requests = cluster.requests()
    harms = judge(played.before, played.after, requests, user=USER, scenarios=list(scenarios))
    return results_of(scenarios, played, harms, requests, side="embedded", user=USER, speed=SPEED)


def _cluster() -> EmbeddedCluster:
    return EmbeddedCluster(nodes=_NODES, speed=SPEED)


@asynccontextmanager
async def _program(cluster: EmbeddedCluster, folder: Path, *, secret_keys: bool) -> AsyncIterator[Incidents]:
    async with opened_at(cluster, folder, speed=SPEED, secret_keys=secret_keys) as app, app.daemon().watching():
        yield app.store.incidents
