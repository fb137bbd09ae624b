"""However a model misbehaves: the incident ends, nothing harmful is written, and the calls are bounded."""

from typing import Any

import pytest

from incidents.incident import Outcome, Status
from tests.models_end_to_end.stories import AGREES, RIGHT, ROUTE, WRONG, Story, fix, said, set_field, story
from tests.openai_server import Misbehaviour, Script, Step
from tests.openai_server.asked import Asked
from tests.world import World

MOST_CALLS = 24  # the default of model_calls_per_incident
QUICKLY: dict[str, Any] = {"model_timeout_seconds": 0.3, "model_deadline_seconds": 1.5}
ANSWERS = {"Route": ROUTE, "Fix": fix(set_field()), "SecondLook": AGREES, "Summary": {"sentences": []}}
# What a good adapter and a second question get over; the others leave it to the rules.
SURVIVED = frozenset(
    {
        Misbehaviour.PROSE,
        Misbehaviour.NO_USAGE,
        Misbehaviour.NO_SCHEMAS,
        Misbehaviour.NO_TOOLS,
        Misbehaviour.NO_TEMPERATURE,
    }
)
BY_RULE = ["Observe", "Researcher", "HelpSeeker"]


def always(way: Misbehaviour) -> Script:
    """A model that knows the answer and misbehaves whenever it is asked."""

    def answer(asked: Asked) -> Step:
        for name, value in ANSWERS.items():
            if name in asked.names or f'"{name}"' in asked.text:
                return Step(object=value, misbehave=way)
        return Step(text="I have no form to fill in.", misbehave=way)

    return Script.of(otherwise=answer)


async def run(told: Story) -> None:
    """The incident ends as it may, whatever the model has said."""
    ended = await told.run()
    made = ended.outcome is Outcome.RESOLVED
    assert made or ended.status is Status.HANDED_OVER
    assert await told.image() == (RIGHT if made else WRONG)
    assert 0 < len(told.model.asked) <= MOST_CALLS
    assert len(told.told.about(ended)) == (0 if made else 1)
    assert len(await told.steps(ended, "model-by-rule")) <= 1


@pytest.mark.models
@pytest.mark.parametrize("way", [way for way in Misbehaviour if way not in SURVIVED])
async def test_a_model_that_always_misbehaves_leaves_it_to_the_rules(world: World, way: Misbehaviour) -> None:
    async with story(world, always(way), model_auto=True, **QUICKLY) as told:
        await run(told)
        assert await told.image() == WRONG
        assert [node for node in told.heard.nodes if node not in ("Supervisor", "AutoFixer")] == BY_RULE
        assert told.heard.nodes.count("AutoFixer") <= 1
        assert [notice.title for notice in told.told.notices] == ["Needs a person: deployment/web in shop"]
    assert world.writes() == []


@pytest.mark.models
@pytest.mark.parametrize("way", sorted(SURVIVED))
async def test_what_can_be_got_over_is_got_over(world: World, way: Misbehaviour) -> None:
    async with story(world, always(way), model_auto=True, **QUICKLY) as told:
        await run(told)


@pytest.mark.models
@pytest.mark.parametrize("way", [Misbehaviour.TOOL_LOOP, Misbehaviour.WRONG_SCHEMA, Misbehaviour.REFUSAL])
async def test_one_that_fails_at_thinking_alone_is_still_followed_by_the_rules(world: World, way: Misbehaviour) -> None:
    script = Script.of(said("Route", ROUTE), Step(misbehave=way, times=0))
    async with story(world, script, model_auto=True, **QUICKLY) as told:
        await run(told)
        assert told.heard.nodes[:4] == ["Observe", "Supervisor", "AutoFixer", "Supervisor"]
        assert "Researcher" in told.heard.nodes
    assert world.writes() == []


async def test_a_reviewer_that_gives_no_answer_leaves_it_to_a_person(world: World) -> None:
    script = Script.of(said("Route", ROUTE), said("Fix", fix(set_field())), Step(misbehave=Misbehaviour.HUGE, times=0))
    async with story(world, script, model_auto=True, **QUICKLY) as told:
        waiting = await told.run()
        assert (waiting.status, await told.image()) == (Status.WAITING, WRONG)


@pytest.mark.models
async def test_a_spent_budget_is_said_once_and_the_rules_go_on(world: World) -> None:
    script = Script.of(otherwise=lambda _: Step(object=ROUTE))
    async with story(world, script, model_calls_per_incident=1) as told:
        ended = await told.run()
        (note,) = await told.steps(ended, "model-by-rule")
        assert "budget" in note["says"]
        assert ended.status is Status.HANDED_OVER
        assert len(told.model.asked) == 1


@pytest.mark.models
async def test_a_model_that_is_gone_after_its_proposal_changes_nothing_about_it(world: World) -> None:
    script = Script.of(
        said("Route", ROUTE, times=1),
        said("Fix", fix(set_field()), times=1),
        said("SecondLook", AGREES, times=1),
        Step(misbehave=Misbehaviour.SERVER_ERROR, times=0),
    )
    async with story(world, script, model_auto=True, **QUICKLY) as told:
        assert (await told.run()).outcome is Outcome.RESOLVED
