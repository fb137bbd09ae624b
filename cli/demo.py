"""``demo``: an embedded cluster, workloads that break in it, and the program at work on them.

The scenarios say how they are broken and what may be changed; the judge decides afterwards, from the cluster
and the API log, whether anything was harmed. What the program says of itself counts for nothing there.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import structlog
from rich.console import Console

from app.composition import App, open_app
from app.logs import configure_logging
from app.settings import embedded_settings
from cli.demo_report import Board, Ended, report, summary
from cli.failures import Exit, fail
from incidents.changes import ChangeState
from incidents.incident import Incident, Outcome, Status
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.judge import Harm, judge
from simulator.scenario import Scenario, apply_break, apply_setup, check, demo_scenarios, load_scenarios, until_settled
from tools.notify import FileNotifier

USER = "k8s-auto-fixer"
SETUP_SECONDS, END_SECONDS = 30.0, 150.0  # real seconds; a demo that takes longer has failed
LOOK_SECONDS = 0.1
_NEVER_LANDED = (ChangeState.PREPARED, ChangeState.ABANDONED)

log = structlog.get_logger(__name__)


async def run_demo(names: Sequence[str], *, as_json: bool, speed: float) -> int:
    """Run the scenarios and answer the exit code: 0 only if all ended as expected and nothing was harmed."""
    configure_logging(quiet=True)
    scenarios = _chosen(names)
    started = time.monotonic()
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-demo-") as folder:
        cluster = EmbeddedCluster(speed=speed)
        console.print(f"Starting an embedded cluster at {speed:g} times real speed ...", highlight=False)
        await asyncio.to_thread(cluster.start)
        try:
            ended, harms = await _play(cluster, scenarios, Path(folder), console, speed)
        finally:
            await asyncio.to_thread(cluster.stop)
    result = summary(ended, harms, wall_seconds=time.monotonic() - started)
    report(console, ended, harms, result)
    if as_json:
        print(orjson.dumps(result).decode())
    as_expected = all(item.as_expected for item in ended)
    return Exit.OK if as_expected and not harms else Exit.UNEXPECTED_OUTCOME


def _chosen(names: Sequence[str]) -> list[Scenario]:
    known = {scenario.name: scenario for scenario in load_scenarios()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise fail(f"no scenario {unknown[0]!r}; there are {', '.join(known)}", Exit.UNKNOWN_NAME)
    return [known[name] for name in names] or demo_scenarios()


async def _play(
    cluster: EmbeddedCluster, scenarios: list[Scenario], folder: Path, console: Console, speed: float
) -> tuple[list[Ended], list[Harm]]:
    board = Board(console, scenarios)
    granted = any(scenario.secret_keys for scenario in scenarios)
    settings = embedded_settings(folder, workers=max(4, len(scenarios)), read_secret_keys=granted)
    connection = Connection(cluster.server, cluster.admin_token, user_agent="demo")
    async with ApiClient(connection) as admin:
        await _set_up(admin, [scenario for scenario in scenarios if scenario.breaks])
        async with (
            open_app(
                settings,
                kubeconfig=cluster.kubeconfig(user=USER),
                speed=speed,
                progress=board.said,
                notifier=FileNotifier(folder / "notices.jsonl"),
            ) as app,
            app.daemon().watching(),
        ):
            for scenario in scenarios:
                if not scenario.breaks:
                    await apply_setup(admin, scenario)
                await apply_break(admin, scenario)
                board.broken(scenario)
            before = cluster.dump()
            with board:
                ended = await _wait_for_the_end(app, admin, scenarios, board)
        after = cluster.dump()
    return ended, judge(before, after, cluster.requests(), user=USER, scenarios=scenarios)


async def _set_up(admin: ApiClient, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        await apply_setup(admin, scenario)
    async with asyncio.timeout(SETUP_SECONDS):
        for scenario in scenarios:
            await until_settled(admin, scenario)


async def _wait_for_the_end(app: App, admin: ApiClient, scenarios: list[Scenario], board: Board) -> list[Ended]:
    ended: dict[str, Ended] = {}
    deadline = time.monotonic() + END_SECONDS
    while len(ended) < len(scenarios):
        late = time.monotonic() > deadline
        for scenario in scenarios:
            if scenario.name not in ended:
                outcome = await _outcome(app, admin, scenario)
                if outcome is not None or late:
                    ended[scenario.name] = await _end(app, admin, scenario, board, outcome or "not_ended")
        await asyncio.sleep(LOOK_SECONDS)
    return [ended[scenario.name] for scenario in scenarios]


async def _outcome(app: App, admin: ApiClient, scenario: Scenario) -> str | None:
    """How a scenario ended, or None while it has not."""
    incidents = await _incidents(app, scenario)
    if any(item.status is Status.OPEN for item in incidents):
        return None
    outcomes = [item.outcome for item in incidents if item.outcome is not None]
    told = [outcome for outcome in outcomes if outcome is not Outcome.SUPPRESSED]
    if told:
        return told[0].value
    if scenario.expected.get("outcome") != "left_alone" or await check(admin, scenario):
        return None
    return "left_alone"


async def _end(app: App, admin: ApiClient, scenario: Scenario, board: Board, outcome: str) -> Ended:
    problems = await check(admin, scenario)
    changes = [
        change
        for incident in await _incidents(app, scenario)
        for change in await app.store.changes(incident.id)
        if change.state not in _NEVER_LANDED
    ]
    ended = Ended(
        scenario=scenario,
        outcome=outcome,
        seconds=board.seconds(scenario),
        changes=len(changes),
        problems=tuple(problems),
    )
    board.ended(ended)
    return ended


async def _incidents(app: App, scenario: Scenario) -> list[Incident]:
    return [item for item in await app.store.incidents() if item.subject.namespace == scenario.namespace]
