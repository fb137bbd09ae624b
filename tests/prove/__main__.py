"""`python -m tests.prove`: run what has not been run at this commit, and write the proof.

The whole of it is the benchmark of repair (five seeds embedded, one on the real control plane), the two sides compared,
and the daemon killed everywhere. With `--only` or one side alone the scenarios are played in the words of their files,
no daemon is killed and nothing is written to docs: half a proof is none.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from app.logs import configure_logging
from benchmarks.repair.finished import Finished as Runs
from benchmarks.repair.parts import whole_parts
from benchmarks.repair.playing import NoControlPlane
from simulator.scenario import Scenario, ScenarioError, load_scenario, reached_scenarios
from tests.control_plane.build import find_binaries
from tests.control_plane.harness import ControlPlane, Kubelet
from tests.control_plane.program import Program
from tests.kill.stories import Told

from .benchmarked import play_benchmark, publish_benchmark
from .board import Board
from .embedded import run_embedded
from .finished import Finished
from .killing import Killed, Killing, killings, run_killing, run_side_by_side
from .killing_page import places_of
from .real import NODES, asking_for_tags, run_real
from .report import DOCS, Row, counts, proof_of, rows_of, write
from .results import Side
from .revision import Revision, revision

_PAGE = 130  # columns where there is no terminal: no cell is cut
_TOGETHER = 12  # side by side; a run that is interrupted loses no more than these


class Sides(StrEnum):
    """Where to run."""

    BOTH = "both"
    EMBEDDED = "embedded"
    REAL = "real"


_SIDES: dict[Sides, tuple[Side, ...]] = {
    Sides.BOTH: ("embedded", "real"),
    Sides.EMBEDDED: ("embedded",),
    Sides.REAL: ("real",),
}


app = typer.Typer(add_completion=False)


@app.command()
def prove(
    only: Annotated[list[str] | None, typer.Option(help="a scenario's name; may be given again")] = None,
    side: Annotated[Sides, typer.Option(help="where to run")] = Sides.BOTH,
    fresh: Annotated[bool, typer.Option("--fresh", help="run again what has been run at this commit")] = False,
    together: Annotated[int, typer.Option(min=1, help="scenarios side by side")] = _TOGETHER,
) -> None:
    """Every scenario, and the daemon killed at every place, on the embedded cluster and on a real control plane; 1 if
    anything is not as it should be."""
    configure_logging(quiet=True)
    console, scenarios = Console(width=None if sys.stdout.isatty() else _PAGE), _chosen(only or [])
    sides = _SIDES[side]
    now = revision()
    finished = Finished(now)
    console.print(f"{len(scenarios)} scenarios at {now}", highlight=False)
    if side is Sides.BOTH and not only:
        raise typer.Exit(_whole(console, scenarios, finished, now, fresh=fresh))
    if fresh:
        finished.forget([item.name for item in scenarios], sides)
    with Board(console, lambda: rows_of(scenarios, finished)) as board:
        if "embedded" in sides:
            for batch in _batches(scenarios, finished, "embedded", together):
                finished.add(asyncio.run(run_embedded(batch, progress=board.progress("embedded"))))
        if "real" in sides:
            _on_the_real_one(scenarios, finished, board, together)
    console.print(board.table())
    raise typer.Exit(_told(console, rows_of(scenarios, finished), sides, []))


def _whole(console: Console, scenarios: Sequence[Scenario], finished: Finished, now: Revision, *, fresh: bool) -> int:
    """The whole proof: the benchmark on both sides, then the killing; what it came to is written in any case."""
    runs = Runs(now, fresh=fresh)
    if fresh:
        finished.forget_killed()
    try:
        results, code = play_benchmark(console, runs)
    except NoControlPlane as error:
        raise typer.BadParameter(str(error), param_hint="--side") from error
    finished.add(results)
    _kill_everywhere(finished, console)
    rows, parts = rows_of(scenarios, finished), whole_parts(runs)
    console.print(Board(console, lambda: rows).table())
    write(proof_of(rows, now, now=datetime.now(UTC), killed=finished.killed, parts=parts))
    console.print(f"written: {DOCS.name}/proof.json and {DOCS.name}/proof.md", highlight=False)
    if parts:
        publish_benchmark(console, parts)
    return code or _told(console, rows, ("embedded", "real"), finished.killed)


def _chosen(names: Sequence[str]) -> list[Scenario]:
    try:
        return [load_scenario(name) for name in names] or reached_scenarios()
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error


def _batches(scenarios: Sequence[Scenario], finished: Finished, side: Side, size: int) -> Iterator[list[Scenario]]:
    """What has not been run; what is for a program that may list Secrets is by itself."""
    left = [item for item in scenarios if finished.get(item.name, side) is None]
    if side == "real":
        left = [item for item in left if not item.embedded_only]
    for granted in (False, True):
        alike = [item for item in left if item.secret_keys is granted]
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _on_the_real_one(scenarios: Sequence[Scenario], finished: Finished, board: Board, together: int) -> None:
    """One control plane for all of them, and the program with the rights that each batch is for; neither if nothing is
    left to do."""
    batches = list(_batches(scenarios, finished, "real", together))
    if not batches:
        return
    with _control_plane() as (control_plane, program_for):
        for batch in batches:
            run = run_real(
                batch, control_plane=control_plane, program=program_for(batch), progress=board.progress("real")
            )
            finished.add(asyncio.run(run).results)


def _kill_everywhere(finished: Finished, console: Console) -> None:
    """What has not been run yet: embedded clusters side by side, then one control plane without the program on it."""
    done = {item.killing for item in finished.killed}
    left = [killing for killing in killings() if killing not in done]
    if embedded := [killing for killing in left if killing.side == "embedded"]:
        console.print(f"killing the daemon at every place: {len(embedded)} kinds of places, embedded", highlight=False)
        for killed in run_side_by_side(embedded):
            _keep(killed, finished, console)
    if real := [killing for killing in left if killing.side == "real"]:
        with _bare_control_plane() as (control_plane, _):
            for killing in real:
                with console.status("") as status:
                    tell = partial(_say_place, status, killing)
                    _keep(run_killing(killing, control_plane=control_plane, tell=tell), finished, console)


def _keep(killed: Killed, finished: Finished, console: Console) -> None:
    finished.add_killed(killed)
    end = "as promised" if not killed.failures else f"{len(killed.failures)} not as promised"
    line = f"{killed.killing.side:9} {killed.killing!s:48} {killed.places:4} places {end}, {killed.seconds:.1f} s"
    console.print(line, highlight=False)


def _say_place(status: Status, killing: Killing, told: Told) -> None:
    status.update(f"{killing.side}: {killing.story}, killed {told.place}")


@contextmanager
def _bare_control_plane() -> Iterator[tuple[ControlPlane, Kubelet]]:
    binaries = find_binaries(os.environ)
    if binaries is None:
        raise typer.BadParameter("its programs are not here: run `make control-plane`", param_hint="--side real")
    with ControlPlane(binaries) as control_plane:
        yield control_plane, control_plane.start_kubelet(nodes=NODES)


@contextmanager
def _control_plane() -> Iterator[tuple[ControlPlane, Callable[[Sequence[Scenario]], Program]]]:
    with _bare_control_plane() as (control_plane, kubelet), tempfile.TemporaryDirectory(prefix="prove-") as folder:

        def program_for(batch: Sequence[Scenario]) -> Program:
            granted = any(item.secret_keys for item in batch)
            where = Path(folder, "granted" if granted else "shipped")
            where.mkdir(exist_ok=True)
            return Program(control_plane, where, settings=asking_for_tags(kubelet), secret_keys=granted)

        yield control_plane, program_for


def _told(console: Console, rows: Sequence[Row], sides: Sequence[Side], killed: Sequence[Killed]) -> int:
    """Say what is not as it should be; the exit code."""
    faults = [(row.scenario, fault) for row in rows for fault in row.faults]
    faults += [(f"{item.killing.side}: {item.killing}", fault) for item in killed for fault in item.failures]
    for name, fault in faults:
        console.print(f"{name}: {fault}", style="red", markup=False, highlight=False)
    count = counts(rows)
    shown = count if len(sides) > 1 else {key: count[key] for key in ("scenarios", "families", "failed", "harmed")}
    console.print(", ".join(f"{value} {key.replace('_', ' ')}" for key, value in shown.items()), highlight=False)
    if killed:
        places = places_of(killed)
        line = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in places.items())
        console.print(f"killed at: {line}", highlight=False)
    unfinished = len(sides) > 1 and any(not row.complete for row in rows)
    return 1 if faults or unfinished else 0


if __name__ == "__main__":
    app()
