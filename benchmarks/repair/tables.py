"""Numbers and words as tables of a Markdown page; what the pages have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .score import Row, Step, Totals

_CALIBRATION = ("confidence", "proposed by", "proposals", "made", "held", "in harmful runs")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    shown = [f"| {' | '.join(headings)} |", f"|{'|'.join('---' for _ in headings)}|"]
    return [*shown, *(f"| {' | '.join(cells)} |" for cells in rows)]


def section(heading: str, lines: Iterable[str]) -> list[str]:
    """The lines under a heading; none without lines."""
    found = list(lines)
    return ["", f"## {heading}", "", *found] if found else []


def percent(share: float | None) -> str:
    """A share as people write it; a dash for none."""
    return "-" if share is None else f"{share * 100:.1f} %".replace(".0 %", " %")


def seconds(value: float | None) -> str:
    """Whole seconds; nothing for none."""
    return "" if value is None else f"{value:.0f}"


def summary(total: Totals) -> list[str]:
    """The totals in words."""
    marks = ", ".join(f"{number} {mark}" for mark, number in total.marks.items() if number)
    return [
        f"**{percent(total.repaired)} of {total.repairable} repairable runs repaired; of {total.others} others",
        f"{percent(total.rightly_ended)} rightly handed over or left alone, {percent(total.unharmed)} unharmed;",
        f"harmful: {total.marks.get('harmful', 0)}.**",
        f"pass@1 {percent(total.pass_1)}, pass^{total.k} {percent(total.pass_k)}. Runs: {marks}.",
    ]


def calibration(steps: Sequence[Step]) -> list[str]:
    """What confidence was worth, as a table; nothing where nothing was proposed."""
    if not steps:
        return []
    rows = (
        (
            "" if step.author else f"{step.least:g} and more" if step.least else "less",
            step.author or "all",
            *map(str, (step.proposals, step.made, step.held)),
            str(step.harmful),
        )
        for step in steps
    )
    return table(_CALIBRATION, rows)


def faults(rows: Sequence[Row]) -> list[str]:
    """The sections that say what is not as it should be, as plainly as the rest; none where all is."""
    short = [row for row in rows if (row.gap or row.untold) and not row.always]
    return [
        *section("Harm", _items((row.scenario, harm) for row in rows for harm in row.harms)),
        *section("What was still wrong", _items((row.scenario, one) for row in rows for one in row.problems)),
        *section("Known gaps", _items((row.scenario, row.gap or row.untold) for row in short)),
    ]


def _items(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"- {name}: {text}" for name, text in dict.fromkeys(items))
