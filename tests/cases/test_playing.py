"""What outside answers say is kept, and is said again to the same question; to another one nothing is."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel

from incidents.recording import Searched, Told, Verified
from tests.builders import NOW
from tools.models import errors
from tools.models.brain import Cost, Reply
from tools.played import PlayedBrain, PlayedSandbox, PlayedSearch
from tools.player import Diverged, PlayedClock, Player
from tools.recorded import RecordedBrain, RecordedSandbox, RecordedSearch
from tools.sandbox.contract import JSON, SandboxError, SandboxResult
from tools.search.contract import Finding, SearchError
from tools.tape import Tape, recording

QUESTION = [("system", "route"), ("user", "who is next?")]


class Choice(BaseModel):
    """A form."""

    next: str


class Outside:
    """A search, a sandbox and a model that answer, or fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def knows(self, agent: str) -> bool:
        return True

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        self._fail()
        return [Finding(title="a", excerpt="b", source="runbook:c", score=1.0)]

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        self._fail()
        return SandboxResult(ok=True, value=[1, "two"], output="three")

    async def ask(self, agent: str, schema: type[Any], messages: Sequence[Any], **rest: Any) -> Reply[Any]:
        self._fail()
        return Reply(answer=schema(next="Coder"), model="m", cost=Cost(calls=1, input_tokens=7))

    async def explore(self, agent: str, schema: type[Any], messages: Sequence[Any], **rest: Any) -> Reply[Any]:
        await RecordedSearch(Outside()).find("by a tool", limit=1)  # what it looks up is not kept
        return await self.ask(agent, schema, messages)


async def taped(outside: Any) -> tuple[Told, ...]:
    """What is kept of one question to each, whatever comes of it."""
    tape = Tape(lambda: NOW)
    with recording(tape):
        for asked in (
            RecordedSearch(outside).find("why", limit=3),
            RecordedSandbox(outside).run("1 + 1", {"logs": {}}),
            RecordedBrain(outside).ask("supervisor", Choice, QUESTION, incident="i"),
        ):
            with suppress(SearchError, SandboxError, errors.ModelError):
                await asked
    return tape.told()


async def test_the_same_questions_get_the_same_answers() -> None:
    player = Player(await taped(Outside()), NOW)
    assert [item.source for item in await PlayedSearch(player).find("why", limit=3)] == ["runbook:c"]
    result = await PlayedSandbox(player).run("1 + 1", {"logs": {}})
    assert (result.ok, result.value, result.output) == (True, [1, "two"], "three")
    brain = PlayedBrain(player, ["supervisor"])
    reply = await brain.ask("supervisor", Choice, QUESTION, incident="i")
    assert (reply.answer.next, reply.cost.input_tokens) == ("Coder", 7)
    assert (await brain.spent("i")).calls == 1
    assert (brain.knows("supervisor"), brain.knows("coder"), player.left) == (True, False, ())


async def test_another_question_gets_no_answer() -> None:
    told = await taped(Outside())
    with pytest.raises(Diverged, match="it searches for 'who'"):
        await PlayedSearch(Player(told, NOW)).find("who", limit=3)
    with pytest.raises(Diverged, match="another program"):
        await PlayedSandbox(Player(told[1:], NOW)).run("1 + 2", {"logs": {}})
    with pytest.raises(Diverged, match="something else"):
        await PlayedBrain(Player(told[2:], NOW), []).ask("supervisor", Choice, QUESTION[1:], incident="i")


@pytest.mark.parametrize(
    "failure",
    [
        errors.ModelRefusal("it declined"),
        errors.ModelAnswerError("it does not fit"),
        errors.ModelUnavailable("it is gone"),
        errors.ModelConfigurationError("it refuses"),
        errors.BudgetSpent("calls", 6, 6),
    ],
)
async def test_a_model_that_failed_fails_again_in_the_same_way(failure: errors.ModelError) -> None:
    (said,) = [entry for entry in await taped(_OnlyModel(failure)) if entry.at and not isinstance(entry, Searched)][1:]
    with pytest.raises(type(failure)) as raised:
        await PlayedBrain(Player([said], NOW), []).ask("supervisor", Choice, QUESTION, incident="i")
    assert str(raised.value) == str(failure)


class _OnlyModel(Outside):
    """Its model fails, and nothing else does."""

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        return []

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        return SandboxResult(ok=True)


async def test_a_search_and_a_sandbox_that_failed_fail_again() -> None:
    found = await taped(Outside(SearchError("no way out")))
    with pytest.raises(SearchError, match="no way out"):
        await PlayedSearch(Player(found, NOW)).find("why", limit=3)


async def test_what_a_model_looks_up_before_it_answers_is_not_kept() -> None:
    tape = Tape(lambda: NOW)
    with recording(tape):
        await RecordedBrain(
            Outside()
        ).explore(  # type: ignore[arg-type]  # it answers everything that is asked here
            "auto_fixer", Choice, QUESTION[1:], system="fix", tools=[], incident="i"
        )
    (told,) = tape.told()
    reply = await PlayedBrain(Player([told], NOW), []).explore(
        "auto_fixer", Choice, QUESTION[1:], system="fix", tools=[], incident="i"
    )
    assert reply.answer.next == "Coder"


def test_a_player_goes_in_order_and_says_where_it_does_not() -> None:
    player = Player([Searched(at=NOW, query="why", limit=3)], NOW)
    with pytest.raises(Diverged, match="it wants what is 'verified', and the recording goes on with 'searched'"):
        player.next(Verified)
    assert player.next(Searched).query == "why"
    with pytest.raises(Diverged, match="the recording has ended"):
        player.next(Searched)


async def test_nobody_waits_in_a_replay() -> None:
    clock = PlayedClock(Player([], NOW), 1.0)
    await clock.sleep(1_000_000)
    assert clock.now() == NOW
