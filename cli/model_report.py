"""``doctor`` about models: which answers for which agent, what it may cost, what is sent, and one test question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Literal

from pydantic import BaseModel

from app.models import budget_of, open_brain, roster_of, unpriced
from app.settings import PREFIX, Settings
from tools.clock import Clock
from tools.models import AGENTS, Budget, ModelError, ModelSettings, Reply, Roster
from tools.store.records import ModelCall, ModelCaps, Overrun, Spending
from tools.store.sqlite import open_store

Row = tuple[bool | None, str, str]  # fine, not fine or neither; what; how it stands

_SENT = (
    "masked evidence of incidents that no playbook is certain of: manifests, states, events, ends of logs; never a"
    " Secret"
)
_QUESTION = (
    ("system", "You are being tested by an operator. Answer in the form that is asked for."),
    ("user", "How many legs has a spider?"),
)


class Legs(BaseModel):
    """The answer to the test question."""

    legs: Literal["four", "six", "eight"]


def model_rows(settings: Settings) -> Iterator[Row]:
    """How the models are set up. Raises SettingsError."""
    roster, budget = roster_of(settings), budget_of(settings)
    if not any(roster.chain(agent) for agent in AGENTS):
        yield None, "models", "none: rules decide alone (set OPENAI_API_KEY or OPENAI_BASE_URL)"
    else:
        for agents, chain in _by_chain(roster).items():
            yield None, "model", f"{agents}: {', then '.join(_described(model) for model in chain) or 'none'}"
        yield None, "model budget", _caps(budget)
        yield None, "model money", _money(roster, budget)
        yield None, "models are sent", _SENT
    tracing = "on: traces, evidence and all, go to LangSmith" if settings.langsmith else "off"
    yield None, "LangSmith", tracing


async def spent_today(settings: Settings) -> Row | None:
    """What models have cost today, where there is a store. Raises StoreError."""
    if not settings.store.exists():
        return None
    async with open_store(settings.store, now=Clock().now) as store:
        spent = await store.spent_today()
    money = f", {spent.money:,.4f} in money" if settings.model_prices else ""
    tokens = spent.input_tokens + spent.output_tokens
    return None, "models today", f"{spent.calls:,} calls, {tokens:,} tokens{money} (UTC)"


async def ask_model(settings: Settings) -> Row:
    """Send one question to the supervisor's model. It belongs to no incident and counts in no budget."""
    async with AsyncExitStack() as stack:
        brain = await open_brain(stack, settings, _Unrecorded())
        if brain is None:
            return False, "test question", "no model is configured: set OPENAI_API_KEY or OPENAI_BASE_URL"
        begun = time.monotonic()
        try:
            reply = await brain.ask("supervisor", Legs, _QUESTION, incident="doctor")
        except ModelError as error:
            return False, "test question", str(error)
        return _answered(reply, time.monotonic() - begun)


def _answered(reply: Reply[Legs], seconds: float) -> Row:
    how = f"{reply.model} in {seconds:.1f} s, {reply.cost.calls} call(s), {reply.cost.tokens:,} tokens"
    if reply.answer.legs == "eight":
        return True, "test question", f"answered by {how}"
    return False, "test question", f"a spider has {reply.answer.legs} legs, says {how}: choose a better model"


def _by_chain(roster: Roster) -> dict[str, tuple[ModelSettings, ...]]:
    """Agents with the same models together."""
    chains: dict[tuple[ModelSettings, ...], list[str]] = {}
    for agent in AGENTS:
        chains.setdefault(roster.chain(agent), []).append(agent)
    if len(chains) == 1:
        return {"all agents": next(iter(chains))}
    return {", ".join(agents): chain for chain, agents in chains.items()}


def _described(model: ModelSettings) -> str:
    key = "with a key" if model.api_key else "without a key of ours"
    return f"{model.name} at {model.where}, {key}, asked by {model.method} first"


def _caps(budget: Budget) -> str:
    caps = budget.caps
    return (
        f"{caps.calls_per_incident:,} calls and {caps.tokens_per_incident:,} tokens an incident,"
        f" {caps.tokens_per_day:,} tokens a day; then rules decide"
    )


def _money(roster: Roster, budget: Budget) -> str:
    without = unpriced(roster, budget)
    if budget.money_per_day is None:
        return f"no cap: set {PREFIX}MODEL_MONEY_PER_DAY and {PREFIX}MODEL_PRICES for one"
    if without:
        return f"no cap on {', '.join(without)}: {PREFIX}MODEL_PRICES has no price of it"
    return f"{budget.money_per_day:,.4g} a day at your prices; then rules decide"


class _Unrecorded:
    """A memory for one question of nobody's incident: it allows everything and keeps nothing."""

    async def reserve_call(self, call: ModelCall, caps: ModelCaps) -> Overrun | None:
        return None

    async def settle_call(self, call: ModelCall) -> None:
        return None

    async def spent_on(self, incident: str) -> Spending:
        return Spending()

    async def recall_answer(self, key: str) -> str | None:
        return None

    async def keep_answer(self, key: str, body: str) -> None:
        return None
