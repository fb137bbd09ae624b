"""A benchmark as it goes and as it ends, in lines for a person; every run is on disk before its line is shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from simulator.scenario import Scenario
from tests.scenario_runs import Ended

from .batch import BatchFailed
from .finished import Finished
from .playing import Pace, played
from .report import Results, closed_gaps, regressions
from .run import Key, Run
from .tables import percent, summary


def play_all(console: Console, keys: Sequence[Key], finished: Finished, pace: Pace) -> int:
    """Play what has not been played, and keep it; returns how many batches came to no end. Raises NoControlPlane."""

    def progress(scenario: Scenario, ended: Ended | None) -> None:
        if ended is not None:
            console.print(f"{'':4} {scenario.name:32} {ended.outcome:12} {ended.seconds:6.1f} s", style="dim")

    failed = 0
    for runs in played(keys, finished, pace=pace, progress=progress):
        if isinstance(runs, BatchFailed):
            console.print(f"a batch failed: {runs}", style="red", markup=False)
            failed += 1
            continue
        finished.add(runs)
        for run in runs:
            console.print(_line(run), markup=False)
    return failed


def _line(run: Run) -> str:
    diagnosed = f"  says {', '.join(run.diagnosed)}" if run.diagnosed else ""
    seconds = f"{run.seconds:6.1f} s"
    return f"{run.seed:>4} {run.scenario:32} {run.expected:11} {run.outcome:12} {run.mark:11} {seconds}{diagnosed}"


def tell(console: Console, results: Results) -> int:
    """Say what it came to; the exit code that it is worth."""
    for line in summary(results.totals):
        console.print(line.replace("**", ""), markup=False)
    for name, total in results.families.items():
        console.print(f"{name:14} pass@1 {percent(total.pass_1):>7} of {total.runs}", markup=False)
    for name in closed_gaps(results.scenarios):
        console.print(f"{name}: passed every time; remove its `gap` or `untold`", markup=False)
    wrong = regressions(results.scenarios)
    for line in wrong:
        console.print(line, style="red", markup=False)
    return 1 if wrong else 0
