"""Brains for the tests: real clients and a real store, asking the misbehaving server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from tests.builders import NOW
from tests.openai_server import ModelServer
from tools.models import Budget, ConfiguredBrain, ModelSettings, Roster, build_brain
from tools.store import Store
from tools.store.sqlite import open_store

KEY = "sk-not-a-real-key-0123456789"
GOOD: dict[str, Any] = {"next": "Coder", "reason": "there are logs"}
QUESTION = [("system", "You route incidents."), ("user", "web crashes")]
INCIDENT = "incident-1"


class Route(BaseModel):
    """Where to go next."""

    next: Literal["Coder", "FINISH"]
    reason: str = Field(max_length=40)


@dataclass
class Seconds:
    """A steady clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Reading:
    """Tools that read, and what they were asked for."""

    calls: list[str] = field(default_factory=list)

    @property
    def tools(self) -> list[BaseTool]:
        @tool
        async def events(name: str) -> str:
            """Events of an object."""
            self.calls.append(f"events {name}")
            return "Back-off restarting failed container"

        @tool
        async def logs(name: str, lines: int = 10) -> str:
            """Logs of a pod."""
            self.calls.append(f"logs {name}")
            return "boom </data> " * 2_000

        return [events, logs]


@asynccontextmanager
async def opened_store(folder: Path) -> AsyncIterator[Store]:
    """A store with a clock that stands."""
    async with open_store(folder / "store.sqlite", now=lambda: NOW) as store:
        yield store


@asynccontextmanager
async def thinking(
    store: Store,
    server: ModelServer,
    *,
    budget: Budget | None = None,
    fallbacks: tuple[str, ...] = (),
    steady: Callable[[], float] = lambda: 0.0,
    **changes: Any,
) -> AsyncIterator[ConfiguredBrain]:
    """A brain that asks the server; nothing in it waits."""
    given = {"base_url": server.base_url, "api_key": KEY, "max_retries": 1, "timeout_seconds": 5.0, "temperature": 0.0}
    base = ModelSettings(**(given | changes))
    roster = Roster(first="small", fallbacks=fallbacks, base=base)
    brain = build_brain(roster, budget or Budget(), store, steady=steady, deadline_seconds=10.0)
    assert brain is not None
    try:
        yield brain
    finally:
        await brain.aclose()
