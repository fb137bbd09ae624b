"""A model's proposal takes the road of every proposal: rehearsed, looked at twice, approved, applied, verified."""

import pytest

from incidents.decisions import Decision, DecisionKind, RequestState
from incidents.incident import Outcome, Status
from incidents.policy import Answer
from tests.models_end_to_end.stories import (
    CAUSE,
    RIGHT,
    VETOES,
    WRONG,
    fix,
    set_field,
    story,
    well_behaved,
)
from tests.world import World

pytestmark = pytest.mark.models


async def test_what_it_proposes_waits_for_a_person_and_is_made_as_it_was_approved(world: World) -> None:
    async with story(world, well_behaved(fix(set_field()))) as told:
        waiting = await told.run()
        assert waiting.status is Status.WAITING
        assert await told.image() == WRONG
        (request,) = await told.app.store.requests(RequestState.OPEN)
        assert request.proposal.author == "model/auto_fixer"
        assert "model-proposal" in [ruling.rule for ruling in request.verdict.objections]
        calls = len(told.model.asked)
        decision = Decision(
            id="d",
            kind=DecisionKind.APPROVE,
            incident=waiting.id,
            request=request.id,
            digest=request.digest,
            by="jo",
            decided_at=told.app.clock.now(),
        )
        assert await told.app.store.decide(decision)
        ended = await told.run(waiting)
        assert (ended.outcome, await told.image()) == (Outcome.RESOLVED, RIGHT)
        assert len(told.model.asked) == calls  # what was thought through is not paid for twice
        (asked, *_) = told.told.about(waiting)
        assert asked.title.startswith("Asks for approval")
        assert CAUSE in str(asked.sections)


async def test_auto_is_a_setting_of_its_own(world: World) -> None:
    async with story(world, well_behaved(fix(set_field())), model_auto=True) as told:
        ended = await told.run()
        assert (ended.outcome, await told.image()) == (Outcome.RESOLVED, RIGHT)
        (entry,) = await told.app.store.rounds(ended.id)
        assert entry.thought is not None
        assert entry.proposal is not None
        assert entry.proposal.confidence <= 0.9
        assert [review.veto for review in entry.thought.reviews] == [False]
    assert told.heard.nodes == ["Observe", "Supervisor", "AutoFixer", "Supervisor"]


async def test_the_reviewers_veto_is_the_end_of_a_proposal(world: World) -> None:
    script = well_behaved(fix(set_field()), review=VETOES)
    async with story(world, script, model_auto=True) as told:
        ended = await told.run()
        assert (ended.outcome, await told.image()) == (Outcome.ESCALATED, WRONG)
        (entry,) = await told.app.store.rounds(ended.id)
        assert entry.proposal is None
        assert entry.thought is not None
        assert [review.veto for review in entry.thought.reviews] == [True]
        assert "veto" in str(told.told.about(ended)[-1].sections)
    assert world.writes(dry_runs=False) == []


async def test_a_doubtful_reviewer_leaves_it_to_a_person_even_where_models_may_act(world: World) -> None:
    doubts = {"veto": False, "confidence": 0.5, "reason": "the version is a guess"}
    async with story(world, well_behaved(fix(set_field()), review=doubts), model_auto=True) as told:
        waiting = await told.run()
        assert (waiting.status, await told.image()) == (Status.WAITING, WRONG)


async def test_a_refusal_of_the_guardrails_goes_back_to_it_and_the_next_proposal_is_tried(world: World) -> None:
    foreign = set_field(value="evil.example/redis:7.4")
    async with story(world, well_behaved(fix(foreign), fix(set_field())), model_auto=True) as told:
        ended = await told.run()
        assert (ended.outcome, await told.image()) == (Outcome.RESOLVED, RIGHT)
        first, second, *_ = [
            text for text in told.asked("Fix") if "Your earlier proposals" in text or "Evidence" in text
        ]
        assert "Your earlier proposals" not in first
        assert "image-repository" in second


async def test_it_is_told_of_refusals_at_most_twice(world: World) -> None:
    async with story(world, well_behaved(fix(set_field(value="evil.example/redis:7.4")))) as told:
        ended = await told.run()
        assert ended.outcome is Outcome.ESCALATED
        assert len(told.asked("Fix")) == 3
        (entry,) = await told.app.store.rounds(ended.id)
        assert entry.thought is not None
        assert len(entry.thought.refused) == 3
    assert world.writes(dry_runs=False) == []


async def test_it_may_decline_and_a_person_gets_its_diagnosis_as_an_opinion(world: World) -> None:
    async with story(world, well_behaved(fix(declined="look at the release pipeline"))) as told:
        ended = await told.run()
        assert ended.outcome is Outcome.ESCALATED
        (notice,) = told.told.about(ended)
        opinion = next(section for section in notice.sections if section.heading.startswith("A model's opinion"))
        assert CAUSE in opinion.lines[0]
        assert "look at the release pipeline" in opinion.lines
    assert told.heard.nodes[:4] == ["Observe", "Supervisor", "AutoFixer", "Supervisor"]
    assert "Researcher" in told.heard.nodes  # the rules go on as without a model
    assert world.writes() == []


async def test_everything_it_said_stands_in_the_record(world: World) -> None:
    async with story(world, well_behaved(fix(set_field()))) as told:
        ended = await told.run()
        entries = await told.steps(ended, "model")
        assert [entry["agent"] for entry in entries] == ["supervisor", "auto_fixer", "reviewer"]
        assert all(entry["prompt"] and entry["calls"] == 1 and entry["input_tokens"] > 0 for entry in entries)
        assert CAUSE in entries[1]["answer"]
        (entry,) = await told.app.store.rounds(ended.id)
        assert entry.verdict is None  # a person decides first


async def test_an_unchanged_problem_costs_nothing_a_second_time(world: World) -> None:
    script = well_behaved(fix(declined="nothing to change"))
    async with story(world, script) as told:
        first = await told.run()
        calls = len(told.model.asked)
        again = Decision(
            id="r", kind=DecisionKind.RETRY, incident=first.id, by="jo", decided_at=told.app.clock.now(), rounds=1
        )
        assert await told.app.store.decide(again)
        await told.run(first)
        assert len(told.model.asked) == calls
        assert {entry["cached"] for entry in (await told.steps(first, "model"))[calls:]} == {True}


async def test_no_model_is_asked_where_a_playbook_is_certain(world: World) -> None:
    await world.broken("image-typo")
    async with story(world, well_behaved(fix()), broken=False) as told:
        ended = await told.app.runner.run(await world.asked(told.app, "web", "shop-front"))
        assert ended.outcome is Outcome.RESOLVED
        assert told.model.asked == []
        assert (await told.app.store.rounds(ended.id))[0].verdict is not None
        assert (await told.app.store.rounds(ended.id))[0].verdict.answer is Answer.ALLOW  # type: ignore[union-attr]
