"""When the graph itself fails, or the API server is away: told once and handed over, or left open."""

import pytest
import stamina

from agents.researcher import Researcher
from agents.standing import Turn
from graph.runner import InFlight, TryLater
from incidents.incident import Incident, Outcome, Status
from scraper.grace import Advice, Grace
from tests.graph.runs import fail, run, undecided
from tests.world import Told, World, gated


async def _crash(*_: object) -> Turn:
    raise RuntimeError("a node has a fault")


async def test_a_graph_that_crashes_hands_the_incident_over_with_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Researcher, "work", _crash)
    told = Told()
    await world.namespace()
    async with world.daemon(told=told) as app:
        await undecided(world)
        ended = await world.ended(app.store, "shop")
        assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.FAILED)
        assert "a node has a fault" in ended.summary
        before = ended.signals
        about = {**await world.deployment("web", "shop"), "apiVersion": "apps/v1", "kind": "Deployment"}
        await world.warn(about, reason="BackOff", message="Back-off restarting failed container")

        async def counted() -> bool:
            return (await app.store.incident(ended.id) or ended).signals > before

        await world.eventually(counted)
        assert len(await app.store.incidents()) == 1
    assert [notice.title for notice in told.notices] == [
        "Could not be worked on, needs a person: deployment/web in shop"
    ]


async def _odd(*_: object) -> Advice:
    raise KeyError("token: hunter2hunter2")


async def test_what_cannot_even_be_looked_at_is_handed_over_with_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Grace, "advise", _odd)
    told = Told()
    await world.namespace()
    async with world.daemon(told=told) as app:
        await undecided(world)
        ended = await world.ended(app.store, "shop")
    assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.FAILED)
    assert "KeyError" in ended.summary
    (notice,) = told.notices
    assert notice.title == "Could not be worked on, needs a person: deployment/web in shop"
    assert "hunter2" not in f"{notice}{ended}"


async def test_after_a_crash_of_the_graph_a_changed_spec_is_still_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Researcher, "work", _crash)
    await world.namespace()
    async with world.daemon(told=Told()) as app:
        await undecided(world)
        ended = await world.ended(app.store, "shop")

        async def remembered() -> bool:
            return bool((await app.store.incident(ended.id) or ended).spec)

        await world.eventually(remembered, "the spec was never remembered")
        env = [{"name": "main", "env": [{"name": "TRIED", "value": "this"}]}]
        await world.change("web", "shop", {"template": {"spec": {"containers": env}}})

        async def followed() -> bool:
            return any(item.follows == ended.id for item in await app.store.incidents())

        await world.eventually(followed, "nobody noticed the change")


async def test_an_api_server_that_is_away_leaves_the_incident_open_for_later(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    told = Told()
    async with gated(world) as gate:
        through = gate.kubeconfig(world.cluster.kubeconfig(user="k8s-auto-fixer"))
        async with world.app(told=told, kubeconfig=through) as app:
            incident = await world.asked(app, workload, namespace)
            await gate.shut()
            with stamina.set_testing(True, attempts=2, cap=True), pytest.raises(TryLater):
                await app.runner.run(incident)
            assert (await _now(app.store.incident(incident.id))).status is Status.OPEN
            await gate.open()
            assert (await app.runner.run(incident)).outcome is Outcome.RESOLVED
    assert told.notices == []


async def test_an_incident_in_flight_is_not_run_a_second_time(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, workload, namespace)
        await app.store.acquire_lease(incident.subject.lease, "another run", seconds=60)
        with pytest.raises(InFlight):
            await app.runner.run(incident)


async def test_a_workload_that_is_deleted_before_the_run_closes_its_incident(world: World) -> None:
    await world.set_up("image-typo")
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, "web", "shop-front")
        await world.admin.request("DELETE", "/apis/apps/v1/namespaces/shop-front/deployments/web")
        ended = await app.runner.run(incident)
    assert ended.outcome is Outcome.SUPPRESSED
    assert "gone" in ended.summary


async def test_after_the_end_the_lease_on_the_subject_is_free(world: World) -> None:
    async with world.app(told=Told()) as app:
        ended = await run(world, app, "image-typo")
        assert await app.store.acquire_lease(ended.subject.lease, "somebody", seconds=1)


async def _now(asked: object) -> Incident:
    incident = await asked  # type: ignore[misc]  # an awaitable of the store
    assert isinstance(incident, Incident)
    return incident
