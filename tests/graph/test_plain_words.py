"""Plain words as input: they end in the same nodes, and what they do not name is asked for, not guessed."""

from incidents.incident import Outcome, Status
from tests.graph.runs import fail, last_words, say, undecided
from tests.world import Told, World

TYPO = "deployment: web, namespace: shop-front, event: Back-off pulling image 'nginx:1.27-alpnie'"


async def test_plain_words_repair_the_workload_they_name(world: World) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told()) as app:
        state = await say(app, TYPO)
        incident = (await app.store.incidents())[0]
    assert state["outcome"]["outcome"] == "resolved"
    assert incident.outcome is Outcome.RESOLVED
    assert incident.first_signal.message.startswith("Back-off pulling image")
    assert [message.name for message in state["messages"][1:]] == ["Observe", "Supervisor", "AutoFixer", "Supervisor"]


async def test_a_second_problem_in_the_same_thread_is_another_incident(world: World) -> None:
    await fail(world, "image-typo")
    await world.namespace()
    await undecided(world)
    async with world.app(told=Told()) as app:
        await say(app, TYPO)
        state = await say(app, "deployment: web, namespace: shop, event: it fails")
        assert len(await app.store.incidents()) == 2
    assert state["outcome"]["outcome"] == "escalated"
    assert [m.name for m in state["messages"]].count("Researcher") == 1


async def test_unclear_words_are_answered_with_an_example_and_open_nothing(world: World) -> None:
    async with world.app(told=Told()) as app:
        state = await say(app, "something is wrong, please help")
        assert "deployment: nginx, namespace: default" in last_words(state)
        assert await app.store.incidents() == []
    assert world.writes() == []


async def test_words_about_a_workload_that_is_not_there_are_answered_and_open_nothing(world: World) -> None:
    async with world.app(told=Told()) as app:
        state = await say(app, "deployment: nowhere, namespace: default, event: it fails")
        assert 'deployments.apps "nowhere" not found' in last_words(state)
        assert await app.store.incidents() == []


async def test_what_was_handed_over_already_is_only_shown(world: World) -> None:
    told = Told()
    async with world.app(told=told) as app:
        await world.namespace()
        namespace, name = await undecided(world)
        ended = await app.runner.run(await world.asked(app, name, namespace))
        state = await say(app, "deployment: web, namespace: shop, event: it still fails")
        assert "handed over already" in last_words(state)
        assert (await app.store.incident(ended.id) or ended).status is Status.HANDED_OVER
    assert len(told.notices) == 1
    assert [message.name for message in state["messages"][1:]] == ["Observe"]


async def test_what_another_run_works_on_is_only_shown(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, workload, namespace)
        await app.store.acquire_lease(incident.subject.lease, "another run", seconds=60)
        state = await say(app, TYPO)
        assert "another run" in last_words(state)
        assert (await app.store.incident(incident.id) or incident).status is Status.OPEN
    assert world.writes() == []


async def test_words_about_a_healthy_workload_change_nothing(world: World) -> None:
    await world.set_up("image-typo")
    async with world.app(told=Told()) as app:
        state = await say(app, TYPO)
        incident = (await app.store.incidents())[0]
    assert "nothing fails" in state["outcome"]["summary"]
    assert incident.outcome is Outcome.SUPPRESSED
    assert world.writes() == []


async def test_words_can_be_said_again_after_the_run_because_its_lease_is_given_back(world: World) -> None:
    await world.set_up("image-typo")
    async with world.app(told=Told()) as app:
        await say(app, TYPO, thread="one")
        state = await say(app, TYPO, thread="two")
    assert "nothing fails" in state["outcome"]["summary"]
