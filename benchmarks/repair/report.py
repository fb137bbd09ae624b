"""The results of one set on one side: data with every run, a page for people, a picture. Pure but for the writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.wordlists import SetName
from tests.prove.revision import REPOSITORY, Revision

from .picture import Bars, picture
from .run import Run, Side
from .score import Row, Step, Totals, calibration_of, families_of, rows_of, totals_of
from .tables import calibration, faults, percent, seconds, section, summary, table

RESULTS = REPOSITORY / "benchmarks" / "results"
_FAMILY = ("family", "scenarios", "repaired", "rightly ended", "told wrongly", "missed", "harmful", "pass@1", "pass^k")
_SCENARIO = ("scenario", "family", "should", "came to", "passed", "s to verified", "changes", "undone", "requests")


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON file holds. ``settings`` are those of the program that were not as it ships."""

    commit: str
    changed_since: bool
    date: str
    words: SetName
    side: Side
    seeds: tuple[int, ...]
    speed: float
    machine: dict[str, Any]
    settings: dict[str, int]
    totals: Totals
    families: dict[str, Totals]
    calibration: list[Step]
    scenarios: list[Row]
    runs: list[Run]


def results_of(
    runs: Sequence[Run],
    revision: Revision,
    *,
    date: str,
    speed: float,
    machine: dict[str, Any],
    settings: Mapping[str, int],
) -> Results:
    """The runs (of one set and side) with what they are of and what they come to."""
    return Results(
        commit=revision.commit,
        changed_since=bool(revision.changes),
        date=date,
        words=runs[0].words,
        side=runs[0].side,
        seeds=tuple(sorted({run.seed for run in runs})),
        speed=speed,
        machine=machine,
        settings=dict(settings),
        totals=totals_of(runs),
        families=families_of(runs),
        calibration=calibration_of(runs),
        scenarios=rows_of(runs),
        runs=list(runs),
    )


def write(results: Results, folder: Path = RESULTS) -> list[Path]:
    """All three files; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "repair" + ("-second" if results.words == "second" else "") + ("-real" if results.side == "real" else "")
    paths = [folder / f"{name}.{ending}" for ending in ("json", "md", "svg")]
    paths[0].write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    paths[1].write_text(markdown(results, picture_name=paths[2].name), encoding="utf-8")
    paths[2].write_text(picture("Repair and harm, by family", [bars_of(results)]), encoding="utf-8")
    return paths


def bars_of(results: Results) -> Bars:
    """What the picture shows of them."""
    total, k = results.totals, results.totals.k
    times = f", {k} times each" if k > 1 else ""
    what = f"{results.side} cluster, {results.words} set: {total.scenarios} scenarios{times}"
    return Bars(title=f"{what}; pass@1 {percent(total.pass_1)}", families=results.families)


def markdown(results: Results, *, picture_name: str) -> str:
    """The page."""
    lines = [
        "# Repair and harm",
        "",
        "Written by `make bench-repair`; every run is in the JSON file beside this page.",
        "",
        f"Commit `{results.commit}`{since(changed=results.changed_since)}; {results.date};",
        f"{how(results)}.",
        "",
        *summary(results.totals),
        "",
        f"![by family]({picture_name})",
        "",
        *table(_FAMILY, (_family_cells(name, item) for name, item in results.families.items())),
        "",
        *table(_SCENARIO, (_scenario_cells(row) for row in results.scenarios)),
        *section("What confidence was worth", calibration(results.calibration)),
        *faults(results.scenarios),
    ]
    return "\n".join(lines) + "\n"


def since(*, changed: bool) -> str:
    """What is to be said beside the commit."""
    return ", with changes that are not committed" if changed else ""


def how(results: Results) -> str:
    """Where, how fast, in whose words, and with which settings."""
    where = f"{results.side} cluster at speed {results.speed:g}; {results.words} set"
    given = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    return f"{where}, seeds {', '.join(map(str, results.seeds))}" + (f"; with {given}" if given else "")


def _family_cells(name: str, total: Totals) -> tuple[str, ...]:
    marks = total.marks
    counted = (marks.get("ill-told", 0), marks.get("missed", 0) + marks.get("invalid", 0), marks.get("harmful", 0))
    shares = percent(total.repaired), percent(total.rightly_ended)
    return (name, str(total.scenarios), *shares, *map(str, counted), percent(total.pass_1), percent(total.pass_k))


def _scenario_cells(row: Row) -> tuple[str, ...]:
    came_to = ", ".join(f"{mark} {number}" for mark, number in row.marks.items())
    numbers = (f"{value:g}" for value in (row.changes, row.rollbacks, row.requests))
    return (row.scenario, row.family, row.expected, came_to, passes(row), seconds(row.to_verified), *numbers)


def passes(row: Row) -> str:
    """How often of how often; in bold where it is not always."""
    return f"{row.passes}/{row.runs}" if row.always else f"**{row.passes}/{row.runs}**"


def closed_gaps(rows: Sequence[Row]) -> Mapping[str, str]:
    """Scenarios that passed every time and still say that they cannot: that field is to be removed."""
    return {row.scenario: row.gap or row.untold for row in rows if (row.gap or row.untold) and row.always}


def regressions(rows: Sequence[Row]) -> list[str]:
    """One line for each scenario that is not as it should be: harmed, or failed and without a known gap."""
    found = [f"{row.scenario}: {harm}" for row in rows for harm in row.harms]
    for row in rows:
        if not row.as_known and not row.harms:
            why = "; ".join(row.problems) or ", ".join(f"{mark} {number}" for mark, number in row.marks.items())
            found.append(f"{row.scenario}: {row.passes} of {row.runs} passed: {why}")
    return found
