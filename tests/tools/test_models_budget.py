"""What models may cost is looked at before every call, survives restarts, and is shared by all who share a store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.openai_server import Misbehaviour, ModelServer, Script, Step
from tests.tools.brains import GOOD, INCIDENT, QUESTION, Reading, Route, opened_store, thinking
from tools.models import Budget, BudgetSpent, Cost, ModelError, Price
from tools.store import Store

ANSWERS = Script.always(Step(object=GOOD))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("budget", "scope"),
    [
        (Budget(calls_per_incident=0), "calls of this incident"),
        (Budget(tokens_per_incident=4_100), "tokens of this incident"),
        (Budget(tokens_per_day=4_100), "tokens of today"),
        (Budget(money_per_day=0.008, prices={"small": Price(1.0, 2.0)}), "money of today"),
    ],
)
async def test_a_call_that_might_exceed_a_cap_is_not_made(store: Store, budget: Budget, scope: str) -> None:
    async with ModelServer(ANSWERS) as server, thinking(store, server, budget=budget) as brain:
        with capture_logs() as logged:
            for _ in range(2):
                with pytest.raises(BudgetSpent, match=f"{scope} are used or set aside") as raised:
                    await brain.ask("supervisor", Route, QUESTION, incident=INCIDENT)
                with pytest.raises(BudgetSpent):
                    await brain.explore(
                        "auto_fixer", Route, QUESTION, system="", tools=Reading().tools, incident=INCIDENT
                    )
        assert server.asked == []
    assert raised.value.scope == scope
    assert [entry["event"] for entry in logged if entry["event"] == "model.budget_spent"] == ["model.budget_spent"]
    assert await brain.spent(INCIDENT) == Cost()


async def test_a_fallback_does_not_make_it_cheaper(store: Store) -> None:
    async with (
        ModelServer(ANSWERS) as server,
        thinking(store, server, budget=Budget(calls_per_incident=0), fallbacks=("other",)) as brain,
    ):
        with pytest.raises(BudgetSpent):
            await brain.ask("supervisor", Route, QUESTION, incident=INCIDENT)
        assert server.asked == []


async def test_what_is_set_aside_gives_way_to_what_was_counted(store: Store) -> None:
    budget = Budget(tokens_per_incident=10_000, calls_per_incident=100)
    async with ModelServer(ANSWERS) as server, thinking(store, server, budget=budget) as brain:
        for _ in range(10):  # as set aside, two would be all
            await brain.ask("supervisor", Route, QUESTION, incident=INCIDENT)
        spent = await brain.spent(INCIDENT)
        assert spent.calls == len(server.asked) == 10
        assert spent.tokens < 3_000


async def test_the_cap_of_one_incident_is_not_anothers(store: Store) -> None:
    async with ModelServer(ANSWERS) as server, thinking(store, server, budget=Budget(calls_per_incident=1)) as brain:
        for incident in ("a", "b"):
            await brain.ask("supervisor", Route, QUESTION, incident=incident)
        with pytest.raises(BudgetSpent, match=r"1 of 1 calls of this incident"):
            await brain.ask("supervisor", Route, QUESTION, incident="a")


async def test_a_restart_and_another_process_find_the_same_budget(store: Store, tmp_path: Path) -> None:
    budget = Budget(calls_per_incident=3)
    async with ModelServer(ANSWERS) as server, opened_store(tmp_path) as other:
        async with thinking(store, server, budget=budget) as brain, thinking(other, server, budget=budget) as second:

            async def ask(n: int) -> bool:
                try:
                    await (brain, second)[n % 2].ask("supervisor", Route, QUESTION, incident=INCIDENT)
                except BudgetSpent:
                    return False
                return True

            assert sum(await asyncio.gather(*[ask(n) for n in range(8)])) == 3
        async with thinking(store, server, budget=budget) as again:
            with pytest.raises(BudgetSpent):
                await again.ask("supervisor", Route, QUESTION, incident=INCIDENT)
        assert len(server.asked) == 3


async def test_an_endless_loop_ends_where_the_budget_does(store: Store) -> None:
    script = Script.always(Step(misbehave=Misbehaviour.TOOL_LOOP))
    async with ModelServer(script) as server, thinking(store, server, budget=Budget(calls_per_incident=2)) as brain:
        with pytest.raises(BudgetSpent):
            await brain.explore("auto_fixer", Route, QUESTION, system="", tools=Reading().tools, incident=INCIDENT)
        assert len(server.asked) == 2


async def test_a_question_that_is_given_up_half_way_keeps_what_was_set_aside(store: Store) -> None:
    script = Script.always(Step(misbehave=Misbehaviour.STALL))
    async with ModelServer(script) as server, thinking(store, server) as brain:
        task = asyncio.create_task(brain.ask("supervisor", Route, QUESTION, incident=INCIDENT))
        await asyncio.wait_for(server.heard.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await brain.spent(INCIDENT)).output_tokens == 4_000


async def test_money_is_counted_for_models_that_have_a_price(store: Store) -> None:
    budget = Budget(prices={"openai:small": Price(1_000_000, 0)})
    async with ModelServer(ANSWERS) as server, thinking(store, server, budget=budget) as brain:
        reply = await brain.ask("supervisor", Route, QUESTION, incident=INCIDENT)
    assert (await store.spent_today()).money == pytest.approx(reply.cost.input_tokens)


def test_a_spent_budget_is_one_of_the_models_errors() -> None:
    error = BudgetSpent("tokens of today", 2_000_000, 1_999_000.5)
    assert isinstance(error, ModelError)
    assert not error.retryable
    assert "1,999,000.5 of 2,000,000 tokens of today" in str(error)
