"""Who works next: by rule where the rules decide, by a model only where no playbook was certain.

A model may choose between looking things up, digesting logs and asking a person. It cannot choose to change
anything: AutoFixer is routed to by rule, when there is a typed proposal. It cannot end an incident that no
person has been told about either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import structlog
from pydantic import BaseModel, Field

from agents.prompts import ROUTING
from agents.standing import Agent, Standing
from incidents.changes import ChangeState
from incidents.incident import CLOSING

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from tools.models import Method

MODEL_CALLS = 6  # an incident; a rule answers when they are used up

log = structlog.get_logger(__name__)


class Route(BaseModel):
    """A model's answer: who works next."""

    next: Literal["Researcher", "Coder", "HelpSeeker"]
    reason: str = Field(max_length=400)


class Supervisor:
    """Decides who works next."""

    def __init__(self, model: BaseChatModel | None = None, *, method: Method = "json_schema") -> None:
        self._model = model
        self._method = method

    async def next(self, standing: Standing, usage: Mapping[str, int]) -> tuple[Agent, str, dict[str, int]]:
        """The next agent, the reason, and what has been used up so far."""
        choice, reason = route_by_rule(standing)
        open_question = choice in (Agent.RESEARCHER, Agent.CODER, Agent.HELP_SEEKER) and standing.outcome is None
        open_question = open_question and not standing.request
        calls = usage.get("model_calls", 0)
        if self._model is None or not open_question or calls >= MODEL_CALLS:
            return choice, reason, dict(usage)
        return await self._ask(standing, choice, reason, {**usage, "model_calls": calls + 1})

    async def _ask(
        self, standing: Standing, choice: Agent, reason: str, usage: dict[str, int]
    ) -> tuple[Agent, str, dict[str, int]]:
        from tools.models import ModelError, Usage, ask

        assert self._model is not None  # noqa: S101 - the caller has looked; this tells the type checker

        def count(used: Usage) -> None:
            usage["tokens"] = usage.get("tokens", 0) + used.input_tokens + used.output_tokens

        try:
            route = await ask(self._model, Route, _messages(standing), method=self._method, on_usage=count)
        except ModelError as error:
            log.warning("supervisor.by_rule", incident=standing.incident.id, because=str(error))
            return choice, f"{reason} (by rule: the model gave no usable answer)", usage
        picked = Agent(route.next)
        if standing.spoke(picked):
            return choice, f"{reason} (the model asked for {picked} again)", usage
        return picked, route.reason, usage


def route_by_rule(standing: Standing) -> tuple[Agent, str]:
    """What design and safety decide without anybody's opinion."""
    current = standing.current
    if standing.parked_until is not None:
        return Agent.FINISH, f"deferred until {standing.parked_until:%Y-%m-%d %H:%M:%S} UTC"
    if standing.request and standing.outcome is None:
        if standing.spoke(Agent.HELP_SEEKER):
            return Agent.FINISH, "a person has been asked"
        return Agent.HELP_SEEKER, "a person has to decide"
    if standing.outcome is not None:
        if standing.outcome in CLOSING or standing.spoke(Agent.HELP_SEEKER):
            return Agent.FINISH, f"the outcome is {standing.outcome}"
        return Agent.HELP_SEEKER, f"a person has to know: {standing.outcome}"
    if current is not None and current.proposal is not None and not current.tried:
        return Agent.AUTO_FIXER, "a playbook is certain"
    if any(_stands(entry.change_state) for entry in standing.rounds):
        return Agent.AUTO_FIXER, "changes stand that have not ended the trouble"
    if not standing.spoke(Agent.RESEARCHER):
        return Agent.RESEARCHER, "no playbook is certain"
    if standing.has_logs and not standing.spoke(Agent.CODER):
        return Agent.CODER, "there are logs to digest"
    return Agent.HELP_SEEKER, "nobody here is certain"


def _stands(state: ChangeState | None) -> bool:
    return state in (ChangeState.SENT, ChangeState.APPLIED)


def _messages(standing: Standing) -> list[tuple[str, str]]:
    signal = standing.incident.last_signal
    said = "\n".join(f"{saying.by}: {saying.text[:600]}" for saying in standing.sayings) or "nobody yet"
    trouble = f"{standing.incident.subject.kind}: {signal.symptom} ({signal.reason}): {signal.message[:400]}"
    return [
        ("system", ROUTING),
        ("user", f"Trouble:\n{_data(trouble)}\nSaid so far:\n{_data(said)}"),
    ]


def _data(text: str) -> str:
    """Text of strangers between the marks, which it cannot close itself."""
    return f"<data>\n{re.sub('<(?=/?data)', '&lt;', text, flags=re.IGNORECASE)}\n</data>"
