"""A soak's samples as one picture, written by hand as SVG: memory and what the store keeps, over the incidents that
have passed in the one process at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

WIDTH, LEFT, HEIGHT, ABOVE, TEXT = 900, 70, 160, 40, 12
FONT = f'font-family="sans-serif" font-size="{TEXT}"'
_CHARTS = (
    ("resident_mb", "resident memory, MB"),
    ("incidents", "incidents kept in the store (all but the audit trail is forgotten after retention)"),
    ("rows", "rows of every other table, audit trail apart"),
)
Samples = Sequence[dict[str, float]]


def soak_picture(title: str, samples: Samples) -> str:
    """One chart under the other, each from 0 to its highest."""
    each = HEIGHT + ABOVE + 20
    charts = [part for place, chart in enumerate(_CHARTS) for part in _chart(*chart, samples, 40 + each * place)]
    height = 40 + each * len(_CHARTS) + 30
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" {FONT}>'
    white = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    below = _text(LEFT, height - 10, "incidents that have passed")
    return "\n".join((head, white, _text(10, 24, title, weight="bold"), *charts, below, "</svg>\n"))


def _chart(field: str, name: str, samples: Samples, top: float) -> Iterator[str]:
    passed, values = [one["passed"] for one in samples], [one[field] for one in samples]
    highest, first, last = max(*values, 1), passed[0], max(passed[-1], passed[0] + 1)
    width, foot = WIDTH - LEFT - 30, top + ABOVE + HEIGHT
    points = " ".join(
        f"{LEFT + width * (at - first) / (last - first):.1f},{foot - HEIGHT * value / highest:.1f}"
        for at, value in zip(passed, values, strict=True)
    )
    yield _text(LEFT, top + ABOVE - 12, name)
    yield f'<polyline points="{points}" fill="none" stroke="#1565c0" stroke-width="1.5"/>'
    yield f'<line x1="{LEFT}" y1="{foot}" x2="{LEFT + width}" y2="{foot}" stroke="#333"/>'
    yield _text(10, foot - HEIGHT + 10, f"{highest:,.0f}")
    for at in (first, last):
        yield _text(LEFT + width * (at - first) / (last - first) - 10, foot + 15, f"{at:,.0f}")


def _text(x: float, y: float, text: str, *, weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-weight="{weight}">{escape(text)}</text>'
