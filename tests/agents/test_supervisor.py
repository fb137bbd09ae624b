"""Who works next by rule, and what no model is asked for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.standing import Agent, Saying
from agents.supervisor import ROUTES, STEPS, Supervisor, route_by_rule
from incidents.changes import ChangeState
from incidents.incident import Outcome, Result, Round, Verification
from incidents.policy import Verdict
from incidents.proposals import Thought
from tests.agents.brains import ScriptedBrain, reasoning_with
from tests.agents.cases import NOW, standing
from tools.store import Store
from tools.store.sqlite import open_store


def said(*agents: Agent) -> tuple[Saying, ...]:
    return tuple(Saying(agent, "words") for agent in agents)


def test_without_an_opinion_it_is_looked_up_then_the_logs_are_digested_then_a_person_is_asked() -> None:
    order = []
    spoken: list[Agent] = []
    while Agent.HELP_SEEKER not in spoken:
        choice, _ = route_by_rule(standing(sayings=said(*spoken), has_logs=True))
        order.append(choice)
        spoken.append(choice)
    assert order == [Agent.RESEARCHER, Agent.CODER, Agent.HELP_SEEKER]


def test_without_logs_nobody_digests_any() -> None:
    choice, _ = route_by_rule(standing(sayings=said(Agent.RESEARCHER)))
    assert choice is Agent.HELP_SEEKER


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_end_but_a_good_one_is_told_to_a_person_before_it_is_finished(outcome: Outcome) -> None:
    good = outcome in (Outcome.RESOLVED, Outcome.SUPPRESSED)
    first, _ = route_by_rule(standing(outcome=outcome))
    assert first is (Agent.FINISH if good else Agent.HELP_SEEKER)
    then, _ = route_by_rule(standing(outcome=outcome, sayings=said(Agent.HELP_SEEKER)))
    assert then is Agent.FINISH


@pytest.mark.parametrize("state", [ChangeState.SENT, ChangeState.APPLIED])
def test_changes_that_stand_are_settled_before_a_person_is_asked(state: ChangeState) -> None:
    tried = Round(number=1, verdict=Verdict(()), change_state=state)
    choice, _ = route_by_rule(standing(rounds=(tried, Round(number=2))))
    assert choice is Agent.AUTO_FIXER


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "store.sqlite", now=lambda: NOW) as opened:
        yield opened


def supervisor_with(store: Store, **answers: Any) -> tuple[Supervisor, ScriptedBrain]:
    brain = ScriptedBrain({"supervisor": [], **answers})
    return Supervisor(reasoning_with(brain, store)), brain


async def test_a_model_is_not_asked_once_its_questions_are_used_up(store: Store) -> None:
    supervisor, brain = supervisor_with(store)
    asked = standing("odd", sayings=said(Agent.RESEARCHER), has_logs=True)
    choice, _, usage = await supervisor.next(asked, {"routes": ROUTES})
    assert choice is Agent.CODER
    assert usage["routes"] == ROUTES
    assert brain.asked == []


@pytest.mark.parametrize("fields", [{"outcome": Outcome.RESOLVED}, {"request": "r"}, {"parked_until": NOW}])
async def test_a_model_is_not_asked_about_what_the_rules_decide(store: Store, fields: dict[str, Any]) -> None:
    supervisor, brain = supervisor_with(store)
    await supervisor.next(standing(**fields), {})
    assert brain.asked == []


async def test_a_model_is_not_asked_where_there_is_nothing_to_choose(store: Store) -> None:
    supervisor, brain = supervisor_with(store)
    choice, _, _ = await supervisor.next(standing(sayings=said(Agent.RESEARCHER)), {})
    assert choice is Agent.HELP_SEEKER
    assert brain.asked == []


async def test_what_the_rules_think_stands_in_front_of_the_model(store: Store) -> None:
    supervisor, brain = supervisor_with(store, supervisor=[{"next": "Researcher", "reason": "odd"}], auto_fixer=[])
    choice, reason, _ = await supervisor.next(standing("odd", rounds=(Round(number=1),)), {})
    assert (choice, reason) == (Agent.RESEARCHER, "odd")
    assert "The rules' opinion: AutoFixer" in brain.asked[0].text


async def test_whoever_is_not_free_is_not_routed_to_whatever_a_model_says(store: Store) -> None:
    supervisor, _ = supervisor_with(store, supervisor=[{"next": "AutoFixer", "reason": "I say so"}])
    choice, reason, _ = await supervisor.next(standing("odd", rounds=(Round(number=1),)), {})
    assert choice is Agent.RESEARCHER
    assert "not free" in reason


async def test_the_same_question_has_the_same_fingerprint_and_another_has_another(store: Store) -> None:
    supervisor, brain = supervisor_with(store, supervisor=[{"next": "HelpSeeker", "reason": "odd"}])
    for words, logs in (("odd 17 times", False), ("odd 18 times", False), ("odd 18 times", True)):
        await supervisor.next(standing(words, has_logs=logs), {})
    first, second, third = (one.fingerprint for one in brain.asked)
    assert first == second != third


async def test_what_verification_says_of_pods_makes_no_other_question(store: Store) -> None:
    supervisor, brain = supervisor_with(store, supervisor=[{"next": "HelpSeeker", "reason": "odd"}])
    for result, pod in ((Result.NO_BETTER, "web-1"), (Result.NO_BETTER, "web-2"), (Result.BETTER, "web-2")):
        tried = Round(number=1, verdict=Verdict(()), verification=Verification(result=result, detail=f"odd in {pod}"))
        await supervisor.next(standing("odd", rounds=(tried, Round(number=2)), has_logs=True), {})
    first, second, third = (one.fingerprint for one in brain.asked)
    assert first == second != third


def test_a_round_is_thought_about_once_and_then_somebody_else_is_asked() -> None:
    thought = Thought(author="model/auto_fixer", declined="no idea")
    assert route_by_rule(standing(rounds=(Round(number=1),)), thinking=True)[0] is Agent.AUTO_FIXER
    assert route_by_rule(standing(rounds=(Round(number=1),)), thinking=False)[0] is Agent.RESEARCHER
    assert route_by_rule(standing(rounds=(Round(number=1, thought=thought),)), thinking=True)[0] is Agent.RESEARCHER


def test_whatever_has_been_said_a_run_comes_to_its_end() -> None:
    going_round = standing(sayings=said(*[Agent.AUTO_FIXER] * STEPS), rounds=(Round(number=1),))
    assert route_by_rule(going_round, thinking=True)[0] is Agent.HELP_SEEKER


def test_what_waits_for_a_person_is_told_once_and_the_run_ends() -> None:
    asked = standing(request="r")
    assert route_by_rule(asked)[0] is Agent.HELP_SEEKER
    told = standing(request="r", sayings=(Saying(Agent.HELP_SEEKER, "asked"),))
    assert route_by_rule(told)[0] is Agent.FINISH


def test_what_is_deferred_ends_the_run_without_a_word_to_anybody() -> None:
    choice, reason = route_by_rule(standing(parked_until=NOW))
    assert choice is Agent.FINISH
    assert "deferred until" in reason
