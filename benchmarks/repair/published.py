"""What is published: all sets and sides of one revision on one page of the docs, and their totals in the README.

Small enough to be committed: runs are left out, and what is empty is not written. Nothing is published of half a
benchmark: a scenario that has not been played in a part would be missing in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tests.prove.revision import REPOSITORY

from .picture import picture
from .report import Results, bars_of, how, passes, since
from .score import Row, Step, Totals, calibration_of
from .tables import calibration, faults, percent, seconds, section, table

DOCS, README = REPOSITORY / "docs", REPOSITORY / "README.md"
BEGIN, END = "<!-- repair: written by `make prove` -->", "<!-- repair: end -->"
_TOTALS = ("cluster", "words", "runs", "repaired", "rightly handed over or left alone", "harmful", "pass@1", "pass^k")
_INTRODUCTION = (
    "Written by `make prove`; the data is in [repair.json](repair.json). How it is measured, and how to measure it",
    "again, is told in [simulator.md](simulator.md#how-much-is-repaired-and-how-much-harmed).",
    "",
    "Every scenario is told in the words of several seeds (names, images, ports and sizes differ) and met by the real",
    "program, a daemon in mode auto. *Repaired*: of those that a good engineer would repair, how many ended verified",
    "and well. *Rightly handed over or left alone*: of the others, in how many a person was told the right family and",
    "cause, or nothing was to be done and nothing was. *Harmful*: something in the whole cluster was changed that no",
    "repair may change. A run passes if it ended as it should; pass@1 is the share of runs that did, pass^k that of",
    "scenarios that did in all k.",
)


class MarkersMissing(Exception):
    """A page has no place for the table."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What docs/repair.json holds: a part for each set on each side, without its runs, and what confidence was worth
    over all of them."""

    parts: list[Results]
    calibration: list[Step]


def published_of(parts: Sequence[Results]) -> Published:
    """The parts as they are published."""
    runs = [run for part in parts for run in part.runs]
    return Published(
        parts=[msgspec.structs.replace(part, runs=[], calibration=[]) for part in parts],
        calibration=calibration_of(runs),
    )


def publish(published: Published, folder: Path = DOCS, readme: Path = README) -> list[Path]:
    """The data, the page, the picture, and the table in the README; returns where they are. Raises MarkersMissing."""
    page = with_table(readme.read_text(encoding="utf-8"), totals_table(published.parts))
    paths = [folder / f"repair.{ending}" for ending in ("json", "md", "svg")]
    paths[0].write_bytes(msgspec.json.format(msgspec.json.encode(published), indent=1) + b"\n")
    paths[1].write_text(markdown(published, picture_name=paths[2].name), encoding="utf-8")
    paths[2].write_text(picture("Repair and harm, by family", [bars_of(part) for part in published.parts]), "utf-8")
    readme.write_text(page, encoding="utf-8")
    return [*paths, readme]


def with_table(page: str, lines: Sequence[str]) -> str:
    """The page with these lines between its two markers. Raises MarkersMissing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"the page has no place for the table: write {BEGIN!r} and {END!r} around it")
    return "\n".join((before + BEGIN, "", *lines, "", END)) + after


def totals_table(parts: Sequence[Results]) -> list[str]:
    """The one table that this is about: a row for each part."""
    return table(_TOTALS, (_totals_cells(part) for part in parts))


def _totals_cells(part: Results) -> tuple[str, ...]:
    total = part.totals
    return (
        part.side,
        f"{part.words} set",
        f"{total.scenarios} scenarios × {total.k}",
        f"{percent(total.repaired)} of {total.repairable}",
        f"{percent(total.rightly_ended)} of {total.others}",
        str(total.marks.get("harmful", 0)),
        percent(total.pass_1),
        percent(total.pass_k),
    )


def markdown(published: Published, *, picture_name: str) -> str:
    """The page."""
    first, parts = published.parts[0], published.parts
    rows = [row for part in parts for row in part.scenarios]
    lines = [
        "# Repair and harm",
        "",
        *_INTRODUCTION,
        "",
        f"Commit `{first.commit}`{since(changed=first.changed_since)}; {first.date}. Played on:",
        "",
        *(f"- {how(part)}" for part in parts),
        "",
        *totals_table(parts),
        "",
        f"![by family]({picture_name})",
        "",
        *table(("family", "scenarios", *map(_name, parts)), _families(parts)),
        "",
        "Of each family: how many runs passed.",
        "",
        *table(_scenario_headings(parts), _scenarios(parts)),
        *section("What confidence was worth", calibration(published.calibration)),
        *faults(rows),
    ]
    return "\n".join(lines) + "\n"


def _name(part: Results) -> str:
    return part.side if part.words == "first" else f"{part.side}, {part.words} set"


def _families(parts: Sequence[Results]) -> Iterator[tuple[str, ...]]:
    for name in sorted({name for part in parts for name in part.families}):
        totals = [part.families.get(name) for part in parts]
        scenarios = max(total.scenarios for total in totals if total)
        yield (name, str(scenarios), *map(_passed, totals))


def _passed(total: Totals | None) -> str:
    if total is None:
        return ""
    share = f"{round((total.pass_1 or 0.0) * total.runs)}/{total.runs}"
    return share if total.pass_1 == 1 else f"**{share}**"


def _scenario_headings(parts: Sequence[Results]) -> tuple[str, ...]:
    names = [_name(part) for part in parts]
    return (*("scenario", "family", "should"), *names, "s to verified", "changes", "undone", "requests")


def _scenarios(parts: Sequence[Results]) -> Iterator[tuple[str, ...]]:
    by_name: dict[str, list[Row | None]] = {}
    for place, part in enumerate(parts):
        for row in part.scenarios:
            by_name.setdefault(row.scenario, [None] * len(parts))[place] = row
    for name, rows in sorted(by_name.items()):
        known = [row for row in rows if row]
        times = " / ".join("-" if row is None else seconds(row.to_verified) or "-" for row in rows)
        numbers = (f"{value:g}" for value in (known[0].changes, known[0].rollbacks, known[0].requests))
        ends = ("" if row is None else f"{passes(row)} {', '.join(row.marks)}" for row in rows)
        yield (name, known[0].family, known[0].expected, *ends, "" if set(times) <= set("- /") else times, *numbers)
