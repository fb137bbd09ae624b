"""The benchmark of repair as a part of the proof: its runs are the proof's results, and nothing is played twice.

Five seeds on embedded clusters and one on a real control plane; the two sides are compared in the words of the seed
that both were told in.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from benchmarks.repair.finished import Finished as Runs
from benchmarks.repair.parts import whole_parts
from benchmarks.repair.playing import Pace, wanted
from benchmarks.repair.published import publish, published_of
from benchmarks.repair.report import Results
from benchmarks.repair.run import Run
from benchmarks.repair.telling import play_all, tell
from simulator.scenario import load_scenarios

from .results import Result, Side

SEEDS = (1, 2, 3, 4, 5)
COMPARED = SEEDS[0]
_SEEDS: dict[Side, tuple[int, ...]] = {"embedded": SEEDS, "real": (COMPARED,)}


def play_benchmark(console: Console, runs: Runs) -> tuple[list[Result], int]:
    """Play what has not been played. The results of the seed that is compared, and the exit code that all are worth.

    Raises NoControlPlane.
    """
    names = [item.name for item in load_scenarios()]
    failed = 0
    for side, seeds in _SEEDS.items():
        failed += play_all(console, wanted(names, words="first", seeds=seeds, side=side), runs, Pace())
    parts = whole_parts(runs)
    codes = [tell(console, part) for part in parts]
    return results_of_runs(_compared(runs, names)), max(codes, default=0) or int(failed > 0)


def publish_benchmark(console: Console, parts: Iterable[Results]) -> None:
    """Write docs/repair.* and the README's table. Raises MarkersMissing."""
    paths = publish(published_of(list(parts)))
    console.print(f"written: {', '.join(path.name for path in paths)}", highlight=False)


def _compared(runs: Runs, names: list[str]) -> list[Run]:
    keys = [key for side in _SEEDS for key in wanted(names, words="first", seeds=(COMPARED,), side=side)]
    return runs.of(keys)


def results_of_runs(runs: Iterable[Run]) -> list[Result]:
    """The runs as the proof sees them."""
    return [_result_of(run) for run in runs]


def _result_of(run: Run) -> Result:
    return Result(
        scenario=run.scenario,
        family=run.family,
        side=run.side,
        expected=run.expected,
        also=run.also,
        workloads_well=run.workloads_well,
        outcome=run.outcome,
        seconds=run.seconds,
        problems=run.problems,
        missing=run.missing,
        harms=run.harms,
        warnings=run.warnings,
        states=run.states,
        changes=run.changes,
    )
