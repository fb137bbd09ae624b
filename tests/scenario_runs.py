"""All scenarios at once against a program at work: set up, broken, waited for, and what the cluster showed.

One runner for every cluster, so that the outcomes of two of them can be compared. It sees the program as a person
does, by its incidents; what became of the cluster it reads itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.composition import open_app
from app.settings import embedded_settings
from incidents.incident import Incident, Outcome, Status
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.judge import Harm, judge
from simulator.scenario import Scenario, apply_break, apply_setup, check, settled
from tools.notify import FileNotifier

USER = "k8s-auto-fixer"  # the program's name on the embedded cluster
NOT_ENDED = "not_ended"
_LEFT_ALONE = "left_alone"
_SETUP_SECONDS, _EMBEDDED_SECONDS = 60.0, 150.0
_LOOK_SECONDS = 0.25

Dump = Mapping[str, Mapping[str, Any]]
Incidents = Callable[[], Awaitable[Sequence[Incident]]]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one scenario ended: ``seconds`` after it was broken; ``problems`` are what its check found then."""

    outcome: str
    seconds: float
    problems: tuple[str, ...]
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run of several scenarios: ends by scenario name, the cluster once broken and at the end."""

    ended: Mapping[str, Ended]
    before: Dump
    after: Dump
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
) -> Played:
    """Play the scenarios side by side, each in its namespace; ``seconds`` is how long their ends are waited for.

    What gets broken later is set up first, so that ``program``, entered then, has seen it well.
    """
    for scenario in scenarios:
        if scenario.breaks:
            await apply_setup(admin, scenario)
    await _until_settled(admin, [scenario for scenario in scenarios if scenario.breaks])
    async with program as incidents:
        started = time.monotonic()
        broken = {}
        for scenario in scenarios:
            if not scenario.breaks:
                await apply_setup(admin, scenario)
            await apply_break(admin, scenario)
            broken[scenario.name] = time.monotonic()
        before = dump()
        ended = await _ends(scenarios, broken, admin=admin, incidents=incidents, deadline=started + seconds)
        return Played(ended=ended, before=before, after=dump(), seconds=time.monotonic() - started)


async def play_embedded(scenarios: Sequence[Scenario], folder: Path, *, speed: float) -> tuple[Played, list[Harm]]:
    """The same on an embedded cluster, the program in this process: only so does it keep that cluster's time."""
    with EmbeddedCluster(speed=speed) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="test")) as admin:
            played = await play(
                scenarios,
                admin=admin,
                program=_in_this_process(cluster, folder, speed),
                dump=cluster.dump,
                seconds=_EMBEDDED_SECONDS,
            )
        harms = judge(played.before, played.after, cluster.requests(), user=USER, scenarios=list(scenarios))
    return played, harms


@asynccontextmanager
async def _in_this_process(cluster: EmbeddedCluster, folder: Path, speed: float) -> AsyncIterator[Incidents]:
    nobody = {"openai_api_key": None, "openai_base_url": None, "tavily_api_key": None}
    settings = embedded_settings(folder, **nobody)  # whatever the developer's environment says
    kubeconfig, notifier = cluster.kubeconfig(user=USER), FileNotifier(folder / "notices.jsonl")
    async with (
        open_app(settings, kubeconfig=kubeconfig, speed=speed, notifier=notifier) as app,
        app.daemon().watching(),
    ):
        yield app.store.incidents


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
) -> dict[str, Ended]:
    ended: dict[str, Ended] = {}
    while len(ended) < len(scenarios):
        late = time.monotonic() > deadline
        found = await incidents()
        for scenario in scenarios:
            own = tuple(item for item in found if item.subject.namespace == scenario.namespace)
            problems = tuple(await check(admin, scenario)) if scenario.name not in ended else ()
            outcome = _outcome(scenario, own, well=not problems) or (NOT_ENDED if late else "")
            if scenario.name not in ended and outcome:
                seconds = time.monotonic() - broken[scenario.name]
                ended[scenario.name] = Ended(outcome=outcome, seconds=seconds, problems=problems, incidents=own)
        await asyncio.sleep(_LOOK_SECONDS)
    return ended


def _outcome(scenario: Scenario, incidents: Sequence[Incident], *, well: bool) -> str:
    """How a scenario stands by its incidents; empty while it has not ended.

    That nothing was told of it is an end only where that is expected: elsewhere it has not begun yet.
    """
    if any(item.status is Status.OPEN for item in incidents):
        return ""
    told = [item.outcome for item in incidents if item.outcome not in (None, Outcome.SUPPRESSED)]
    if told:
        return str(told[0])
    return _LEFT_ALONE if well and scenario.expected.get("outcome") == _LEFT_ALONE else ""
