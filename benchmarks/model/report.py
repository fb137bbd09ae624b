"""The figures of one run: a table for people, JSON for whoever compares, and one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent.parent / "results"
BYTES_SHARE, CALLS_SHARE = 0.2, 0.5  # the targets: of the simplest supervisor's
_WIDTH, _LEFT, _LINE, _BAR = 900, 190, 30, 560
_FONT = 'font-family="sans-serif" font-size="12"'
_OURS, _THEIRS = "#1565c0", "#b0bec5"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one incident has cost one side, and its last words."""

    calls: int
    request_bytes: int
    longest_bytes: int
    tokens: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scenario on both sides."""

    scenario: str
    ours: Cost
    theirs: Cost


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One ratio and its target."""

    name: str
    ours: float
    theirs: float
    share: float | None = None

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        return self.ours / self.theirs if self.theirs else 0.0

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.share is None else self.ratio <= self.share


def figures(every: Sequence[Row]) -> list[Figure]:
    """Per incident, over all for which this program asks a model: what it does without one is not counted for it."""
    rows = [row for row in every if row.ours.calls]
    count = max(len(rows), 1)

    def mean(field: str, side: str) -> float:
        return sum(getattr(getattr(row, side), field) for row in rows) / count

    shares = {"calls": CALLS_SHARE, "request_bytes": BYTES_SHARE, "tokens": None, "longest_bytes": None}
    return [
        Figure(name=field, ours=mean(field, "ours"), theirs=mean(field, "theirs"), share=share)
        for field, share in shares.items()
    ]


def show(rows: Sequence[Row], about: dict[str, Any], *, write: bool) -> None:
    """Print the tables, and write the files unless only a part was measured."""
    console = Console()
    console.print(_incidents(rows))
    console.print(_figures(rows))
    if not write:
        return
    RESULTS.mkdir(exist_ok=True)
    summary = [{**asdict(one), "ratio": one.ratio, "met": one.met} for one in figures(rows)]
    body = {**about, "incidents": [asdict(row) for row in rows], "per_incident": summary}
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    (RESULTS / "model.json").write_bytes(orjson.dumps(body, option=option))
    (RESULTS / "model.svg").write_text(picture(rows), encoding="utf-8")
    (RESULTS / "model.md").write_text(markdown(rows), encoding="utf-8")
    console.print("written to benchmarks/results/model.json, .md and .svg", highlight=False)


def _incidents(rows: Sequence[Row]) -> Table:
    table = Table(title="per incident: this program / the simplest supervisor", title_justify="left", box=None)
    for heading in ("SCENARIO", "CALLS", "REQUEST BYTES", "TOKENS"):
        table.add_column(heading, justify="left" if heading == "SCENARIO" else "right")
    for row in rows:
        ours, theirs = row.ours, row.theirs
        table.add_row(
            row.scenario,
            f"{ours.calls} / {theirs.calls}",
            f"{ours.request_bytes:,} / {theirs.request_bytes:,}",
            f"{ours.tokens:,} / {theirs.tokens:,}",
        )
    return table


def _figures(rows: Sequence[Row]) -> Table:
    table = Table(
        title=f"mean of {sum(bool(row.ours.calls) for row in rows)} incidents", title_justify="left", box=None
    )
    for heading in ("FIGURE", "OURS", "SIMPLEST", "RATIO", "TARGET", "VERDICT"):
        table.add_column(heading, justify="left" if heading in ("FIGURE", "VERDICT") else "right")
    verdicts = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}
    for one in figures(rows):
        target = f"<= {one.share:g}" if one.share is not None else ""
        table.add_row(one.name, f"{one.ours:,.1f}", f"{one.theirs:,.1f}", f"{one.ratio:.3f}", target, verdicts[one.met])
    return table


def markdown(rows: Sequence[Row]) -> str:
    """The mean figures as a table for a document."""
    lines = ["| per incident | this program | the simplest supervisor | ratio | target |", "|---|---|---|---|---|"]
    for one in figures(rows):
        target = f"≤ {one.share:g}" if one.share is not None else ""
        name = one.name.replace("_", " ")
        lines.append(f"| {name} | {one.ours:,.1f} | {one.theirs:,.1f} | {one.ratio:.3f} | {target} |")
    return "\n".join([*lines, ""])


def picture(rows: Sequence[Row]) -> str:
    """Bytes of requests of each incident, side by side."""
    height = 70 + _LINE * len(rows)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" {_FONT}>',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            '<text x="10" y="24" font-weight="bold">Bytes sent to a model for one incident (calls)</text>',
            f'<text x="10" y="44" fill="{_OURS}">this program</text>',
            '<text x="110" y="44" fill="#607d8b">the simplest supervisor</text>',
            *_bars(rows),
            "</svg>\n",
        )
    )


def _bars(rows: Sequence[Row]) -> Iterator[str]:
    most = max((max(row.ours.request_bytes, row.theirs.request_bytes) for row in rows), default=1)
    for place, row in enumerate(rows):
        y = 58 + _LINE * place
        yield f'<text x="10" y="{y + 15}">{escape(row.scenario)}</text>'
        for offset, cost, colour in ((0, row.ours, _OURS), (12, row.theirs, _THEIRS)):
            width = max(1.0, _BAR * cost.request_bytes / most)
            yield f'<rect x="{_LEFT}" y="{y + offset}" width="{width:.1f}" height="10" fill="{colour}"/>'
            shown = f"{cost.request_bytes:,} ({cost.calls})"
            yield f'<text x="{_LEFT + width + 6:.0f}" y="{y + offset + 9}" font-size="10">{shown}</text>'
