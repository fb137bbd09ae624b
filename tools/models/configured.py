"""The brain that the settings describe: chains of models for each agent, one budget, one memory of answers.

A question is answered from memory if it was asked before about the same evidence; else by the first model of the
agent's chain that does not rest, and where it fails by the next. A spent budget ends that at once: asking somebody
else would not make it cheaper.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from tools.models.answers import form_of
from tools.models.brain import AGENTS, Cost, Limits, Reply
from tools.models.budget import Budget, Ledger, Purse, Tab
from tools.models.chat import ModelSettings, build_chat_model, close_chat_model
from tools.models.errors import BudgetSpent, ModelConfigurationError, ModelError, ModelUnavailable
from tools.models.respondent import Respondent
from tools.models.roster import Roster

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel

    from tools.models.exploring import Exploration

Answer = TypeVar("Answer", bound="BaseModel")

log = structlog.get_logger(__name__)


class Memory(Ledger, Protocol):
    """What the brain needs of the store."""

    async def recall_answer(self, key: str) -> str | None:
        """See the store's port."""

    async def keep_answer(self, key: str, body: str) -> None:
        """See the store's port."""


class ConfiguredBrain:
    """Implements `tools.models.brain.Brain`. Made by `build_brain`; `aclose` ends its connections."""

    def __init__(self, chains: Mapping[str, Sequence[Respondent]], memory: Memory, purse: Purse) -> None:
        self._chains = chains
        self._memory = memory
        self._purse = purse

    def knows(self, agent: str) -> bool:
        """Whether a model is configured for this agent."""
        return bool(self._chains.get(agent))

    def chain(self, agent: str) -> tuple[ModelSettings, ...]:
        """The models of an agent in the order in which they are asked."""
        return tuple(respondent.settings for respondent in self._chains.get(agent, ()))

    async def ask(
        self,
        agent: str,
        schema: type[Answer],
        messages: "Sequence[BaseMessage | tuple[str, str]]",
        *,
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
    ) -> Reply[Answer]:
        """See `Brain.ask`."""
        key = self._key("ask", agent, schema, fingerprint, prompt)
        if (known := await self._remembered(key, schema)) is not None:
            return known
        tab = Tab(agent, incident)
        answer, model = await self._first_answer(agent, schema, messages, tab)
        return await self._kept(key, Reply(answer=answer, model=model, cost=tab.cost))

    async def explore(
        self,
        agent: str,
        schema: type[Answer],
        messages: "Sequence[BaseMessage | tuple[str, str]]",
        *,
        system: str,
        tools: "Sequence[BaseTool]",
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Reply[Answer]:
        """See `Brain.explore`."""
        from tools.models.exploring import Exploration

        key = self._key("explore", agent, schema, fingerprint, prompt)
        if (known := await self._remembered(key, schema)) is not None:
            return known
        tab = Tab(agent, incident)
        asked = Exploration(system=system, messages=messages, tools=tools, limits=limits, tab=tab)
        answer, model = await self._explored(agent, schema, asked)
        return await self._kept(key, Reply(answer=answer, model=model, cost=tab.cost))

    async def spent(self, incident: str) -> Cost:
        """See `Brain.spent`."""
        return await self._purse.spent(incident)

    async def aclose(self) -> None:
        """Close the models' connections."""
        for respondent in _each_once(self._chains.values()):
            await close_chat_model(respondent.model)

    async def _explored(self, agent: str, schema: type[Answer], asked: "Exploration") -> tuple[Answer, str]:
        from tools.models.exploring import closing_question, explore

        said: list[BaseMessage] = []
        while asked.tools and (able := [each for each in self._awake(agent) if each.knows_tools]):
            try:
                found, said = await explore(able, schema, asked, purse=self._purse)
            except ModelConfigurationError as error:
                if error.about_the_form and (able[0].leaves_temperature(error) or not able[0].knows_tools):
                    continue
                raise
            if found is not None:
                return found
            break
        return await self._first_answer(agent, schema, closing_question(asked, said), asked.tab)

    async def _first_answer(
        self, agent: str, schema: type[Answer], messages: "Sequence[BaseMessage | tuple[str, str]]", tab: Tab
    ) -> tuple[Answer, str]:
        """From the first model that gives one. Raises the last one's error."""
        last: ModelError | None = None
        for respondent in self._awake(agent):
            try:
                return await respondent.ask(schema, messages, tab), respondent.settings.name
            except BudgetSpent:
                raise
            except ModelError as error:
                log.warning("model.failed", agent=agent, model=respondent.settings.name, because=str(error))
                last = error
        assert last is not None  # noqa: S101 - `_awake` answers at least one
        raise last

    def _awake(self, agent: str) -> list[Respondent]:
        chain = self._chains.get(agent, ())
        if not chain:
            raise ModelConfigurationError(f"no model is configured for {agent}: set OPENAI_API_KEY or OPENAI_BASE_URL")
        awake = [respondent for respondent in chain if not respondent.rests]
        if not awake:
            error = ModelUnavailable(f"{chain[0].settings.name} has failed repeatedly and is not asked for a minute")
            error.billed = False
            raise error
        return awake

    # --- memory

    def _key(self, way: str, agent: str, schema: "type[BaseModel]", fingerprint: str, prompt: str) -> str:
        if not fingerprint:
            return ""
        models = [[model.name, model.base_url or ""] for model in self.chain(agent)[:1]]
        parts = [way, agent, models, form_of(schema), prompt, fingerprint]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    async def _remembered(self, key: str, schema: type[Answer]) -> Reply[Answer] | None:
        from pydantic import ValidationError

        kept = await self._memory.recall_answer(key) if key else None
        if kept is None:
            return None
        try:
            entry = json.loads(kept)
            return Reply(answer=schema.model_validate(entry["answer"]), model=str(entry["model"]), cached=True)
        except (ValidationError, ValueError, KeyError, TypeError):  # of another version of the schema: asked anew
            return None

    async def _kept(self, key: str, reply: Reply[Answer]) -> Reply[Answer]:
        if key:
            entry = {"answer": reply.answer.model_dump(mode="json"), "model": reply.model}
            await self._memory.keep_answer(key, json.dumps(entry))
        return reply


def build_brain(
    roster: Roster, budget: Budget, memory: Memory, *, steady: Callable[[], float], deadline_seconds: float = 90.0
) -> ConfiguredBrain | None:
    """The brain, or None where no model can be asked by anybody. Opens no connection.

    Raises ModelSettingsError. Imports LangChain, which takes one to two seconds, only if there is a model.
    """
    purse = Purse(budget, memory)
    built: dict[ModelSettings, Respondent] = {}

    def respondent(settings: ModelSettings) -> Respondent:
        if settings not in built:
            model = build_chat_model(settings)
            assert model is not None  # noqa: S101 - a roster answers only models that are configured
            built[settings] = Respondent(settings, model, purse=purse, steady=steady, deadline_seconds=deadline_seconds)
        return built[settings]

    chains = {agent: [respondent(settings) for settings in roster.chain(agent)] for agent in AGENTS}
    return ConfiguredBrain(chains, memory, purse) if built else None


def _each_once(chains: "Iterable[Sequence[Respondent]]") -> list[Respondent]:
    return list({id(respondent): respondent for chain in chains for respondent in chain}.values())
