"""Which model is asked for which agent, at which address, with which key; and that nothing is told to anybody else."""

import os
import subprocess
import sys

import pytest

from tools.models import AGENTS, Budget, ModelSettings, ModelSettingsError, Price, Roster

BASE = ModelSettings(api_key="the-key", base_url=None)


def test_one_model_answers_for_everybody_unless_an_agent_has_its_own() -> None:
    roster = Roster(first="small", by_agent={"auto_fixer": "large"}, base=BASE)
    assert [model.model for model in roster.chain("auto_fixer")] == ["large"]
    assert {roster.chain(agent)[0].model for agent in AGENTS if agent != "auto_fixer"} == {"small"}


def test_fallbacks_follow_in_order_and_none_is_asked_twice() -> None:
    roster = Roster(first="a", fallbacks=("b", "a", "c"), base=BASE)
    assert [model.model for model in roster.chain("coder")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("written", "provider", "model", "address"),
    [
        ("gpt-5-mini", "openai", "gpt-5-mini", None),
        ("openai:gpt-5", "openai", "gpt-5", None),
        ("anthropic:claude-haiku-4-5", "anthropic", "claude-haiku-4-5", None),
        ("qwen3:8b", "openai", "qwen3:8b", None),
        ("qwen3:8b@http://127.0.0.1:11434/v1", "openai", "qwen3:8b", "http://127.0.0.1:11434/v1"),
        ("ollama:qwen3:8b@http://127.0.0.1:11434", "ollama", "qwen3:8b", "http://127.0.0.1:11434"),
        ("google_vertexai:claude@20250805", "google_vertexai", "claude@20250805", None),
    ],
)
def test_a_model_is_written_with_its_provider_and_address(
    written: str, provider: str, model: str, address: str | None
) -> None:
    found = Roster(first=written, base=BASE).settings_of(written)
    assert (found.provider, found.model, found.base_url) == (provider, model, address)


def test_a_key_goes_to_its_own_address_only() -> None:
    base = ModelSettings(api_key="the-key", base_url="https://own.example/v1")
    roster = Roster(first="m", fallbacks=("n@https://other.example/v1", "anthropic:c"), base=base, other_key="other")
    keys = {model.base_url: model.api_key for model in roster.chain("coder")}
    assert keys == {"https://own.example/v1": "the-key", "https://other.example/v1": "other", None: None}
    assert "the-key" not in repr(roster)
    assert "'other'" not in repr(roster)


def test_without_key_and_address_nobody_is_asked_but_models_that_need_neither() -> None:
    assert Roster(first="m").chain("coder") == ()
    local = Roster(first="m", fallbacks=("l@http://127.0.0.1:1/v1",))
    assert [model.model for model in local.chain("coder")] == ["l"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"first": " "}, "model is empty"),
        ({"first": "m", "by_agent": {"butler": "m"}}, "there is no agent 'butler'"),
        ({"first": "m", "fallbacks": ("x@http://",)}, "base_url must look like"),
        ({"first": "m", "fallbacks": ("x@http://me:secret@host/v1",)}, "put the credential into api_key"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, object], says: str) -> None:
    with pytest.raises(ModelSettingsError, match=says) as caught:
        Roster(**given)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_a_price_is_found_by_either_name() -> None:
    budget = Budget(prices={"openai:a": Price(1, 2), "b": Price(3, 4)})
    prices = [budget.price_of(ModelSettings(model=name)) for name in "abc"]
    assert prices == [Price(1, 2), Price(3, 4), None]


@pytest.mark.parametrize(("model", "sent"), [("gpt-5-mini", None), ("o4-mini", None), ("gpt-4.1", 0.0), ("qwen3", 0.0)])
def test_the_temperature_is_left_to_models_that_refuse_another(model: str, sent: float | None) -> None:
    from typing import cast

    from tools.models import build_chat_model

    built = cast("object", build_chat_model(ModelSettings(model=model, api_key="k", temperature=0.0)))
    assert getattr(built, "temperature", "none") == sent


_LOOKUPS = """
import asyncio, os, socket, sys
asked = []
def nobody(host, *rest, **more):
    asked.append(host)
    raise OSError("no network here")
socket.getaddrinfo = nobody
from app.models import decide_tracing
decide_tracing(wanted=False)
from langchain_core.messages import AIMessage
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain.agents import create_agent
model = GenericFakeChatModel(messages=iter([AIMessage("done")]))
asyncio.run(create_agent(model, []).ainvoke({"messages": [("user", "hello")]}))
from langsmith.utils import tracing_is_enabled
assert not tracing_is_enabled(), "traced"
assert "LANGSMITH_GATEWAY" not in os.environ
assert not asked, asked
"""


def test_nothing_is_traced_whatever_the_variables_of_other_programs_say() -> None:
    meant_for_others = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_API_KEY": "k"}
    environment = {**os.environ, **meant_for_others, "LANGSMITH_GATEWAY": "true"}
    ended = subprocess.run([sys.executable, "-c", _LOOKUPS], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2_000:]


def test_without_a_model_no_library_of_models_is_loaded() -> None:
    code = (
        "import sys\n"
        "from app.models import roster_of, budget_of\nfrom app.settings import load_settings\n"
        "from tools.models import build_brain\n"
        "settings = load_settings()\n"
        "assert build_brain(roster_of(settings), budget_of(settings), None, steady=None) is None\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "heavy = loaded & {'langchain', 'langchain_core', 'openai', 'langgraph'}\n"
        "assert not heavy, heavy\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "K8S_AUTO"))}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2_000:]
