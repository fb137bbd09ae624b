"""Search, sandbox and models, with what they answer put on the tape of the run.

Wrappers around the three small contracts, so that no adapter and no agent knows of it. What a model looks up before it
answers is not kept: its answer is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from incidents.codec import digest
from incidents.recording import Answered, Computed, Result, Searched
from tools.models.brain import Answer, Brain, Cost, Limits, Reply
from tools.models.errors import ModelError
from tools.sandbox.contract import JSON, Sandbox, SandboxError, SandboxResult
from tools.search.contract import Finding, Search, SearchError
from tools.tape import present_tape, recording

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel


class RecordedSearch:
    """A search; what it finds is kept."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """As the search does."""
        tape = present_tape()
        try:
            found = await self._search.find(query, limit=limit)
        except SearchError as error:
            if tape is not None:
                failed = Searched(at=tape.now(), query=query, limit=limit, error=str(error))
                tape.put(self, lambda: failed)
            raise
        if tape is not None:
            told = Searched(at=tape.now(), query=query, limit=limit, findings=tuple(map(asdict, found)))
            tape.put(self, lambda: told)
        return found


class RecordedSandbox:
    """A sandbox; what programs answer is kept."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        """As the sandbox does."""
        tape = present_tape()
        try:
            result = await self._sandbox.run(code, inputs)
        except SandboxError as error:
            if tape is not None:
                failed = Computed(at=tape.now(), program=digest(code, inputs), error=str(error))
                tape.put(self, lambda: failed)
            raise
        if tape is not None:
            ended = Result(ok=result.ok, value=result.value, output=result.output, error=result.error)
            told = Computed(at=tape.now(), program=digest(code, inputs), result=ended)
            tape.put(self, lambda: told)
        return result


class RecordedBrain:
    """The models; what they answer is kept."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def knows(self, agent: str) -> bool:
        """Whether a model is configured for this agent."""
        return self._brain.knows(agent)

    async def spent(self, incident: str) -> Cost:
        """What one incident has cost so far."""
        return await self._brain.spent(incident)

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
        """As the models do."""
        asked = prompt_digest(agent, schema, messages)
        try:
            with recording(None):
                reply = await self._brain.ask(
                    agent, schema, messages, incident=incident, fingerprint=fingerprint, prompt=prompt
                )
        except ModelError as error:
            self._failed(agent, asked, error)
            raise
        return self._kept(agent, asked, reply)

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
        """As the models do."""
        asked = prompt_digest(agent, schema, messages, system=system, tools=tools)
        try:
            with recording(None):
                reply = await self._brain.explore(
                    agent,
                    schema,
                    messages,
                    system=system,
                    tools=tools,
                    incident=incident,
                    fingerprint=fingerprint,
                    prompt=prompt,
                    limits=limits,
                )
        except ModelError as error:
            self._failed(agent, asked, error)
            raise
        return self._kept(agent, asked, reply)

    def _failed(self, agent: str, asked: str, error: ModelError) -> None:
        if (tape := present_tape()) is not None:
            told = Answered(at=tape.now(), agent=agent, prompt=asked, error=(type(error).__name__, str(error)))
            tape.put(self, lambda: told)

    def _kept(self, agent: str, asked: str, reply: Reply[Answer]) -> Reply[Answer]:
        if (tape := present_tape()) is not None:
            told = Answered(
                at=tape.now(),
                agent=agent,
                prompt=asked,
                answer=reply.answer.model_dump(mode="json"),
                model=reply.model,
                cost=asdict(reply.cost),
                cached=reply.cached,
            )
            tape.put(self, lambda: told)
        return reply


def prompt_digest(
    agent: str,
    schema: type[BaseModel],
    messages: Sequence[BaseMessage | tuple[str, str]],
    *,
    system: str | None = None,
    tools: Sequence[BaseTool] = (),
) -> str:
    """What tells one question from another: everything a model is asked, and in which form it has to answer."""
    said = [*([("system", system)] if system is not None else []), *messages]
    names = sorted(tool.name for tool in tools)
    return digest(agent, schema.model_json_schema(), [_said(message) for message in said], names)


def _said(message: BaseMessage | tuple[str, str]) -> list[Any]:
    return list(message) if isinstance(message, tuple) else [message.type, message.content]
