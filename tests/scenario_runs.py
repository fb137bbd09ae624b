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
ASKED = "asked"
LEFT_ALONE = "left_alone"
HANDED_OVER = ("escalated", "rolled_back", ASKED)
_SETUP_SECONDS, _FITTING_SECONDS = 180.0, 180.0
_LOOK_SECONDS = 0.25
_QUIET_SECONDS = 240.0  # of the cluster's time: several sweeps, and the patience between two looks

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
    """One run of several scenarios: ends by scenario name, the cluster once broken and at the end (``read_at``).

    ``stood`` is each scenario's part of the cluster at a moment when its workloads stood as its outcome has it: what
    crashes again and again is well in between, and many never fail at one moment. Where there was none, the end.
    """

    ended: Mapping[str, Ended]
    before: Dump
    after: Dump
    read_at: datetime
    seconds: float
    stood: Mapping[str, tuple[Dump, datetime]]

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
    fitting_seconds: float = _FITTING_SECONDS,
    dump_of: Callable[[str], Dump] | None = None,
) -> Played:
    """Play the scenarios side by side, each in its namespace; ``seconds`` is how long their ends are waited for.

    ``fitting_seconds`` is for how long after that the workloads may take to stand as their outcome has it. ``dump_of``
    dumps one namespace, where that is quicker than all.
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
            # at once: the first repair may be a moment away
            before |= _within(dump_of(scenario.namespace) if dump_of else dump(), scenario.namespace)
            tell(scenario, None)
        before = {**dump(), **before}
        deadline = time.monotonic() + seconds  # breaking many takes a while by itself
        quiet = _QUIET_SECONDS / speed
        ended = await _ends(
            scenarios, broken, admin=admin, incidents=incidents, deadline=deadline, quiet=quiet, tell=tell
        )
        as_expected = [item for item in scenarios if ended[item.name].outcome == item.expected["outcome"]]
        stood = await _fitting(as_expected, dump=dump, speed=speed, seconds=fitting_seconds)
        after, read_at = dump(), datetime.now(UTC)
    stood |= {item.name: (after, read_at) for item in scenarios if item.name not in stood}
    seconds = time.monotonic() - started
    return Played(ended=ended, before=before, after=after, read_at=read_at, seconds=seconds, stood=stood)


async def _fitting(
    scenarios: Sequence[Scenario], *, dump: Callable[[], Dump], speed: float, seconds: float
) -> dict[str, tuple[Dump, datetime]]:
    """Each scenario's part of the cluster at a moment when its workloads stand as expected, of as many as come to."""
    deadline, stood = time.monotonic() + seconds, dict[str, tuple[Dump, datetime]]()
    while True:
        whole, now = dump(), datetime.now(UTC)
        for item in scenarios:
            if item.name not in stood and _fits(item, whole, now=now, speed=speed):
                stood[item.name] = (_within(whole, item.namespace), now)
        if len(stood) == len(scenarios) or time.monotonic() > deadline:
            return stood
        await asyncio.sleep(_LOOK_SECONDS)


def _fits(scenario: Scenario, dump: Dump, *, now: datetime, speed: float) -> bool:
    found, well = standings(dump, scenario, now=now, speed=speed), bool(scenario.expected.get("workloads_well"))
    return fits(scenario.expected["outcome"], found, well_all_the_same=well)


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
    quiet: float,
    tell: Progress,
) -> dict[str, Ended]:
    ended: dict[str, Ended] = {}
    while len(ended) < len(scenarios):
        late = time.monotonic() > deadline
        found = await incidents()
        for scenario in scenarios:
            if scenario.name in ended:
                continue
            own = tuple(item for item in found if _is_about(item, scenario))
            seconds = time.monotonic() - broken[scenario.name]
            end = await _end(admin, scenario, own, seconds=seconds, late=late, quiet=seconds > quiet)
            if end is not None:
                ended[scenario.name] = end
                tell(scenario, end)
        await asyncio.sleep(_LOOK_SECONDS)
    return ended


async def _end(
    admin: ApiClient, scenario: Scenario, incidents: tuple[Incident, ...], *, seconds: float, late: bool, quiet: bool
) -> Ended | None:
    """How the scenario has ended, or None while it has not.

    Its events are part of it, and so is that what was to be left alone, or is called resolved, has healed. Where more
    than being left alone is asked for, another incident may still open; so it may beside what was handed over, while
    the check finds something to mend. ``quiet``: it has been broken for longer than the program takes to look at
    everything. Where no event is to be seen by then, it has been left alone without an incident.
    """
    outcome = _outcome(incidents)
    if quiet and not incidents and not scenario.shows and scenario.expected["outcome"] == LEFT_ALONE:
        outcome = LEFT_ALONE
    if not outcome and not late:
        return None
    problems, missing = await check(admin, scenario), await missing_signs(admin, scenario)
    heals = outcome == "resolved" or scenario.expected["outcome"] == LEFT_ALONE
    more_to_come = outcome == LEFT_ALONE not in (scenario.expected["outcome"], scenario.expected.get("also"))
    beside = not quiet and bool(problems)  # what a person was told of may not be all that was broken
    if not late and (missing or more_to_come or beside or (heals and problems)):
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

    Left alone is what the program has looked at and closed: without any incident it has not begun yet. What a
    person was told or asked counts before what was resolved beside it.
    """
    if any(item.status is Status.OPEN for item in incidents):
        return ""
    held = {item.id for item in incidents if item.status is not Status.CLOSED}
    # What explained it is over: it heals (which is looked at by the scenario's check), or is opened again.
    incidents = [item for item in incidents if item.caused_by is None or item.caused_by in held or item.id not in held]
    if any(item.status is Status.WAITING for item in incidents):
        return ASKED
    outcomes = [item.outcome for item in incidents if item.outcome is not None]
    told = [outcome for outcome in outcomes if outcome is not Outcome.SUPPRESSED]
    if told:
        return str(next((outcome for outcome in told if outcome is not Outcome.RESOLVED), told[0]))
    return LEFT_ALONE if outcomes else ""


def _is_about(incident: Incident, scenario: Scenario) -> bool:
    """Whether an incident is of the scenario: in its namespace, or about one of its objects that has none."""
    subject = incident.subject
    of_none = not subject.namespace and subject.name.startswith(scenario.namespace)
    return subject.namespace == scenario.namespace or of_none
