"""The server that the tests ask: both protocols as OpenAI's own client reads them, scripts, and recordings."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from tests.openai_server import (
    Call,
    Misbehaviour,
    ModelServer,
    Recorder,
    Script,
    Step,
    When,
    load_cassette,
    load_script,
)
from tests.tools.brains import GOOD, KEY, QUESTION, Route, opened_store, thinking

TOOL: dict[str, Any] = {
    "name": "logs",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}, "lines": {"type": "integer"}}},
}
HELLO: Any = [{"role": "user", "content": "hello"}]


@asynccontextmanager
async def client(server: ModelServer) -> AsyncIterator[AsyncOpenAI]:
    async with httpx.AsyncClient(verify=False) as connections:  # noqa: S501 - loopback; reading certificates takes long
        yield AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0, http_client=connections)


async def test_chat_completions_whole_and_streamed_say_the_same() -> None:
    script = Script.of(*[Step(text="Look at the logs of web, they say more. " * 3)] * 2)
    async with ModelServer(script) as server, client(server) as openai:
        whole = await openai.chat.completions.create(model="m", messages=HELLO)
        streamed = await openai.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in streamed]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens > 10
    assert server.asked[0].key == KEY


async def test_a_stream_counts_tokens_only_if_it_is_asked_to() -> None:
    async with ModelServer(Script.always(Step(text="hi"))) as server, client(server) as openai:
        streamed = await openai.chat.completions.create(model="m", messages=HELLO, stream=True)
        assert not [chunk async for chunk in streamed if chunk.usage]


async def test_calls_of_tools_are_made_up_to_fit_and_streamed_in_pieces() -> None:
    script = Script.always(Step(calls=(Call("logs"), Call("logs", {"name": "web-" + "x" * 60}))))
    tools: Any = [{"type": "function", "function": TOOL}]
    async with ModelServer(script) as server, client(server) as openai:
        whole = await openai.chat.completions.create(model="m", messages=HELLO, tools=tools)
        async with openai.chat.completions.stream(model="m", messages=HELLO, tools=tools) as stream:
            streamed = await stream.get_final_completion()
    for answer in (whole, streamed):
        calls: Any = answer.choices[0].message.tool_calls
        assert [json.loads(call.function.arguments)["name"] for call in calls] == ["x", "web-" + "x" * 60]
        assert answer.choices[0].finish_reason == "tool_calls"


async def test_responses_whole_and_streamed_say_the_same() -> None:
    script = Script.of(
        *[Step(text="There it is. " * 5)] * 2,
        *[Step(calls=(Call("logs", {"name": "web"}),))] * 2,
        *[Step(misbehave=Misbehaviour.REFUSAL)] * 2,
    )
    tools: Any = [{"type": "function", "strict": False, **TOOL}]
    async with ModelServer(script) as server, client(server) as openai:
        for _ in range(3):
            whole = await openai.responses.create(model="m", input="hello", tools=tools)
            async with openai.responses.stream(model="m", input="hello", tools=tools) as stream:
                async for _event in stream:
                    pass
                streamed = await stream.get_final_response()
            assert streamed.output[0].type == whole.output[0].type
            assert streamed.output_text == whole.output_text
            assert whole.usage is not None
            assert streamed.usage is not None
            assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert {asked.path for asked in server.asked} == {"/v1/responses"}


async def test_a_script_answers_each_request_by_the_first_step_that_is_for_it() -> None:
    script = Script.of(
        Step(text="for logs", when=When(contains="logs")),
        Step(text="for all", times=2),
        otherwise=lambda asked: Step(text=f"last word on {asked.texts[-1]}"),
    )
    async with ModelServer(script) as server, client(server) as openai:

        async def say(text: str) -> str | None:
            answer = await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            return answer.choices[0].message.content

        heard = [await say(text) for text in ("a", "logs", "logs", "b")]
    assert heard == ["for all", "for logs", "for all", "last word on b"]
    assert script.left == 0


async def test_what_was_recorded_is_played_without_the_server_and_holds_no_key(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    async with opened_store(tmp_path) as store:
        async with ModelServer(Script.of(Step(text="hm"), Step(object=GOOD))) as real:
            recorder = Recorder(real.base_url)
            async with ModelServer(recorder) as server, thinking(store, server) as brain:
                recorded = await brain.ask("coder", Route, QUESTION, incident="1")
            assert real.asked[0].key == KEY
        recorder.save(tape)
        assert KEY not in tape.read_text()
        for loose, question in ((False, QUESTION), (True, [("user", "in other words")])):
            async with ModelServer(load_cassette(tape, loose=loose)) as server, thinking(store, server) as brain:
                played = await brain.ask("coder", Route, question, incident="1")
            assert (played.answer, played.cost.calls) == (recorded.answer, 2)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    for load, text in (
        (load_script, '[{"txet": "x"}]'),
        (load_script, "{"),
        (load_cassette, "[]"),
        (load_cassette, '{"version": 9}'),
    ):
        bad.write_text(text)
        with pytest.raises(ValueError, match=r"bad\.json"):
            load(bad)


async def test_a_person_starts_it_with_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"text": "hello yourself", "times": 0}]')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.openai_server", "--script", str(script), stdout=subprocess.PIPE, env=os.environ
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        address = line.decode().split()[0].removeprefix("OPENAI_BASE_URL=")
        async with httpx.AsyncClient(verify=False) as connections:  # noqa: S501 - loopback
            answer = await connections.post(f"{address}/chat/completions", json={"model": "m", "messages": HELLO})
        assert answer.json()["choices"][0]["message"]["content"] == "hello yourself"
    finally:
        process.kill()
        await process.wait()
