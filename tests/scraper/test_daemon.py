"""The daemon's own life: refused credentials end it with one error, and it ends when told even if nothing works."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import stamina

from app.composition import App
from incidents.incident import Incident, Outcome, Status
from incidents.symptoms import Symptom
from scraper.grace import Advice, Grace
from simulator.scenario import apply_break
from tests.cluster.api_script import ApiScript, reply, status
from tests.world import Told, World, eventually, incidents_of
from tools.cluster.errors import Forbidden
from tools.store import StoreError
from tools.store.database import Database

CLUSTER = reply(200, {"metadata": {"name": "kube-system", "uid": "the-cluster"}})


@asynccontextmanager
async def scripted(world: World, api: ApiScript) -> AsyncIterator[App]:
    api.lists.appendleft(CLUSTER)
    with stamina.set_testing(True, attempts=1):
        async with world.app(told=Told(), kubeconfig=api.kubeconfig) as app:
            yield app


async def test_it_ends_when_told_even_if_the_events_could_never_be_listed(world: World) -> None:
    async with ApiScript() as api:
        api.always["/api/v1/events"] = status(503, "Unavailable", "not now")
        async with scripted(world, api) as app:
            daemon = app.daemon()
            running = asyncio.create_task(daemon.run())

            async def asked() -> bool:
                return any(item.path.endswith("/events") for item in api.asked)

            await eventually(asked)
            daemon.stop()
            await asyncio.wait_for(running, 10)
            assert not daemon.ready.is_set()


@pytest.mark.parametrize("when", ["at the start", "while it watches"])
async def test_forbidden_events_end_it_with_one_error(world: World, when: str) -> None:
    refused = status(403, "Forbidden", 'events is forbidden: User "x" cannot list resource "events"')
    async with ApiScript() as api:
        if when == "at the start":
            api.always["/api/v1/events"] = refused
        else:
            api.watches.append(refused)
        async with scripted(world, api) as app:
            with pytest.raises(ExceptionGroup) as raised:
                await asyncio.wait_for(app.daemon().run(), 10)
    (error,) = raised.value.exceptions
    assert isinstance(error, Forbidden)


async def test_a_restart_takes_up_what_was_open(world: World) -> None:
    await world.broken("image-typo")
    async with world.app(told=Told()) as app:
        left = await world.asked(app, "web", "shop-front")
    async with world.daemon(told=Told()) as app:
        ended = await world.ended(app.store, "shop-front")
    assert ended.id == left.id


async def test_a_restart_takes_up_first_what_has_been_open_longest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    async def only_looked(self: Grace, incident: Incident) -> Advice:
        looked_at.append(incident.subject.name)
        return Advice.EXPLAINED

    monkeypatch.setattr(Grace, "advise", only_looked)
    await world.namespace()
    names = [f"web{number}" for number in range(5)]
    for name in names:
        await world.deploy("nginx:0.0.0-nobody-has-it", name)
    async with world.app(told=Told()) as app:
        for name in names[:-1]:  # of the last one, the newest, only the sweep knows
            await world.asked(app, name, "shop")
    await world.failing(names[-1], "shop", Symptom.IMAGE_PULL)
    async with world.daemon(told=Told(), grace_seconds=0, workers=1):

        async def all_were() -> bool:
            return set(looked_at) == set(names)

        await eventually(all_were)
    assert list(dict.fromkeys(looked_at)) == names


async def test_an_incident_whose_subject_cannot_be_understood_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    advise = Grace.advise

    async def odd(self: Grace, incident: Incident) -> Advice:
        if incident.subject.name == "odd":
            raise AttributeError("'NoneType' object has no attribute 'get'")
        return await advise(self, incident)

    monkeypatch.setattr(Grace, "advise", odd)
    await world.namespace()
    for name in ("odd", "web"):
        await world.deploy("nginx:0.0.0-nobody-has-it", name)
    async with world.daemon(told=Told(), mode="observe", grace_seconds=1.0) as app:

        async def both_end() -> bool:
            found = {one.subject.name: one.status for one in await incidents_of(app.store, "shop")}
            return found == dict.fromkeys(("odd", "web"), Status.HANDED_OVER)

        await world.eventually(both_end, "the other one was never worked on, or nobody was told of this one")


async def test_a_store_that_refuses_for_a_while_ends_nothing_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refused = Database.write, 0
    full = False

    async def perhaps(self: Database, work: Any) -> Any:
        nonlocal refused
        if full:
            refused += 1
            raise StoreError("the disk is full")
        return await write(self, work)

    async def refused_often() -> bool:
        return refused >= 5

    monkeypatch.setattr(Database, "write", perhaps)
    scenario = await world.set_up("image-typo")
    async with world.daemon(told=Told()) as app:
        full = True
        await apply_break(world.admin, scenario)
        await eventually(refused_often)
        full = False
        ended = await world.ended(app.store, scenario.namespace)
    assert ended.outcome is Outcome.RESOLVED
    assert len(world.writes(dry_runs=False)) == 1
