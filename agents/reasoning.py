"""Asking a model on an agent's behalf: the answer and its cost into the incident's record, or nothing and the rules.

A model that is slow, wrong, silly, gone or too dear never stops an incident. What it fails at is said once in the
incident's timeline, and from then on the rules work alone: for that agent where the answer was of no use, for the
whole incident where the model cannot be had.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import structlog

from agents.prompts import Prompt, Prompts
from evidence.redaction import mask_text
from incidents.codec import digest
from incidents.incident import Incident
from tools.models import ModelAnswerError, ModelError, ModelRefusal
from tools.models.brain import AGENTS, Brain, Limits, Reply
from tools.store import Store

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel

SILENT = timedelta(seconds=600)  # for how long an incident that was let down does not ask again
REMEMBERED = 1000  # incidents
ANSWER_CHARACTERS = 12_000  # of the record; the forms allow less

Answer = TypeVar("Answer", bound="BaseModel")

log = structlog.get_logger(__name__)


class Reasoning:
    """The models as the agents use them. Without a brain it answers nothing, and says that it has none."""

    def __init__(self, brain: Brain | None, prompts: Prompts, store: Store, *, now: Callable[[], datetime]) -> None:
        self._brain = brain
        self._prompts = prompts
        self._store = store
        self._now = now
        self._silent: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def knows(self, agent: str, incident: Incident) -> bool:
        """Whether this agent's model can be asked about this incident now."""
        if self._brain is None or not self._brain.knows(agent):
            return False
        now = self._now()
        until = (self._silent.get((incident.id, one)) for one in (agent, ""))
        return not any(moment is not None and now < moment for moment in until)

    def known(self, incident: Incident) -> tuple[str, ...]:
        """The agents whose models can be asked about this incident now."""
        return tuple(agent for agent in AGENTS if self.knows(agent, incident))

    def prompt(self, agent: str) -> Prompt:
        """The agent's prompt."""
        return self._prompts.of(agent)

    async def ask(
        self, agent: str, schema: type[Answer], question: str, *, incident: Incident, fingerprint: str = ""
    ) -> Answer | None:
        """One question, one answer; None where there is none. ``question`` fits the prompt's room."""
        return await self._asked(agent, schema, question, incident, fingerprint, None, None)

    async def explore(
        self,
        agent: str,
        schema: type[Answer],
        question: str,
        *,
        tools: Sequence[BaseTool],
        limits: Limits,
        incident: Incident,
        fingerprint: str = "",
    ) -> Answer | None:
        """The same, where the model may look things up first."""
        return await self._asked(agent, schema, question, incident, fingerprint, tools, limits)

    async def spent(self, incident: Incident) -> dict[str, int]:
        """What the incident has cost so far, for the graph's state."""
        if self._brain is None:
            return {}
        cost = await self._brain.spent(incident.id)
        return {"model_calls": cost.calls, "tokens": cost.tokens} if cost.calls else {}

    async def _asked(
        self,
        agent: str,
        schema: type[Answer],
        question: str,
        incident: Incident,
        fingerprint: str,
        tools: Sequence[BaseTool] | None,
        limits: Limits | None,
    ) -> Answer | None:
        if self._brain is None or not self.knows(agent, incident):
            return None
        prompt = self._prompts.of(agent)
        rest = {"incident": incident.id, "fingerprint": fingerprint, "prompt": prompt.version}
        try:
            if tools is None:
                messages = [("system", prompt.text), ("user", question)]
                reply = await self._brain.ask(agent, schema, messages, **rest)
            else:
                reply = await self._brain.explore(
                    agent,
                    schema,
                    [("user", question)],
                    system=prompt.text,
                    tools=tools,
                    limits=limits or Limits(),
                    **rest,
                )
        except ModelError as error:
            await self._let_down(agent, incident, error)
            return None
        await self._record(prompt, question, incident, reply)
        return reply.answer

    async def _record(self, prompt: Prompt, question: str, incident: Incident, reply: Reply[Answer]) -> None:
        answer = mask_text(reply.answer.model_dump_json())[:ANSWER_CHARACTERS]
        await self._store.note(
            incident.id,
            "model",
            says=f"{prompt.agent} was answered by {reply.model}{' from memory' if reply.cached else ''}",
            agent=prompt.agent,
            model=reply.model,
            prompt=prompt.version,
            question=digest(question),
            answer=answer,
            cached=reply.cached,
            calls=reply.cost.calls,
            input_tokens=reply.cost.input_tokens,
            output_tokens=reply.cost.output_tokens,
        )
        log.info(
            "model.answered",
            incident=incident.id,
            agent=prompt.agent,
            model=reply.model,
            cached=reply.cached,
            tokens=reply.cost.tokens,
        )

    async def _let_down(self, agent: str, incident: Incident, error: ModelError) -> None:
        now = self._now()
        said = any(key[0] == incident.id and now < until for key, until in self._silent.items())
        only_this = isinstance(error, ModelAnswerError | ModelRefusal)
        self._silent[incident.id, agent if only_this else ""] = now + SILENT
        self._silent.move_to_end((incident.id, agent if only_this else ""))
        while len(self._silent) > REMEMBERED:
            self._silent.popitem(last=False)
        log.warning("model.by_rule", incident=incident.id, agent=agent, because=str(error))
        if not said:
            text = f"The rules go on without the model ({agent}): {error}"
            await self._store.note(incident.id, "model-by-rule", says=text, agent=agent)
