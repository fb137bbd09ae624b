"""Chat models through LangChain's real OpenAI client against a loopback server."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, cast

import pytest
from langchain_core.language_models import BaseChatModel
from loopback_servers import OpenAIServer, Scripted
from pydantic import BaseModel, Field

from tools.models import (
    Method,
    ModelAnswerError,
    ModelConfigurationError,
    ModelError,
    ModelRefusal,
    ModelSettings,
    ModelSettingsError,
    ModelUnavailable,
    Usage,
    ask,
    build_chat_model,
    close_chat_model,
)

KEY = "sk-not-a-real-key-0123456789"
QUESTION = [("system", "You route."), ("user", "web crashes")]


class Route(BaseModel):
    """Where to go next."""

    next: Literal["coder", "FINISH"]
    reason: str = Field(max_length=40)


Build = Callable[..., BaseChatModel]


@pytest.fixture
async def model(openai_server: OpenAIServer) -> AsyncIterator[Build]:
    """Builds models that ask the loopback server, and closes them."""
    made: list[BaseChatModel] = []

    def build(**changes: Any) -> BaseChatModel:
        address = openai_server.base_url
        given = {"model": "gpt-5-pro", "base_url": address, "max_retries": 0, "timeout_seconds": 5.0} | changes
        built = build_chat_model(ModelSettings(**given))
        assert built is not None
        made.append(built)
        return built

    yield build
    for built in made:
        await close_chat_model(built)


METHODS = ["json_schema", "function_calling", "json_mode"]


@pytest.mark.parametrize("method", METHODS)
async def test_every_way_of_asking_gives_the_typed_answer(
    model: Build, openai_server: OpenAIServer, method: Method
) -> None:
    openai_server.answers = lambda _: {"next": "coder", "reason": "logs"}
    spent: list[Usage] = []
    answer = await ask(model(), Route, QUESTION, method=method, on_usage=spent.append)
    assert answer == Route(next="coder", reason="logs")
    assert spent == [Usage(11, 7)]
    request = openai_server.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer unused"
    assert "Route" in json.dumps(request.body) or "Where to go next" in json.dumps(request.body)


async def test_the_key_that_is_set_is_sent(model: Build, openai_server: OpenAIServer) -> None:
    openai_server.answers = lambda _: {"next": "FINISH", "reason": ""}
    await ask(model(api_key=KEY), Route, QUESTION)
    assert openai_server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("said", ["not JSON at all", {"next": "elsewhere", "reason": "x"}, {"next": "coder"}, ["x"]])
async def test_an_answer_that_does_not_fit_is_an_error_that_does_not_quote_it(
    model: Build, openai_server: OpenAIServer, method: Method, said: object
) -> None:
    openai_server.answers = lambda _: said
    spent: list[Usage] = []
    with pytest.raises(ModelAnswerError, match=r"the answer is not a (Route|usable message)") as caught:
        await ask(model(), Route, QUESTION, method=method, on_usage=spent.append)
    assert "elsewhere" not in str(caught.value)
    assert "not JSON at all" not in str(caught.value)
    assert not caught.value.retryable
    assert spent == ([] if "usable message" in str(caught.value) else [Usage(11, 7)])


async def test_json_in_a_code_block_is_read_but_half_an_object_is_not(
    model: Build, openai_server: OpenAIServer
) -> None:
    openai_server.answers = lambda _: '```json\n{"next": "coder", "reason": "x"}\n```'
    assert (await ask(model(), Route, QUESTION, method="json_mode")).next == "coder"
    openai_server.answers = lambda _: '{"next": "coder", "reason": "x'
    with pytest.raises(ModelAnswerError, match="json_invalid"):
        await ask(model(), Route, QUESTION, method="json_mode")


async def test_a_strict_server_is_shown_no_default_and_every_field_as_required(
    model: Build, openai_server: OpenAIServer
) -> None:
    class Detailed(BaseModel):
        default: str = "a field of that name stays"
        tags: list[Route] = []
        note: str | None = None

    openai_server.answers = lambda _: {"default": "x", "tags": [], "note": None}
    assert (await ask(model(), Detailed, QUESTION)).default == "x"
    shown = openai_server.requests[0].body["response_format"]["json_schema"]
    assert shown["strict"] is True
    assert shown["schema"]["required"] == ["default", "tags", "note"]
    assert set(shown["schema"]["properties"]) == {"default", "tags", "note"}
    assert not any("default" in field for field in shown["schema"]["properties"].values())


async def test_a_refusal_is_told_apart(model: Build, openai_server: OpenAIServer) -> None:
    openai_server.refusal = f"I will not, {KEY}\n\x1b[31m" + "because " * 100
    with pytest.raises(ModelRefusal, match="the model declined: I will not") as caught:
        await ask(model(api_key=KEY), Route, QUESTION)
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_that_was_cut_off_names_the_setting(
    model: Build, openai_server: OpenAIServer, method: Method
) -> None:
    openai_server.answers = lambda _: '{"next": "cod'
    openai_server.finish_reason = "length"
    spent: list[Usage] = []
    with pytest.raises(ModelAnswerError, match="cut off: raise model_answer_tokens"):
        await ask(model(), Route, QUESTION, method=method, on_usage=spent.append)
    assert spent == [Usage(11, 7)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelConfigurationError),
        (401, ModelConfigurationError),
        (403, ModelConfigurationError),
        (404, ModelConfigurationError),
        (429, ModelUnavailable),
        (500, ModelUnavailable),
        (503, ModelUnavailable),
    ],
)
async def test_a_servers_error_says_whether_to_wait_or_to_change_a_setting_and_never_tells_the_key(
    model: Build, openai_server: OpenAIServer, caplog: pytest.LogCaptureFixture, status: int, kind: type[ModelError]
) -> None:
    caplog.set_level(logging.INFO)
    openai_server.script(Scripted(status, {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x"}}))
    with pytest.raises(kind) as caught:
        await ask(model(api_key=KEY), Route, QUESTION)
    assert KEY not in str(caught.value) + caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.retryable is (kind is ModelUnavailable)


async def test_a_passing_failure_is_retried_by_the_client(model: Build, openai_server: OpenAIServer) -> None:
    openai_server.answers = lambda _: {"next": "coder", "reason": "x"}
    openai_server.script(Scripted(503, {"error": {"message": "busy"}}, {"retry-after-ms": "1"}))
    assert (await ask(model(max_retries=1), Route, QUESTION)).next == "coder"
    assert len(openai_server.requests) == 2


async def test_a_silent_server_is_given_up_by_request_and_by_deadline(
    model: Build, openai_server: OpenAIServer
) -> None:
    openai_server.script(Scripted(silent=True), Scripted(silent=True))
    with pytest.raises(ModelUnavailable, match="Timeout"):
        await ask(model(timeout_seconds=0.1), Route, QUESTION)
    with pytest.raises(ModelUnavailable, match=r"did not answer within 0\.1 s"):
        await ask(model(), Route, QUESTION, deadline_seconds=0.1)


async def test_a_server_that_is_not_there_is_unavailable(model: Build, openai_server: OpenAIServer) -> None:
    with pytest.raises(ModelUnavailable):
        await ask(model(base_url="http://127.0.0.1:9/v1"), Route, QUESTION)


def test_with_neither_key_nor_address_there_is_no_model() -> None:
    assert build_chat_model(ModelSettings()) is None


def test_the_environment_does_not_choose_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.example/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://elsewhere.example/v1")
    built = cast(Any, build_chat_model(ModelSettings(api_key=KEY)))
    assert str(built.root_client.base_url) == "https://api.openai.com/v1/"
    assert KEY not in repr(built) + repr(ModelSettings(api_key=KEY))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": " "}, "model is empty"),
        ({"base_url": "127.0.0.1:8000/v1"}, "base_url must look like"),
        ({"base_url": "https://me:secret@host/v1"}, "put the credential into api_key"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0"),
    ],
)
def test_a_bad_setting_is_named_with_its_remedy(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelSettingsError, match=says) as caught:
        ModelSettings(**given)
    assert "secret" not in str(caught.value)


def test_a_provider_that_is_not_installed_or_not_known_is_named() -> None:
    with pytest.raises(ModelSettingsError, match=r"install k8s-auto-fixer\[anthropic\]"):
        build_chat_model(ModelSettings(provider="anthropic", model="m", api_key=KEY))
    with pytest.raises(ModelSettingsError, match="'nobody' cannot be used"):
        build_chat_model(ModelSettings(provider="nobody", model="m", api_key=KEY))
