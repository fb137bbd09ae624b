"""Whatever a model's server does, a question ends: in a typed answer or in one clear error, after a few calls."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.openai_server import Misbehaviour, ModelServer, Script, Step
from tests.tools.brains import GOOD, INCIDENT, KEY, QUESTION, Reading, Route, opened_store, thinking
from tools.models import (
    Budget,
    ConfiguredBrain,
    Limits,
    ModelAnswerError,
    ModelConfigurationError,
    ModelError,
    ModelRefusal,
    ModelUnavailable,
    Reply,
)
from tools.store import Store

pytestmark = pytest.mark.models
M = Misbehaviour
SET_ASIDE = 4_000  # the longest answer there may be


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(tmp_path) as opened:
        yield opened


async def asked(brain: ConfiguredBrain, way: str) -> Reply[Route]:
    if way == "ask":
        return await brain.ask("supervisor", Route, QUESTION, incident=INCIDENT)
    return await brain.explore(
        "auto_fixer", Route, QUESTION[1:], system=QUESTION[0][1], tools=Reading().tools, incident=INCIDENT
    )


# What it does; whether answers are streams; requests of a plain question, and of one explored after it; how both end.
ENDS: list[tuple[Misbehaviour, bool, int, int, type[ModelError] | None]] = [
    (M.TOO_MANY_REQUESTS, False, 2, 2, ModelUnavailable),  # the client repeats once, after as long as it is told
    (M.SERVER_ERROR, False, 2, 2, ModelUnavailable),
    (M.HALF_STREAM, True, 2, 2, ModelUnavailable),
    (M.WRONG_SCHEMA, False, 2, 2, ModelAnswerError),  # one repair
    (M.UNKNOWN_TOOL, False, 2, 6, ModelAnswerError),
    (M.TOOL_LOOP, False, 2, 6, ModelAnswerError),
    (M.REFUSAL, False, 1, 1, ModelRefusal),
    (M.REFUSAL, True, 1, 2, ModelRefusal),
    (M.HUGE, False, 2, 3, ModelAnswerError),
    (M.HUGE, True, 2, 3, ModelAnswerError),
    (M.WRONG_LANGUAGE, False, 2, 3, ModelAnswerError),
    (M.OTHER_FORMAT, False, 1, 1, ModelConfigurationError),
    (M.OTHER_FORMAT, True, 1, 2, ModelConfigurationError),
    (M.NOT_JSON, False, 1, 2, ModelConfigurationError),
    (M.CUT_OFF, False, 2, 3, ModelAnswerError),
    (M.BAD_KEY, False, 1, 1, ModelConfigurationError),
    (M.NO_USAGE, False, 1, 1, None),
    (M.PROSE, False, 1, 1, None),
    (M.PROSE, True, 1, 1, None),
    (M.NO_SCHEMAS, False, 2, 1, None),  # refused once, and then asked by a tool call
    (M.NO_TOOLS, False, 1, 2, None),
    (M.NO_TEMPERATURE, False, 2, 1, None),  # and never sent one again
]


@pytest.mark.parametrize(
    ("kind", "streaming", "plain", "explored", "error"), ENDS, ids=[f"{e[0]}{'-stream' * e[1]}" for e in ENDS]
)
async def test_a_question_ends_after_few_calls_whatever_the_server_does(
    store: Store,
    caplog: pytest.LogCaptureFixture,
    kind: Misbehaviour,
    streaming: bool,
    plain: int,
    explored: int,
    error: type[ModelError] | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script.always(Step(misbehave=kind, object=GOOD))
    said = ""
    boundless = Budget(tokens_per_incident=None)
    async with ModelServer(script) as server, thinking(store, server, budget=boundless, streaming=streaming) as brain:
        for way, requests in (("ask", plain), ("explore", explored)):
            before = len(server.asked)
            if error is None:
                assert (await asked(brain, way)).answer == Route(**GOOD)
            else:
                with pytest.raises(error) as raised:
                    await asked(brain, way)
                said = str(raised.value)
                assert len(said.splitlines()) == 1
                assert len(said) < 400
            assert len(server.asked) - before == requests
        assert server.request_bytes < 60_000
    assert KEY not in said + caplog.text
    assert (await store.spent_on(INCIDENT)).calls <= plain + explored


async def test_a_server_that_says_nothing_is_given_up(store: Store) -> None:
    script = Script.always(Step(misbehave=M.STALL))
    async with (
        ModelServer(script) as server,
        thinking(store, server, timeout_seconds=0.1, max_retries=0) as brain,
    ):
        for way in ("ask", "explore"):
            with pytest.raises(ModelUnavailable, match="Timeout"):
                await asked(brain, way)
        assert len(server.asked) == 2
    spent = await store.spent_on(INCIDENT)
    assert spent.output_tokens == 2 * SET_ASIDE  # it may be thinking still, and will be paid for that


@pytest.mark.parametrize("kind", [M.TOO_MANY_REQUESTS, M.SERVER_ERROR, M.HALF_STREAM])
async def test_what_passes_is_repeated_without_anybody_noticing(store: Store, kind: Misbehaviour) -> None:
    for way in ("ask", "explore"):
        script = Script.of(Step(misbehave=kind, object=GOOD), Step(object=GOOD))
        streaming = kind is M.HALF_STREAM
        async with ModelServer(script) as server, thinking(store, server, streaming=streaming) as brain:
            assert (await asked(brain, way)).answer == Route(**GOOD)
            assert len(server.asked) == 2


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_server_that_does_not_count_costs_what_was_set_aside(store: Store, streaming: bool) -> None:
    script = Script.always(Step(misbehave=M.NO_USAGE, object=GOOD))
    async with ModelServer(script) as server, thinking(store, server, streaming=streaming) as brain:
        reply = await asked(brain, "ask")
        assert reply.cost.output_tokens == SET_ASIDE
        assert reply.cost.input_tokens >= server.request_bytes // 5
    assert (await store.spent_on(INCIDENT)).output_tokens == SET_ASIDE


async def test_what_a_server_refuses_or_never_hears_costs_calls_and_no_tokens(store: Store) -> None:
    script = Script.always(Step(misbehave=M.TOO_MANY_REQUESTS))
    async with ModelServer(script) as server, thinking(store, server, max_retries=0) as brain:
        with pytest.raises(ModelUnavailable):
            await asked(brain, "ask")
        address = server.base_url
    async with ModelServer(script) as server, thinking(store, server, base_url=address, max_retries=0) as brain:
        with pytest.raises(ModelUnavailable):
            await asked(brain, "explore")
        assert server.asked == []
    spent = await store.spent_on(INCIDENT)
    assert (spent.calls, spent.input_tokens + spent.output_tokens) == (2, 0)


async def test_an_endless_tool_loop_reads_no_more_than_it_may(store: Store) -> None:
    reading = Reading()
    script = Script.always(Step(misbehave=M.TOOL_LOOP))
    async with ModelServer(script) as server, thinking(store, server) as brain:
        limits = Limits(model_calls=12, tool_calls=3, result_bytes=500)
        with pytest.raises(ModelAnswerError):
            await brain.explore(
                "auto_fixer", Route, QUESTION, system="", tools=reading.tools, incident=INCIDENT, limits=limits
            )
        assert len(server.asked) == limits.model_calls
    assert len(reading.calls) == limits.tool_calls


async def test_a_body_without_an_end_is_read_to_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.models.chat._LONGEST_BODY", 2_000)
    script = Script.always(Step(text="x" * 100_000))
    async with ModelServer(script) as server, thinking(store, server) as brain:
        with pytest.raises(ModelError) as raised:
            await asked(brain, "ask")
        assert len(server.asked) <= 2
    assert "xxx" not in str(raised.value)


def test_every_misbehaviour_has_its_test() -> None:
    covered: set[Any] = {entry[0] for entry in ENDS} | {M.STALL}
    assert covered == set(Misbehaviour)
