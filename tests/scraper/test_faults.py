"""What goes wrong between the program and the API server, and what is seen all the same: everything, once.

The real daemon against the embedded API server. It only observes, so that every broken workload ends as one incident;
workloads break before, during and after each fault, and are counted in the end.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.composition import App, open_app
from incidents.incident import Status
from tests.world import USER, Told, World, gated, running_world

Object = dict[str, Any]
Fault = Callable[[World], object]
NO_SUCH_IMAGE = "nginx:0.0.0-nobody-has-it"
SETTINGS: Object = {"mode": "observe", "grace_seconds": 1.0, "sweep_seconds": 25.0}  # half a second of real time


@pytest.fixture
async def cluster(tmp_path: Path, clean_environment: None) -> AsyncIterator[World]:
    async with running_world(tmp_path) as found:
        await found.namespace()
        yield found


async def break_workloads(world: World, *names: str) -> None:
    for name in names:
        await world.deploy(NO_SUCH_IMAGE, name)


@asynccontextmanager
async def watching(world: World, **fields: Any) -> AsyncIterator[App]:
    async with world.daemon(told=Told(), **SETTINGS, **fields) as app:
        yield app


async def seen_once(app: App, world: World, names: Sequence[str]) -> None:
    """Every workload has an incident, and none has two, closed ones included."""

    async def all_seen() -> bool:
        return {one.subject.name for one in await app.store.incidents()} >= set(names)

    await world.eventually(all_seen, f"not all of {names} were found")
    counted = Counter(one.subject.name for one in await app.store.incidents())
    assert counted == Counter(names)


def forgotten(world: World) -> None:
    """The place of every watch is gone, and each has to find that out."""
    world.cluster.faults.compact()
    world.cluster.faults.drop_watches()


FAULTS: dict[str, Fault] = {
    "429": lambda world: world.cluster.faults.refuse(429, retry_after_seconds=1, user=USER),
    "500": lambda world: world.cluster.faults.refuse(500, user=USER, every=2, times=8),
    "503": lambda world: world.cluster.faults.refuse(503, user=USER, verb="list"),
    "slow": lambda world: world.cluster.faults.delay(0.2, user=USER, times=8),
    "cut before": lambda world: world.cluster.faults.cut("before", user=USER, times=4),
    "cut after": lambda world: world.cluster.faults.cut("after", user=USER, times=4),
    "half an answer": lambda world: world.cluster.faults.cut("half", user=USER, times=4),
    "dropped": lambda world: world.cluster.faults.drop_watches(),
    "compacted": forgotten,
}


async def test_broken_workloads_are_found_once_whatever_fault_comes_between(cluster: World) -> None:
    names = ["before"]
    await break_workloads(cluster, "before")
    async with watching(cluster) as app:
        for number, strike in enumerate(FAULTS.values()):
            strike(cluster)
            names.append(f"during-{number}")
            await break_workloads(cluster, names[-1])
        await seen_once(app, cluster, names)
        cluster.cluster.faults.clear()
        await break_workloads(cluster, "after")
        await seen_once(app, cluster, [*names, "after"])


async def test_what_breaks_while_the_api_server_is_away_is_found_once_it_is_back(cluster: World) -> None:
    async with gated(cluster) as gate:
        kubeconfig = gate.kubeconfig(cluster.cluster.kubeconfig(user=USER))
        await break_workloads(cluster, "before")
        async with watching(cluster, kubeconfig=kubeconfig) as app:
            await gate.shut()
            await break_workloads(cluster, "meanwhile")
            cluster.cluster.forget_history()
            await gate.open()
            await break_workloads(cluster, "after")
            await seen_once(app, cluster, ["before", "meanwhile", "after"])


async def test_events_that_expire_before_anybody_reads_them_are_made_up_for_by_the_sweep(cluster: World) -> None:
    async with watching(cluster) as app:
        cluster.cluster.faults.refuse(500, user=USER, verb="watch", path="*/events", times=None)
        cluster.cluster.faults.drop_watches()
        await break_workloads(cluster, "web")
        await seen_once(app, cluster, ["web"])


async def test_a_token_that_expires_costs_nothing_once_the_file_has_a_new_one(cluster: World, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(cluster.cluster.kubeconfig(user="somebody-else")))
    settings = cluster.settings(**SETTINGS, kubeconfig=file)
    async with open_app(settings, speed=cluster.speed, notifier=Told()) as app, app.daemon().watching():
        cluster.cluster.faults.refuse(401, user="somebody-else", times=None)
        cluster.cluster.faults.drop_watches()
        await break_workloads(cluster, "web")
        file.write_text(json.dumps(cluster.cluster.kubeconfig(user=USER)))
        await seen_once(app, cluster, ["web"])


async def test_a_storm_in_the_middle_of_which_the_program_is_started_anew_is_seen_once(cluster: World) -> None:
    names = [f"web-{number}" for number in range(8)]
    async with watching(cluster) as app:
        await break_workloads(cluster, *names[:4])

        async def one_seen() -> bool:
            return bool(await app.store.incidents())

        await cluster.eventually(one_seen)
    await break_workloads(cluster, *names[4:])
    async with watching(cluster) as app:
        await seen_once(app, cluster, names)
        assert {one.status for one in await app.store.incidents()} <= {Status.OPEN, Status.HANDED_OVER}
