"""Scenarios against a program at work: set up, broken side by side, waited for, and what the cluster showed.

One runner for every cluster, so that the outcomes of two of them can be compared. It sees the program as a person
does, by its incidents; what became of the cluster it reads itself. It waits for states and never for times: how
long a run may take is the caller's to say, and generous.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from incidents.incident import Incident, Outcome, Status
from simulator.api_client import ApiClient
from simulator.scenario import (
    Scenario,
    Sign,
    apply_break,
    apply_setup,
    check,
    missing_signs,
    settled,
)
from tests.prove.standing import Dump, fits, standings

NOT_ENDED = "not_ended"
_LEFT_ALONE = "left_alone"
_SETUP_SECONDS, _FITTING_SECONDS = 180.0, 180.0
_LOOK_SECONDS = 0.25

Incidents = Callable[[], Awaitable[Sequence[Incident]]]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one scenario ended: ``seconds`` after it was broken. ``problems`` are what its check found then,
    ``missing`` the events it should have shown and had not."""

    outcome: str
    seconds: float
    problems: tuple[str, ...]
    missing: tuple[Sign, ...]
    incidents: tuple[Incident, ...]


Progress = Callable[[Scenario, Ended | None], None]
"""Told of each scenario when it has been broken (None), and how it has ended."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run of several scenarios: ends by scenario name, the cluster once broken and at the end (``read_at``)."""

    ended: Mapping[str, Ended]
    before: Dump
    after: Dump
    read_at: datetime
    seconds: float

    def warnings(self, scenario: Scenario) -> set[str]:
        """The reasons of all Warning events in the scenario's namespace."""
        prefix = f"v1/Event/{scenario.namespace}/"
        return {
            event["reason"]
            for key, event in self.after.items()
            if key.startswith(prefix) and event.get("type") == "Warning"
        }


async def play(
    scenarios: Sequence[Scenario],
    *,
    admin: ApiClient,
    program: AbstractAsyncContextManager[Incidents],
    dump: Callable[[], Dump],
    seconds: float,
    speed: float,
    progress: Progress | None = None,
) -> Played:
    """Play the scenarios side by side, each in its namespace; ``seconds`` is how long their ends are waited for.

    What gets broken later is set up first, so that ``program``, entered then, has seen it well. ``speed`` is the
    cluster's.
    """
    tell = progress or _nobody
    for scenario in scenarios:
        if scenario.breaks:
            await apply_setup(admin, scenario)
    await _until_settled(admin, [scenario for scenario in scenarios if scenario.breaks])
    async with program as incidents:
        started = time.monotonic()
        broken: dict[str, float] = {}
        before: dict[str, Mapping[str, Any]] = {}
        for scenario in scenarios:
            if not scenario.breaks:
                await apply_setup(admin, scenario)
            await apply_break(admin, scenario)
            broken[scenario.name] = time.monotonic()
            before |= _within(dump(), scenario.namespace)  # at once: the first repair may be a moment away
            tell(scenario, None)
        before = {**dump(), **before}
        deadline = started + seconds
        ended = await _ends(scenarios, broken, admin=admin, incidents=incidents, deadline=deadline, tell=tell)
        after, read_at = await _fitting(scenarios, dump=dump, speed=speed)
    return Played(ended=ended, before=before, after=after, read_at=read_at, seconds=time.monotonic() - started)


async def _fitting(scenarios: Sequence[Scenario], *, dump: Callable[[], Dump], speed: float) -> tuple[Dump, datetime]:
    """The cluster at a moment when all workloads stand as expected, or as it is when time is up."""
    deadline = time.monotonic() + _FITTING_SECONDS
    while True:
        after, now = dump(), datetime.now(UTC)
        found = (fits(item.expected["outcome"], standings(after, item, now=now, speed=speed)) for item in scenarios)
        if all(found) or time.monotonic() > deadline:
            return after, now
        await asyncio.sleep(_LOOK_SECONDS)


def _nobody(scenario: Scenario, ended: Ended | None) -> None:
    """For who wants no progress."""


def _within(dump: Dump, namespace: str) -> dict[str, Mapping[str, Any]]:
    return {key: item for key, item in dump.items() if item["metadata"].get("namespace") == namespace}


async def eventually(ready: Callable[[], Awaitable[object]], *, seconds: float) -> None:
    """Returns once ``ready`` answers something true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if await ready():
                return
            await asyncio.sleep(_LOOK_SECONDS)


async def _until_settled(admin: ApiClient, scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        await eventually(partial(settled, admin, scenario), seconds=_SETUP_SECONDS)


async def _ends(
    scenarios: Sequence[Scenario],
    broken: Mapping[str, float],
    *,
    admin: ApiClient,
    incidents: Incidents,
    deadline: float,
    tell: Progress,
) -> dict[str, Ended]:
    ended: dict[str, Ended] = {}
    while len(ended) < len(scenarios):
        late = time.monotonic() > deadline
        found = await incidents()
        for scenario in scenarios:
            if scenario.name in ended:
                continue
            own = tuple(item for item in found if item.subject.namespace == scenario.namespace)
            seconds = time.monotonic() - broken[scenario.name]
            end = await _end(admin, scenario, own, seconds=seconds, late=late)
            if end is not None:
                ended[scenario.name] = end
                tell(scenario, end)
        await asyncio.sleep(_LOOK_SECONDS)
    return ended


async def _end(
    admin: ApiClient, scenario: Scenario, incidents: tuple[Incident, ...], *, seconds: float, late: bool
) -> Ended | None:
    """How the scenario has ended, or None while it has not.

    Its events are part of it, and so is that what was to be left alone has healed.
    """
    outcome = _outcome(incidents)
    if not outcome and not late:
        return None
    problems, missing = await check(admin, scenario), await missing_signs(admin, scenario)
    if not late and (missing or (scenario.expected["outcome"] == _LEFT_ALONE and problems)):
        return None
    return Ended(
        outcome=outcome or NOT_ENDED,
        seconds=seconds,
        problems=tuple(problems),
        missing=tuple(missing),
        incidents=incidents,
    )


def _outcome(incidents: Sequence[Incident]) -> str:
    """How a scenario stands by its incidents; empty while it has not ended.

    Left alone is what the program has looked at and closed: without any incident it has not begun yet.
    """
    if any(item.status is Status.OPEN for item in incidents):
        return ""
    outcomes = [item.outcome for item in incidents if item.outcome is not None]
    told = [outcome for outcome in outcomes if outcome is not Outcome.SUPPRESSED]
    if told:
        return str(told[0])
    return _LEFT_ALONE if outcomes else ""
