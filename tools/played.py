"""Search, sandbox and models that answer from a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from incidents.codec import digest, from_json
from incidents.recording import Answered, Computed, Searched
from tools.models import errors
from tools.models.brain import Answer, Cost, Limits, Reply
from tools.player import Diverged, Player
from tools.recorded import prompt_digest
from tools.sandbox.contract import JSON, SandboxError, SandboxResult
from tools.search.contract import Finding, SearchError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool


class PlayedSearch:
    """Finds what was found."""

    def __init__(self, player: Player) -> None:
        self._player = player

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """The next answer, to the same query. Raises Diverged and SearchError."""
        entry = self._player.next(Searched)
        if (entry.query, entry.limit) != (query, limit):
            raise Diverged(f"it searches for {query!r}, and searched for {entry.query!r} then")
        if entry.error:
            raise SearchError(entry.error)
        return [from_json(item, Finding) for item in entry.findings]


class PlayedSandbox:
    """Answers what programs answered; none is run."""

    def __init__(self, player: Player) -> None:
        self._player = player

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        """The next answer, to the same program. Raises Diverged and SandboxError."""
        entry = self._player.next(Computed)
        if entry.program != digest(code, inputs):
            raise Diverged("it runs another program, or the same one on other input, than it did then")
        if entry.result is None:
            raise SandboxError(entry.error)
        ended = entry.result
        return SandboxResult(ok=ended.ok, value=ended.value, output=ended.output, error=ended.error)


class PlayedBrain:
    """Answers what models answered. ``models``: the agents that had one."""

    def __init__(self, player: Player, models: Sequence[str]) -> None:
        self._player = player
        self._models = frozenset(models)
        self._spent = Cost()

    def knows(self, agent: str) -> bool:
        """Whether a model was configured for this agent."""
        return agent in self._models

    async def spent(self, incident: str) -> Cost:
        """What has been played so far."""
        return self._spent

    async def ask(
        self,
        agent: str,
        schema: type[Answer],
        messages: Sequence[BaseMessage | tuple[str, str]],
        *,
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
    ) -> Reply[Answer]:
        """The next answer, to the same question. Raises Diverged and ModelError."""
        return self._answer(agent, schema, prompt_digest(agent, schema, messages))

    async def explore(
        self,
        agent: str,
        schema: type[Answer],
        messages: Sequence[BaseMessage | tuple[str, str]],
        *,
        system: str,
        tools: Sequence[BaseTool],
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Reply[Answer]:
        """The next answer, to the same question with the same tools. Raises Diverged and ModelError."""
        asked = prompt_digest(agent, schema, messages, system=system, tools=tools)
        return self._answer(agent, schema, asked)

    def _answer(self, agent: str, schema: type[Answer], asked: str) -> Reply[Answer]:
        entry = self._player.next(Answered)
        if (entry.agent, entry.prompt) != (agent, asked):
            raise Diverged(f"{agent} asks its model something else than {entry.agent} did then")
        if entry.error is not None:
            raise _failure(*entry.error)
        cost = Cost(**entry.cost)
        self._spent += cost
        return Reply(answer=schema.model_validate(entry.answer), model=entry.model, cost=cost, cached=entry.cached)


def _failure(name: str, text: str) -> errors.ModelError:
    kinds: dict[str, type[errors.ModelError]] = {kind.__name__: kind for kind in errors.ModelError.__subclasses__()}
    kind = kinds.get(name, errors.ModelError)
    error = errors.BudgetSpent("", 0, 0) if kind is errors.BudgetSpent else kind(text)
    error.args = (text,)  # a budget's text is made of its numbers, which nobody asks for here
    return error
