"""What `doctor` says of models: who answers, where, at which price, what is sent; and its one question. Never a key."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings, load_settings
from cli.model_report import ask_model, model_rows, spent_today
from tests.openai_server import Misbehaviour, ModelServer, Script, Step
from tools.store.records import ModelCall, ModelCaps
from tools.store.sqlite import open_store

KEY, OTHER_KEY = "sk-hidden-key-000001", "sk-hidden-key-000002"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def settings(**changes: Any) -> Settings:
    return load_settings(**({"openai_api_key": KEY, "model_api_key": OTHER_KEY} | changes))


def said(of: Settings) -> str:
    return "\n".join(f"{what}: {how}" for _, what, how in model_rows(of))


def test_without_a_model_it_names_the_remedy() -> None:
    assert "rules decide alone (set OPENAI_API_KEY or OPENAI_BASE_URL)" in said(load_settings())


def test_every_agents_models_are_named_with_their_addresses_and_no_key() -> None:
    shown = said(
        settings(
            model="gpt-5-mini",
            models={"auto_fixer": "gpt-5"},
            model_fallbacks=("qwen3:8b@http://127.0.0.1:11434/v1",),
        )
    )
    assert (
        "auto_fixer: openai:gpt-5 at https://api.openai.com/v1, with a key, asked by json_schema first, then" in shown
    )
    assert "supervisor, reviewer" in shown
    assert "openai:qwen3:8b at http://127.0.0.1:11434/v1" in shown
    assert "24 calls and 120,000 tokens an incident, 2,000,000 tokens a day" in shown
    assert "never a Secret" in shown
    assert "LangSmith: off" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "no cap: set K8S_AUTO_FIXER_MODEL_MONEY_PER_DAY"),
        ({"model_money_per_day": 2.5}, "no cap on openai:gpt-5-mini"),
        ({"model_money_per_day": 2.5, "model_prices": {"gpt-5-mini": (0.25, 2)}}, "2.5 a day at your prices"),
    ],
)
def test_a_cap_on_money_is_said_to_be_off_where_there_is_no_price(changes: dict[str, Any], says: str) -> None:
    assert f"model money: {says}" in said(settings(**changes))


async def test_what_was_spent_today_is_shown_where_there_is_a_store(tmp_path: Path) -> None:
    of = settings(store=tmp_path / "store.sqlite", model_prices={"m": (1, 1)})
    assert await spent_today(of) is None
    assert not of.store.exists()
    async with open_store(of.store, now=lambda: LONG_AGO) as store:
        call = ModelCall(id="1", incident="i", agent="coder", model="m", input_tokens=1_000, output_tokens=1, money=0.5)
        await store.reserve_call(call, ModelCaps())
    row = await spent_today(of)
    assert row is not None
    assert row[2] == "0 calls, 0 tokens, 0.0000 in money (UTC)"  # that call was on another day


@pytest.mark.parametrize(
    ("step", "good", "says"),
    [
        (Step(object={"legs": "eight"}), True, "answered by openai:gpt-5-mini in"),
        (Step(object={"legs": "six"}), False, "choose a better model"),
        (Step(misbehave=Misbehaviour.BAD_KEY), False, "the model refuses the question"),
    ],
)
async def test_the_test_question_says_how_it_went_without_the_key(step: Step, good: bool, says: str) -> None:
    async with ModelServer(Script.always(step)) as server:
        fine, what, how = await ask_model(settings(openai_base_url=server.base_url))
        assert len(server.asked) == 1
        assert server.asked[0].key == KEY
    assert (fine, what) == (good, "test question")
    assert says in how
    assert KEY not in how


async def test_without_a_model_the_question_names_the_remedy() -> None:
    assert await ask_model(load_settings()) == (
        False,
        "test question",
        "no model is configured: set OPENAI_API_KEY or OPENAI_BASE_URL",
    )
