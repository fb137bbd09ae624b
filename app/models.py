"""The models that the settings name: for which agent, within which budget, and whether LangSmith sees them."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AsyncExitStack

import structlog

from agents.prompts import PromptError, Prompts, load_prompts
from app.settings import PREFIX, Settings, SettingsError
from tools.models import (
    AGENTS,
    Budget,
    ConfiguredBrain,
    Memory,
    ModelSettings,
    ModelSettingsError,
    Price,
    Roster,
    build_brain,
)

_TRACING = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2")

log = structlog.get_logger(__name__)


def roster_of(settings: Settings) -> Roster:
    """Which models there are for which agent. Raises SettingsError."""
    key, other = settings.openai_api_key, settings.model_api_key
    try:
        base = ModelSettings(
            api_key=key.get_secret_value() if key is not None else None,
            base_url=settings.openai_base_url,
            method=settings.model_method,
            timeout_seconds=settings.model_timeout_seconds,
            max_retries=settings.model_retries,
            temperature=settings.model_temperature,
            max_tokens=settings.model_answer_tokens,
            streaming=settings.model_streaming,
        )
    except ModelSettingsError as error:
        raise SettingsError(f"OPENAI_BASE_URL: {error}") from error
    try:
        return Roster(
            first=settings.model,
            by_agent=settings.models,
            fallbacks=settings.model_fallbacks,
            base=base,
            other_key=other.get_secret_value() if other is not None else None,
        )
    except ModelSettingsError as error:
        raise SettingsError(f"{PREFIX}MODEL, {PREFIX}MODELS or {PREFIX}MODEL_FALLBACKS: {error}") from error


def budget_of(settings: Settings) -> Budget:
    """What models may cost."""
    return Budget(
        calls_per_incident=settings.model_calls_per_incident,
        tokens_per_incident=settings.model_tokens_per_incident,
        tokens_per_day=settings.model_tokens_per_day,
        money_per_day=settings.model_money_per_day,
        prices={name: Price(*price) for name, price in settings.model_prices.items()},
    )


def unpriced(roster: Roster, budget: Budget) -> list[str]:
    """Models that may be asked and have no price: what they cost in money is not counted."""
    chains = [model for agent in AGENTS for model in roster.chain(agent)]
    return list(dict.fromkeys(model.name for model in chains if budget.price_of(model) is None))


async def open_brain(stack: AsyncExitStack, settings: Settings, store: Memory) -> ConfiguredBrain | None:
    """The models, until the stack closes; None where none is configured. Raises SettingsError."""
    roster, budget = roster_of(settings), budget_of(settings)
    try:
        brain = build_brain(
            roster, budget, store, steady=time.monotonic, deadline_seconds=settings.model_deadline_seconds
        )
    except ModelSettingsError as error:
        raise SettingsError(f"{PREFIX}MODEL, {PREFIX}MODELS or {PREFIX}MODEL_FALLBACKS: {error}") from error
    if brain is None:
        return None
    stack.push_async_callback(brain.aclose)
    if budget.money_per_day is not None and (without := unpriced(roster, budget)):
        log.warning("model.no_money_cap", models=without, hint=f"give their prices in {PREFIX}MODEL_PRICES")
    return brain


def prompts_of(settings: Settings) -> Prompts:
    """What the models are told. Raises SettingsError."""
    try:
        return load_prompts(settings.prompts)
    except PromptError as error:
        raise SettingsError(f"{PREFIX}PROMPTS: {error}") from error


def decide_tracing(*, wanted: bool) -> None:
    """Switch LangSmith on or off for this process, whatever its variables say: they may be meant for other programs.

    Traces hold the evidence that models see. LangSmith reads its variables once; where it is loaded it is told so too.
    """
    for name in _TRACING:
        os.environ[name] = "true" if wanted else "false"
    if not wanted:
        os.environ.pop("LANGSMITH_GATEWAY", None)  # would send the questions themselves elsewhere
    if "langsmith" in sys.modules:
        import langsmith

        langsmith.configure(enabled=wanted)
