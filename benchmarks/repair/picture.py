"""The families as bars, written by hand as SVG: what share of each one's runs came to what.

One panel for each set on each side, next to each other, so that a family is one line across all of them. Colours are
those of the Okabe-Ito palette, which people who do not see red and green apart can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import msgspec

from .run import Mark
from .score import Totals

MARGIN, LEFT, PANEL, GAP, LINE, HEIGHT, TEXT = 16, 110, 400, 28, 22, 14, 12
_TOP = 92
_FONT = f'font-family="Helvetica, Arial, sans-serif" font-size="{TEXT}" fill="#222222"'
_COLOURS = {
    Mark.REPAIRED: ("#009e73", "repaired"),
    Mark.TOLD: ("#0072b2", "handed over, right cause"),
    Mark.LEFT_ALONE: ("#b9c4cc", "rightly left alone"),
    Mark.ILL_TOLD: ("#f0e442", "wrong cause"),
    Mark.MISSED: ("#e69f00", "missed"),
    Mark.INVALID: ("#999999", "never broke"),
    Mark.HARMFUL: ("#d00000", "harmful"),
}
_LEGEND = (84, 176, 138, 104, 74, 96, 80)  # widths, as long as the words


class Bars(msgspec.Struct, frozen=True):
    """One panel."""

    title: str
    families: Mapping[str, Totals]


def picture(title: str, panels: Sequence[Bars]) -> str:
    """The whole picture."""
    names = sorted({name for panel in panels for name in panel.families})
    width = max(2 * MARGIN + LEFT + len(panels) * PANEL + (len(panels) - 1) * GAP, 2 * MARGIN + sum(_LEGEND))
    height = _TOP + LINE * len(names) + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            _text(MARGIN, 26, title, weight="bold", size=16),
            *_legend(50),
            *(_text(MARGIN + LEFT - 8, _row(place) + 11, name, anchor="end") for place, name in enumerate(names)),
            *(line for place, panel in enumerate(panels) for line in _panel(place, panel, names)),
            "</svg>\n",
        )
    )


def _row(place: int) -> int:
    return _TOP + LINE * place


def _legend(y: int) -> Iterator[str]:
    x = MARGIN
    for (colour, words), width in zip(_COLOURS.values(), _LEGEND, strict=True):
        yield f'<rect x="{x}" y="{y - 11}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 17, y, words)
        x += width


def _panel(place: int, panel: Bars, names: Sequence[str]) -> Iterator[str]:
    x = MARGIN + LEFT + place * (PANEL + GAP)
    yield _text(x, _TOP - 10, panel.title, size=11)
    for line, name in enumerate(names):
        if name in panel.families:
            yield from _bar(x, _row(line), panel.families[name])


def _bar(left: float, y: int, total: Totals) -> Iterator[str]:
    x = float(left)
    for mark, (colour, words) in _COLOURS.items():
        number = total.marks.get(str(mark), 0)
        if not number:
            continue
        width = PANEL * number / max(1, total.runs)
        yield f'<rect x="{x:.1f}" y="{y}" width="{max(width - 1, 1):.1f}" height="{HEIGHT}" fill="{colour}">'
        yield f"<title>{number} of {total.runs} runs {words}</title></rect>"
        if width >= 24:
            ink = "#222222" if mark in (Mark.LEFT_ALONE, Mark.ILL_TOLD, Mark.MISSED) else "#ffffff"
            yield _text(x + width / 2, y + 11, str(number), anchor="middle", size=10, ink=ink)
        x += width


def _text(x: float, y: float, text: str, *, weight: str = "", anchor: str = "", size: int = 0, ink: str = "") -> str:
    given = {"font-weight": weight, "text-anchor": anchor, "font-size": size or "", "fill": ink}
    shown = "".join(f' {name}="{value}"' for name, value in given.items() if value)
    return f'<text x="{x:.0f}" y="{y:.0f}"{shown}>{escape(text)}</text>'
