"""What is measured beside what it is built to: each figure a line with its target, and whether that was met.

A figure without a target is shown for whoever wants to compare it between two versions on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number. ``most`` and ``least`` are the target; both None where there is none."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None
    beside: str = ""

    @property
    def target(self) -> str:
        """The target in words."""
        if self.most is not None and self.most == self.least:
            return f"{self.most:g}{self._unit}"
        if self.most is not None:
            return f"<= {self.most:g}{self._unit}"
        return f">= {self.least:g}{self._unit}" if self.least is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether it holds; None without a target."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def shown(self) -> str:
        """The number with its unit."""
        return f"{self.value:,.10g}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def figures(results: dict[str, Any]) -> Iterator[Figure]:
    """Every figure of one run."""
    for name, part in (
        ("watching", _watching),
        ("reaction", _reaction),
        ("real-watching", _real(_watching)),
        ("real-reaction", _real(_reaction)),
        ("storm", _storm),
        ("costs", _costs),
        ("starting", _starting),
    ):
        if name in results:
            yield from part(results[name])


def _real(part: Callable[[dict[str, Any]], Iterator[Figure]]) -> Callable[[dict[str, Any]], Iterator[Figure]]:
    """The same figures of the real API server."""
    return lambda found: (replace(figure, name=f"real API server: {figure.name}") for figure in part(found))


def _watching(found: dict[str, Any]) -> Iterator[Figure]:
    events = f"{found['events']:,} events to incidents"
    rates = f"{found['ours_per_second']:,}/s beside"
    yield Figure(
        name=f"{events}, to the typed watch loop",
        value=found["to_typed"],
        unit="x",
        least=1.5,
        beside=f"{rates} {found['typed_per_second']:,}/s",
    )
    yield Figure(
        name=f"{events}, to raw lines and orjson",
        value=found["to_raw"],
        unit="x",
        least=0.6,
        beside=f"{rates} {found['raw_per_second']:,}/s",
    )
    yield Figure(name="incidents of 500 subjects", value=found["incidents"], most=500)
    yield Figure(name="occurrences counted", value=found["signals"], most=found["events"], least=found["events"])
    yield Figure(name="resident memory after it", value=found["resident_mb"], unit="MB")


def _reaction(found: dict[str, Any]) -> Iterator[Figure]:
    one, many = found["one_by_one"], found["at_once"]
    road = "event's last byte to patch's first"
    yield Figure(name=f"{road}, p50 of {one['incidents']}", value=one["p50_ms"], unit="ms", most=50)
    yield Figure(name=f"{road}, p99", value=one["p99_ms"], unit="ms", most=200)
    yield Figure(name=f"{road}, p50 of {many['incidents']} at once", value=many["p50_ms"], unit="ms")


def _storm(found: dict[str, Any]) -> Iterator[Figure]:
    subjects, warnings = found["subjects"], found["warnings"]
    yield Figure(
        name=f"storm of {warnings:,} warnings: incidents", value=found["incidents"], most=subjects, least=subjects
    )
    yield Figure(name="storm: warnings counted", value=found["counted"], least=warnings)
    yield Figure(name="storm: most memory resident", value=found["highest_mb"], unit="MB", most=250)
    yield Figure(name="storm: until every incident was handed over", value=found["seconds"], unit="s")


def _costs(found: dict[str, Any]) -> Iterator[Figure]:
    small, large = found["100"], found["5000"]
    for what in ("requests", "bytes"):
        few, many = small[f"{what}_per_incident"], large[f"{what}_per_incident"]
        yield Figure(
            name=f"{what} of an incident, at 5,000 workloads to 100",
            value=round(many / few, 3),
            unit="x",
            most=1.1,
            least=0.9,
            beside=f"{many:,g} beside {few:,g}",
        )
    sweep = f"a sweep every {found['sweep_seconds']} s"
    yield Figure(name=f"idle at 100 workloads, {sweep}", value=small["idle_percent"], unit="% of a core", most=1)
    yield Figure(name=f"idle at 5,000 workloads, {sweep}", value=large["idle_percent"], unit="% of a core", most=5)
    yield Figure(name="resident while idle at 5,000 workloads", value=large["idle_resident_mb"], unit="MB")


def _starting(found: dict[str, Any]) -> Iterator[Figure]:
    beside = f"an interpreter alone: {found['python_pass_ms']} ms"
    yield Figure(name="--help", value=found["help_ms"], unit="ms", most=500, beside=beside)
