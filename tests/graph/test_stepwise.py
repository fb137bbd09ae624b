"""AutoFixer's steps as nodes: one road, a person asked by an interrupt, and no change made twice by any way back."""

import asyncio
from typing import Any

import msgspec
import pytest
from langchain_core.messages import HumanMessage
from langgraph.types import Command

from app.composition import App
from graph.answers import BadAnswer, parse_answer
from graph.ending import Ending
from graph.stepwise import Stepwise
from graph.walks import Ended, StoodTooLong, Stop, Walks, open_walks
from incidents.decisions import RequestState
from incidents.incident import Outcome, Round, Status
from incidents.objects import IncidentId
from incidents.words import UnclearWords, parse_fields, parse_words
from remediation.steps import Step
from tests.graph.runs import fail, last_words
from tests.world import Told, World
from tools.store import StoreError

pytestmark = pytest.mark.studio

TYPO = "deployment: web, namespace: shop-front, event: Back-off pulling image 'nginx:1.27-alpnie'"
CONFIG: Any = {"configurable": {"thread_id": "one"}}


async def step_by_step(app: App, given: Any, config: Any = CONFIG) -> list[str]:
    """The nodes that a run passes, those of AutoFixer among them; ``?`` where a person is asked."""
    passed = []
    async for _, update in app.graph.astream(given, config, stream_mode="updates", subgraphs=True, durability="sync"):
        passed += ["?" if node == "__interrupt__" else node for node in update]
    return [node for n, node in enumerate(passed) if node != "?" or node not in passed[n + 1 :]]


def words(text: str = TYPO) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def test_the_same_may_be_said_as_json_and_an_incident_of_another_store_counts_by_its_subject() -> None:
    said = parse_words('{"deployment": "web", "namespace": "shop", "event": "it fails"}')
    assert said == parse_words("deployment: web, namespace: shop, event: it fails")
    written = {"id": "1", "subject": {"kind": "Deployment", "namespace": "shop", "name": "web"}}
    assert parse_fields({**written, "last_signal": {"message": "it fails"}}) == said
    for wrong in ('{"deployment": "web"', '{"name": "web"}', '{"deployment": 7}', '{"deployment": "../web"}'):
        with pytest.raises(UnclearWords, match=r"Write for example"):
            parse_words(wrong)


async def asked(app: App) -> Any:
    """What a person is asked in the thread."""
    (interrupt,) = (await app.graph.aget_state(CONFIG)).interrupts
    return interrupt.value


async def test_each_step_of_a_repair_is_a_node_and_it_is_the_daemons_road(world: World) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, settle_seconds=10) as app:
        passed = await step_by_step(app, words())
        (incident,) = await app.store.incidents()
        assert await app.store.lease_holders() == []
    assert passed == [
        *["Observe", "Supervisor"],
        *["propose", "pre_guard", "dry_run", "guard", "apply", "verify", "AutoFixer"],
        "Supervisor",
    ]
    assert incident.outcome is Outcome.RESOLVED
    assert len(world.writes(dry_runs=False)) == 1


async def test_an_approval_is_asked_for_by_an_interrupt_and_given_through_the_store_once(world: World) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, mode="approve", settle_seconds=10) as app:
        passed = await step_by_step(app, words())
        assert passed[-2:] == ["guard", "?"]
        question = await asked(app)
        assert question["difference"] == [
            {
                "field": "/spec/template/spec/containers/0/image",
                "from": "nginx:1.27-alpnie",
                "to": "nginx:1.27-alpine",
            }
        ]
        (incident,) = await app.store.incidents()
        assert incident.status is Status.WAITING
        assert await app.store.lease_holders() == []
        assert world.writes(dry_runs=False) == []

        await step_by_step(app, Command(resume={"decision": "perhaps"}))
        assert "approve or reject" in (await asked(app))["wrong"]
        waiting = (await app.graph.aget_state(CONFIG)).config
        passed = await step_by_step(app, Command(resume={"decision": "approve", "by": "ada"}))
        assert [node for node in passed if node != "Supervisor"][-4:] == ["guard", "apply", "verify", "AutoFixer"]
        (request,) = await app.store.requests()
        (decision,) = await app.store.decisions(incident.id)
        assert (request.state, decision.by) == (RequestState.USED, "ada")
        assert await app.store.undelivered() == []
        closed = await app.store.incident(incident.id)
        assert closed is not None
        assert closed.outcome is Outcome.RESOLVED

        await step_by_step(app, Command(resume={"decision": "approve"}), waiting)  # the same question, once more
        assert len(await app.store.decisions(incident.id)) == 1
    assert len(world.writes(dry_runs=False)) == 1


async def test_a_rejection_ends_it_unchanged_and_names_who_and_why(world: World) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, mode="approve", settle_seconds=10) as app:
        await step_by_step(app, words())
        await step_by_step(app, Command(resume={"decision": "reject", "reason": "not today", "by": "ada"}))
        (incident,) = await app.store.incidents()
        assert (incident.status, incident.outcome) == (Status.HANDED_OVER, Outcome.ESCALATED)
        assert incident.summary == "ada has rejected it: not today"
        assert await app.store.lease_holders() == []
    assert world.writes(dry_runs=False) == []


async def test_a_run_that_goes_back_to_before_an_apply_finds_the_record_and_applies_nothing(world: World) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, settle_seconds=10) as app:
        incident = await world.asked(app, "web", "shop-front")
        await step_by_step(app, {"incident": {"id": incident.id}})
        before = await app.store.incident(incident.id)
        history = [one async for one in app.graph.aget_state_history(CONFIG)]
        for node in ("Observe", "Supervisor", "AutoFixer"):
            past = next(one for one in reversed(history) if node in one.next)
            await step_by_step(app, None, past.config)
            assert "is over already (resolved)" in last_words((await app.graph.aget_state(CONFIG)).values)
        assert [before] == await app.store.incidents()
    assert len(world.writes(dry_runs=False)) == 1


async def test_a_step_whose_walk_is_gone_leads_back_to_the_beginning_and_does_nothing(world: World) -> None:
    async with world.app(told=Told()) as app:
        nodes = Stepwise(
            fix=lambda _: pytest.fail("it worked"),
            walks=Walks(),
            store=app.store,
            ending=Ending(reader=app.reader, store=app.store, now=app.clock.now),
            now=app.clock.now,
            by="ada",
        )
        moved = await nodes.step(Step.APPLY)({"incident": {"id": "one"}, "walk": "of another process"})
    assert moved.goto == "propose"
    assert world.writes() == []


async def test_a_walk_that_nobody_goes_on_with_ends_before_the_step_it_stands_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graph.walks.STANDING_SECONDS", 0.0)
    incident, taken = IncidentId("one"), []
    async with open_walks() as walks:

        async def work() -> dict[str, Any]:
            await walks.reached(incident, Step.APPLY, said="here")
            taken.append("apply")
            return {}

        walk = await walks.begin(incident, work)
        assert await walk.go_on() == Stop(Step.APPLY, "here")
        ended = await walk._heard.get()  # what it says when nobody has asked
        assert isinstance(ended, Ended)
        assert isinstance(ended.error, StoodTooLong)
        assert walks.find(incident, walk.name, Step.APPLY) is None
    assert taken == []


async def test_a_walk_that_another_one_ends_says_so_to_whoever_waits_for_it() -> None:
    incident = IncidentId("one")
    async with open_walks() as walks:

        async def work() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        walk = await walks.begin(incident, work)
        waiting = asyncio.create_task(walk.go_on())
        await asyncio.sleep(0)
        await walks.begin(incident, work)
        async with asyncio.timeout(5):
            ended = await waiting
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, StoodTooLong)


async def test_a_run_that_is_cancelled_while_an_agent_works_gives_its_lease_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = asyncio.Event()

    async def think(*_: Any) -> None:
        works.set()
        await asyncio.Event().wait()

    await fail(world, "image-typo")
    monkeypatch.setattr("agents.supervisor.Supervisor.next", think)
    async with world.app(told=Told(), stepwise=True) as app:
        run = asyncio.create_task(step_by_step(app, words()))
        async with asyncio.timeout(30):
            await works.wait()
        assert len(await app.store.lease_holders()) == 1
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert await app.store.lease_holders() == []


async def test_a_proposal_that_was_written_into_a_thread_is_not_tried(world: World) -> None:
    async def work(_: Any) -> dict[str, Any]:
        raise AssertionError("it worked")

    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, settle_seconds=10) as app:
        await step_by_step(app, words())
        history = [one async for one in app.graph.aget_state_history(CONFIG)]
        first = next(one for one in reversed(history) if "AutoFixer" in one.next)
        incident = await app.store.incident(IncidentId(first.values["incident"]["id"]))
        assert incident is not None
        (written,) = first.values["rounds"]
        untried = {**written, "number": 2, "proposal": {**written["proposal"], "author": "somebody", "confidence": 1.0}}
        await app.store.save_incident(msgspec.structs.replace(incident, status=Status.OPEN, outcome=None))
        await app.store.save_round(incident.id, Round(number=2))
        nodes = Stepwise(
            fix=work,
            walks=Walks(),
            store=app.store,
            ending=Ending(reader=app.reader, store=app.store, now=app.clock.now),
            now=app.clock.now,
            by="ada",
        )
        state: Any = {**first.values, "rounds": [untried], "incident": {**first.values["incident"], "lease": ""}}
        moved: Any = await nodes.propose(state)
    assert "observed again" in moved.update["messages"][0].content


async def test_an_answer_that_could_not_be_acted_on_is_left_to_a_daemon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail(world, "image-typo")
    async with world.app(told=Told(), stepwise=True, mode="approve", settle_seconds=10) as app:
        await step_by_step(app, words())

        async def full(*_: Any) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(type(app.store), "save_incident", full)
            with pytest.raises(StoreError):
                await step_by_step(app, Command(resume={"decision": "approve", "by": "ada"}))
        assert [one.by for one in await app.store.undelivered()] == ["ada"]
    assert world.writes(dry_runs=False) == []


@pytest.mark.parametrize("answer", ["yes", {"decision": 1}, {"decision": "reject"}, ["approve"], None])
def test_what_is_no_answer_decides_nothing_and_is_told_how_one_looks(answer: Any) -> None:
    with pytest.raises(BadAnswer, match=r"approve|why"):
        parse_answer(answer, by="ada")
