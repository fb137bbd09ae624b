"""What models have cost and answered: counted in one transaction with the caps, kept, bounded, and later forgotten."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.builders import signal, subject
from tests.store.places import Clocks, Place
from tools.store import Store
from tools.store.records import ModelCall, ModelCaps, Overrun, Spending
from tools.store.schema import MIGRATIONS, SCHEMA_VERSION
from tools.store.sqlite import open_store
from tools.store.sqlite_models import ANSWERS_KEPT, LONGEST_ANSWER_KEPT

NO_CAPS = ModelCaps()


def call(number: int = 1, *, incident: str = "i", tokens: int = 100, money: float = 0.5) -> ModelCall:
    return ModelCall(
        id=f"call-{incident}-{number}",
        incident=incident,
        agent="supervisor",
        model="openai:m",
        input_tokens=tokens,
        output_tokens=tokens,
        money=money,
    )


class TestCalls:
    """A cap is looked at in the transaction that counts the call."""

    async def test_a_call_counts_as_set_aside_until_it_is_settled(self, store: Store) -> None:
        assert await store.reserve_call(call(), NO_CAPS) is None
        assert await store.spent_on("i") == Spending(calls=1, input_tokens=100, output_tokens=100, money=0.5)
        await store.settle_call(msgspec.structs.replace(call(), input_tokens=3, output_tokens=4, money=0.1))
        settled = Spending(calls=1, input_tokens=3, output_tokens=4, money=0.1)
        assert await store.spent_on("i") == await store.spent_today() == settled
        assert await store.spent_on("another") == Spending()

    @pytest.mark.parametrize(
        ("caps", "scope", "spent"),
        [
            (ModelCaps(calls_per_incident=1), "calls of this incident", 1),
            (ModelCaps(tokens_per_incident=399), "tokens of this incident", 200),
            (ModelCaps(tokens_per_day=399), "tokens of today", 200),
            (ModelCaps(money_per_day=0.9), "money of today", 0.5),
        ],
    )
    async def test_what_would_exceed_a_cap_is_not_written(
        self, store: Store, caps: ModelCaps, scope: str, spent: float
    ) -> None:
        assert await store.reserve_call(call(1), caps) is None
        overrun = await store.reserve_call(call(2), caps)
        assert isinstance(overrun, Overrun)
        assert (overrun.scope, overrun.spent) == (scope, spent)
        assert (await store.spent_on("i")).calls == 1

    async def test_exactly_a_cap_is_allowed(self, store: Store) -> None:
        caps = ModelCaps(calls_per_incident=2, tokens_per_incident=400, tokens_per_day=400, money_per_day=1.0)
        assert [await store.reserve_call(call(n), caps) for n in range(2)] == [None, None]

    async def test_a_new_day_has_its_own_budget_and_the_incident_keeps_its_cost(
        self, store: Store, place: Place
    ) -> None:
        caps = ModelCaps(tokens_per_day=300)
        assert await store.reserve_call(call(1), caps) is None
        assert await store.reserve_call(call(2), caps) is not None
        place.clocks.pass_(86_400)
        assert await store.spent_today() == Spending()
        assert await store.reserve_call(call(3), caps) is None
        assert (await store.spent_on("i")).calls == 2

    async def test_two_processes_never_take_the_last_of_a_budget_both(self, store: Store, other: Store) -> None:
        caps = ModelCaps(calls_per_incident=5)
        results = await asyncio.gather(*[(store, other)[n % 2].reserve_call(call(n), caps) for n in range(12)])
        assert results.count(None) == 5

    async def test_costs_of_incidents_that_are_over_are_forgotten_with_their_days(
        self, store: Store, place: Place
    ) -> None:
        open_one, _ = await store.open_or_join(subject(), signal())
        await store.reserve_call(call(1, incident=open_one.id), NO_CAPS)
        await store.reserve_call(call(1, incident="over"), NO_CAPS)
        await store.prune(before=place.clocks.wall.now())
        assert (await store.spent_on("over")).calls == 1  # today's budget is not freed by forgetting
        await store.prune(before=place.clocks.wall.now() + timedelta(days=1))
        assert (await store.spent_on("over")).calls == 0
        assert (await store.spent_on(open_one.id)).calls == 1


class TestAnswers:
    """An answer is kept under its key; the ones that nobody asks for go first."""

    async def test_an_answer_is_found_again_by_everybody(self, store: Store, other: Store) -> None:
        assert await store.recall_answer("k") is None
        await store.keep_answer("k", "one")
        assert await other.recall_answer("k") == "one"
        await other.keep_answer("k", "two")
        assert await store.recall_answer("k") == "two"

    async def test_the_ones_not_asked_for_longest_make_room(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tools.store.sqlite_models.ANSWERS_KEPT", 3)
        for key in "abc":
            await store.keep_answer(key, key)
        await store.recall_answer("a")
        await store.keep_answer("d", "d")
        assert [await store.recall_answer(key) for key in "abcd"] == ["a", None, "c", "d"]
        assert ANSWERS_KEPT * LONGEST_ANSWER_KEPT <= 100_000_000

    async def test_an_answer_that_is_too_long_is_not_kept(self, store: Store) -> None:
        await store.keep_answer("k", "x" * (LONGEST_ANSWER_KEPT + 1))
        assert await store.recall_answer("k") is None


async def test_a_store_from_before_models_had_a_budget_gets_one_and_keeps_all_it_had(tmp_path: Path) -> None:
    path, clocks = tmp_path / "store.sqlite", Clocks()
    with closing(sqlite3.connect(path)) as connection:
        for statement in (*MIGRATIONS[0], *MIGRATIONS[1]):
            connection.execute(statement)
        body = '{"id":"old","subject":{}}'
        connection.execute("INSERT INTO incidents VALUES ('old', 's', 'closed', 't', ?, 1.0)", (body,))
        connection.execute("INSERT INTO audit VALUES (1, 't', 'step', '{}', 'before', 'hash')")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    async with open_store(path, now=clocks.wall.now) as store:
        assert await store.reserve_call(call(), ModelCaps(calls_per_incident=1)) is None
        assert await store.reserve_call(call(2), ModelCaps(calls_per_incident=1)) is not None
        await store.keep_answer("k", "kept")
    async with open_store(path, now=clocks.wall.now) as store:
        assert await store.recall_answer("k") == "kept"
        assert (await store.spent_on("i")).calls == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM incidents").fetchall() == [("old",)]
        assert connection.execute("SELECT hash FROM audit").fetchall() == [("hash",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
