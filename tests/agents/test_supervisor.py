"""Who works next by rule, and what no model is asked for."""

import pytest

from agents.standing import Agent, Saying
from agents.supervisor import MODEL_CALLS, Supervisor, route_by_rule
from incidents.changes import ChangeState
from incidents.incident import Outcome, Round
from incidents.policy import Verdict
from tests.agents.cases import NOW, standing


class Untouchable:
    """A model that must not be asked."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError("the model was asked")


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


async def test_a_model_is_not_asked_once_its_calls_are_used_up() -> None:
    supervisor = Supervisor(Untouchable())  # type: ignore[arg-type]  # stands where a model would
    choice, _, usage = await supervisor.next(standing("odd"), {"model_calls": MODEL_CALLS})
    assert choice is Agent.RESEARCHER
    assert usage == {"model_calls": MODEL_CALLS}


async def test_a_model_is_not_asked_about_an_end() -> None:
    supervisor = Supervisor(Untouchable())  # type: ignore[arg-type]  # stands where a model would
    choice, _, _ = await supervisor.next(standing(outcome=Outcome.RESOLVED), {})
    assert choice is Agent.FINISH


def test_what_waits_for_a_person_is_told_once_and_the_run_ends() -> None:
    asked = standing(request="r")
    assert route_by_rule(asked)[0] is Agent.HELP_SEEKER
    told = standing(request="r", sayings=(Saying(Agent.HELP_SEEKER, "asked"),))
    assert route_by_rule(told)[0] is Agent.FINISH


def test_what_is_deferred_ends_the_run_without_a_word_to_anybody() -> None:
    choice, reason = route_by_rule(standing(parked_until=NOW))
    assert choice is Agent.FINISH
    assert "deferred until" in reason


async def test_a_model_is_not_asked_whether_a_person_is_to_be_asked() -> None:
    supervisor = Supervisor(Untouchable())  # type: ignore[arg-type]  # stands where a model would
    choice, _, _ = await supervisor.next(standing(request="r"), {})
    assert choice is Agent.HELP_SEEKER
