"""`python -m benchmarks.repair`: play what has not been played at this commit, and write the results.

Exits with 1 if anything was harmed, or a scenario without a known gap did not end as it should. A part of the
scenarios (`--only`, `--sample`) is told and not written; nor is what `--again` has played a second time, for a machine
that may be too busy: what was missed has a second chance then, what was harmed has none. `--publish` plays nothing: it
makes docs/repair.* and the README's table of everything that has been played whole at this commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from simulator.scenario import ScenarioError, load_scenarios
from simulator.variants import vary
from simulator.wordlists import DIALECTS, SetName
from tests.prove.revision import revision
from tests.prove.sample import SEED_SETTING, seed

from .finished import Finished
from .parts import part_of, whole_parts
from .playing import PROCESSES, SPEED, NoControlPlane, Pace, wanted
from .published import MarkersMissing, publish, published_of
from .report import write
from .run import Side
from .sampling import numbered, one_of_each
from .telling import play_all, tell

REPETITIONS = 5
_PAGE = 130

app = typer.Typer(add_completion=False)


@app.command()
def bench_repair(
    only: Annotated[list[str] | None, typer.Option(help="a scenario's name; may be given again")] = None,
    words: Annotated[str, typer.Option("--set", help="first or second")] = "first",
    repetitions: Annotated[int, typer.Option(min=1, help="seeds, each of which tells all anew")] = REPETITIONS,
    real: Annotated[bool, typer.Option("--real", help="once, on the real control plane")] = False,
    sample: Annotated[bool, typer.Option("--sample", help="one of each family, drawn by the commit, once")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="play again what has been played at this commit")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="play what was missed, not what was harmed, a second time")
    ] = False,
    publish_all: Annotated[bool, typer.Option("--publish", help="play nothing; write docs and README")] = False,
    together: Annotated[int, typer.Option(min=0, help="scenarios side by side on one cluster; 0: the usual")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="embedded clusters at once")] = PROCESSES,
    speed: Annotated[float, typer.Option(min=1.0, help="of the embedded clusters")] = SPEED,
    patience: Annotated[float, typer.Option(help="wall seconds that ends are waited for; 0: the usual")] = 0.0,
) -> None:
    """Every scenario in other words, by the real program: what it repairs, what it hands over, what it harms."""
    console, finished = Console(width=_PAGE, highlight=False), Finished(revision(), fresh=fresh)
    if publish_all:
        raise typer.Exit(_publish(console, finished))
    side: Side = "real" if real else "embedded"
    names = _drawn(console, side) if sample else _chosen(only or [])
    seeds = [numbered(seed())] if sample else list(range(1, 1 + (1 if real else repetitions)))
    keys = wanted(names, words=_set(words), seeds=seeds, side=side)
    pace = Pace(together=together, processes=processes, speed=speed, patience=patience)
    console.print(f"{len(names)} scenarios, seeds {seeds}, {words} set, {side}, at {revision()}")
    try:
        failed = play_all(console, keys, finished, pace)
        if again and (missed := [run.key for run in finished.of(keys) if not run.passed and not run.harms]):
            console.print(f"a second time: {', '.join(key.scenario for key in missed)}", markup=False)
            finished.forget(missed)
            failed = play_all(console, keys, finished, pace)  # of a batch that failed too
    except NoControlPlane as error:
        raise typer.BadParameter(str(error), param_hint="--real") from error
    runs = finished.of(keys)
    if not runs:
        raise typer.Exit(1 if failed else 0)
    results = part_of(runs, speed=speed)
    code = tell(console, results)
    if not (only or sample or again or failed):
        console.print(f"written: {', '.join(path.name for path in write(results))}", markup=False)
    raise typer.Exit(1 if failed else code)


def _publish(console: Console, finished: Finished) -> int:
    parts = whole_parts(finished)
    if not parts:
        console.print("nothing has been played whole at this commit: run `make bench-repair` first", style="red")
        return 1
    try:
        paths = publish(published_of(parts))
    except MarkersMissing as error:
        raise typer.BadParameter(f"README.md: {error}", param_hint="--publish") from error
    console.print(f"written: {', '.join(path.name for path in paths)}", markup=False)
    return 0


def _set(words: str) -> SetName:
    for name in DIALECTS:
        if name == words:
            return name
    raise typer.BadParameter(f"use one of {', '.join(DIALECTS)}", param_hint="--set")


def _drawn(console: Console, side: Side) -> list[str]:
    playable = [item for item in load_scenarios() if side == "embedded" or not item.embedded_only]
    drawn = one_of_each(playable, seed=seed())
    console.print(f"{SEED_SETTING}={seed()} draws {', '.join(drawn)}")
    return drawn


def _chosen(names: Sequence[str]) -> list[str]:
    try:
        vary(names, seed=1)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    return list(names) or [item.name for item in load_scenarios()]


if __name__ == "__main__":
    app()
