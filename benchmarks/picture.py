"""A run's figures as one picture, written by hand as SVG: what was measured, and how long reactions took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from verdicts import Figure

WIDTH, LEFT, LINE, BAR, TEXT = 900, 470, 24, 260, 12
FONT = f'font-family="sans-serif" font-size="{TEXT}"'
_COLOURS = {True: "#2e7d32", False: "#c62828", None: "#607d8b"}


def picture(title: str, figures: Sequence[Figure], reaction: dict[str, Any] | None) -> str:
    """The whole picture. A bar is as long as the figure is to its target, which stands at the line."""
    rows = list(_rows(figures))
    below = 60 + LINE * len(figures)
    chart = list(_steps(reaction, below)) if reaction else []
    height = below + (240 if chart else 10)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" {FONT}>',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            _text(10, 24, title, weight="bold"),
            *rows,
            *chart,
            "</svg>\n",
        )
    )


def _rows(figures: Sequence[Figure]) -> Iterator[str]:
    for place, figure in enumerate(figures):
        y = 44 + LINE * place
        yield _text(10, y + 12, figure.name)
        target = figure.most if figure.most is not None else figure.least
        if target:
            length = min(figure.value / target, 2.0) * BAR / 2
            yield f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="15" fill="{_COLOURS[figure.met]}"/>'
            yield _line(LEFT + BAR / 2, y - 2, LEFT + BAR / 2, y + 17)
        yield _text(LEFT + BAR + 10, y + 12, f"{figure.shown}  {figure.target}")


def _steps(reaction: dict[str, Any], top: float) -> Iterator[str]:
    """How many of the reactions were through after so many milliseconds, one after the other."""
    took, x, y, height = reaction["one_by_one"]["all_ms"], 60.0, top + 30, 160.0
    longest, width = max(250.0, took[-1]), WIDTH - 120.0
    yield _text(
        10, top + 16, "reactions, one incident at a time: share that was through, by milliseconds", weight="bold"
    )
    points = [(x + width * ms / longest, y + height * (1 - (n + 1) / len(took))) for n, ms in enumerate(took)]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    yield f'<polyline points="{path}" fill="none" stroke="#1565c0" stroke-width="2"/>'
    yield _line(x, y + height, x + width, y + height)
    for mark in range(0, int(longest) + 1, 50):
        yield _text(x + width * mark / longest - 8, y + height + 16, str(mark))
    for share in (50, 99):
        level = y + height * (1 - share / 100)
        yield _line(x, level, x + width, level, dash="4 4")
        yield _text(10, level + 4, f"p{share}")


def _text(x: float, y: float, text: str, *, weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-weight="{weight}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, *, dash: str = "") -> str:
    ends = f'x1="{x:.0f}" y1="{y:.0f}" x2="{to_x:.0f}" y2="{to_y:.0f}"'
    return f'<line {ends} stroke="#333" stroke-dasharray="{dash}"/>'
