"""The brain: what it learns of a server, who stands in for whom, what it remembers, and how it explores."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.openai_server import Call, Misbehaviour, ModelServer, Script, Step, When
from tests.tools.brains import GOOD, INCIDENT, KEY, QUESTION, Reading, Route, Seconds, opened_store, thinking
from tools.models import Brain, Cost, Limits, ModelAnswerError, ModelConfigurationError, ModelUnavailable
from tools.models.respondent import REST_SECONDS
from tools.store import Store

M = Misbehaviour
ANSWER = Route(**GOOD)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(tmp_path) as opened:
        yield opened


def ask_ed(brain: Brain, **changes: Any) -> Any:
    return brain.ask("supervisor", Route, QUESTION, **({"incident": INCIDENT} | changes))


class TestTheLadder:
    """What a server does not understand is asked more simply, and the way that worked comes first from then on."""

    async def test_a_schema_that_is_refused_is_followed_by_a_tool_call_and_that_by_words(self, store: Store) -> None:
        script = Script.of(
            Step(misbehave=M.NO_SCHEMAS),
            Step(misbehave=M.NO_TOOLS),
            Step(text='Sure: {"next": "Coder", "reason": "x"}', times=0),
        )
        async with ModelServer(script) as server, thinking(store, server) as brain:
            assert (await ask_ed(brain)).answer.next == "Coder"
            assert (await ask_ed(brain)).answer.next == "Coder"
            forms = [(asked.form, list(asked.tools)) for asked in server.asked]
            assert forms == [("Route", []), (None, ["Route"]), (None, []), (None, [])]
            assert "fits this JSON schema" in server.asked[-1].texts[-1]

    async def test_prose_is_repaired_in_one_turn_which_is_shown_what_was_wrong(self, store: Store) -> None:
        script = Script.of(Step(text="I would look at the logs."), Step(object=GOOD, times=0))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            assert (await ask_ed(brain)).answer == ANSWER
            assert "I would look at the logs." in server.asked[1].text
            assert "json_invalid" in server.asked[1].texts[-1]
            await ask_ed(brain)
            assert [asked.form for asked in server.asked] == ["Route", None, None]  # schemas were not read, so not sent

    async def test_what_a_model_wrote_out_as_a_call_is_read(self, store: Store) -> None:
        script = Script.of(Step(text='<tool_call>{"name": "Route", "arguments": {"next": "FINISH", "reason": ""}}'))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            assert (await ask_ed(brain)).answer.next == "FINISH"
            assert len(server.asked) == 1

    async def test_a_useless_answer_is_quoted_to_the_model_alone(self, store: Store) -> None:
        script = Script.always(Step(text='{"next": "the secret place"}'))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            with pytest.raises(ModelAnswerError) as raised:
                await ask_ed(brain)
            assert "secret place" in server.asked[1].text
        assert "secret place" not in str(raised.value)


class TestWhoStandsIn:
    """Fallbacks answer where the first does not; who is not there is left alone for a while."""

    async def test_the_next_model_answers_for_one_that_is_gone_and_the_key_stays_with_its_address(
        self, store: Store
    ) -> None:
        async with (
            ModelServer(Script.always(Step(misbehave=M.SERVER_ERROR))) as gone,
            ModelServer(Script.always(Step(object=GOOD))) as there,
            thinking(store, gone, fallbacks=(f"spare@{there.base_url}",), max_retries=0) as brain,
        ):
            reply = await ask_ed(brain)
            assert (reply.answer, reply.model, reply.cost.calls) == (ANSWER, "openai:spare", 2)
            found = await brain.explore(
                "auto_fixer", Route, QUESTION, system="", tools=Reading().tools, incident=INCIDENT
            )
            assert (found.answer, found.model) == (ANSWER, "openai:spare")
            assert {asked.key for asked in gone.asked} == {KEY}
            assert KEY not in {asked.key for asked in there.asked}

    async def test_a_model_that_failed_twice_is_asked_again_after_a_minute(self, store: Store) -> None:
        seconds = Seconds()
        script = Script.of(Step(misbehave=M.SERVER_ERROR, times=2), Step(object=GOOD, times=0))
        async with ModelServer(script) as server, thinking(store, server, steady=seconds, max_retries=0) as brain:
            for _ in range(2):
                with pytest.raises(ModelUnavailable, match="not available"):
                    await ask_ed(brain)
            with pytest.raises(ModelUnavailable, match="not asked for a minute"):
                await ask_ed(brain)
            assert len(server.asked) == 2
            seconds.now += REST_SECONDS
            assert (await ask_ed(brain)).answer == ANSWER

    async def test_an_agent_that_nobody_answers_for_is_an_error_that_names_the_remedy(self, store: Store) -> None:
        async with ModelServer(Script.of()) as server, thinking(store, server) as brain:
            assert brain.knows("coder")
            assert not brain.knows("butler")
            with pytest.raises(ModelConfigurationError, match="set OPENAI_API_KEY or OPENAI_BASE_URL"):
                await brain.ask("butler", Route, QUESTION, incident=INCIDENT)


class TestMemory:
    """An unchanged problem costs once."""

    async def test_the_same_fingerprint_is_answered_from_memory_after_a_restart_too(
        self, store: Store, tmp_path: Path
    ) -> None:
        script = Script.always(Step(object=GOOD))
        async with ModelServer(script) as server:
            async with thinking(store, server) as brain:
                first = await ask_ed(brain, fingerprint="f", prompt="1")
            async with opened_store(tmp_path) as other, thinking(other, server) as brain:
                again = await ask_ed(brain, fingerprint="f", prompt="1", incident="another")
            assert (again.answer, again.cached, again.model) == (ANSWER, True, first.model)
            assert again.cost == Cost()
            assert len(server.asked) == 1

    async def test_other_evidence_another_prompt_or_schema_and_no_fingerprint_are_asked_anew(
        self, store: Store
    ) -> None:
        class Detailed(Route):
            """The same with one field more."""

            why: str | None = None

        async with (
            ModelServer(Script.always(Step(object={**GOOD, "why": None}))) as server,
            thinking(store, server) as brain,
        ):
            await ask_ed(brain, fingerprint="f", prompt="1")
            for changes in ({"fingerprint": "g", "prompt": "1"}, {"fingerprint": "f", "prompt": "2"}, {}, {}):
                assert not (await ask_ed(brain, **changes)).cached
            for agent, schema in (("supervisor", Detailed), ("reviewer", Route)):
                asked: type[BaseModel] = schema
                reply = await brain.ask(agent, asked, QUESTION, incident=INCIDENT, fingerprint="f", prompt="1")
                assert not reply.cached
            assert len(server.asked) == 7

    async def test_an_error_is_not_remembered(self, store: Store) -> None:
        script = Script.of(Step(misbehave=M.REFUSAL), Step(object=GOOD))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            with pytest.raises(Exception, match="declined"):
                await ask_ed(brain, fingerprint="f")
            assert not (await ask_ed(brain, fingerprint="f")).cached


class TestExploring:
    """A model reads what it wants to, within limits, and answers in the schema."""

    async def explored(self, brain: Brain, reading: Reading, **changes: Any) -> Any:
        given = {"system": "You repair.", "tools": reading.tools, "incident": INCIDENT} | changes
        return await brain.explore("auto_fixer", Route, [("user", "web crashes")], **given)

    async def test_it_reads_and_then_answers(self, store: Store) -> None:
        reading = Reading()
        script = Script.of(
            Step(calls=(Call("events", {"name": "web"}), Call("logs", {"name": "web-1"}))), Step(object=GOOD)
        )
        async with ModelServer(script) as server, thinking(store, server) as brain:
            reply = await self.explored(brain, reading, fingerprint="f")
            assert (reply.answer, reply.cost.calls) == (ANSWER, 2)
            assert sorted(reading.calls) == ["events web", "logs web-1"]
            assert "You repair." in server.asked[0].text
            assert server.asked[1].results == 2
            assert "[the rest is cut off]" in server.asked[1].text
            assert server.asked[1].bytes < 8_000
            assert (await self.explored(brain, reading, fingerprint="f")).cached
            assert await brain.spent(INCIDENT) == reply.cost

    async def test_an_answer_that_does_not_fit_may_be_repaired_once(self, store: Store) -> None:
        script = Script.of(Step(object={"next": "nowhere"}), Step(object=GOOD))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            assert (await self.explored(brain, Reading())).answer == ANSWER
            assert "does not fit" in server.asked[1].text

    async def test_at_the_limit_it_is_asked_for_an_answer_from_what_it_has_read(self, store: Store) -> None:
        reading = Reading()
        script = Script.of(Step(object=GOOD, when=When(contains="Answer now")), Step(misbehave=M.TOOL_LOOP, times=0))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            reply = await self.explored(brain, reading, limits=Limits(model_calls=4))
            assert (reply.answer, len(server.asked)) == (ANSWER, 3)
            closing = server.asked[-1].texts[-1]
            assert "Back-off restarting failed container" in closing
            assert not server.asked[-1].tools

    async def test_what_was_read_cannot_close_the_marks_around_it(self, store: Store) -> None:
        script = Script.of(Step(calls=(Call("logs", {"name": "x"}),)), Step(text="hm"), Step(object=GOOD))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            await self.explored(brain, Reading())
            closing = server.asked[-1].texts[-1]
            assert closing.count("</data") == 1
            assert "&lt;/data" in closing

    async def test_a_server_without_tools_is_asked_without_them_from_then_on(self, store: Store) -> None:
        script = Script.always(Step(misbehave=M.NO_TOOLS, object=GOOD))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            for _ in range(2):
                assert (await self.explored(brain, Reading())).answer == ANSWER
            assert [bool(asked.tools) for asked in server.asked] == [True, False, False]

    async def test_what_a_tool_raises_reaches_the_caller(self, store: Store) -> None:
        from langchain_core.tools import tool

        @tool
        async def broken(name: str) -> str:
            """Fails."""
            raise ConnectionError("the cluster is gone")

        script = Script.of(Step(calls=(Call("broken", {"name": "x"}),)))
        async with ModelServer(script) as server, thinking(store, server) as brain:
            with pytest.raises(ConnectionError, match="the cluster is gone"):
                await self.explored(brain, Reading(), tools=[broken])
