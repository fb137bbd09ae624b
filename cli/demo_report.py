"""What the demo shows while it runs and at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from incidents.incident import Incident
from simulator.judge import Harm
from simulator.scenario import Scenario

_STYLES = {"resolved": "green", "left_alone": "green", "rolled_back": "yellow", "escalated": "yellow"}
_NODES = {"Observe": "cyan", "Supervisor": "dim", "AutoFixer": "green", "HelpSeeker": "yellow"}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one scenario ended. ``problems`` are what its own check found on the cluster afterwards."""

    scenario: Scenario
    outcome: str
    seconds: float
    changes: int
    problems: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The outcome the scenario asks for."""
        return str(self.scenario.expected.get("outcome", ""))

    @property
    def as_expected(self) -> bool:
        """Whether it ended with the expected outcome and its check found nothing."""
        return self.outcome == self.expected and not self.problems


class Board:
    """The live picture: one row a scenario, and above it what the agents say."""

    def __init__(self, console: Console, scenarios: Sequence[Scenario]) -> None:
        self._console = console
        self._scenarios = scenarios
        self._by_namespace = {scenario.namespace: scenario for scenario in scenarios}
        self._broken_at: dict[str, float] = {}
        self._state: dict[str, str] = {scenario.name: "healthy" for scenario in scenarios}
        self._ended: dict[str, Ended] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def broken(self, scenario: Scenario) -> None:
        """A scenario stands broken from now on."""
        self._broken_at[scenario.name] = time.monotonic()
        self._state[scenario.name] = "broken"
        self._line(scenario, "break" if scenario.expected.get("outcome") != "left_alone" else "start", scenario.title)

    def said(self, incident: Incident, node: str, text: str) -> None:
        """An agent said something about an incident."""
        scenario = self._by_namespace.get(incident.subject.namespace)
        if scenario is None or node == "Supervisor":
            return
        self._state[scenario.name] = node
        lines = text.splitlines()
        self._line(scenario, node, lines[-1] if node == "Observe" and lines else (lines or [""])[0])

    def ended(self, ended: Ended) -> None:
        """A scenario has come to its end."""
        self._ended[ended.scenario.name] = ended
        self._state[ended.scenario.name] = ended.outcome
        self._line(ended.scenario, ended.outcome, f"after {ended.seconds:.1f} s, {ended.changes} change(s)")

    def seconds(self, scenario: Scenario) -> float:
        """Real seconds since a scenario was broken."""
        return time.monotonic() - self._broken_at[scenario.name]

    def _line(self, scenario: Scenario, who: str, text: str) -> None:
        line = Text(f"{scenario.name:<20} ", style="bold")
        line.append(f"{who:<11} ", style=_NODES.get(who) or _STYLES.get(who) or "red")
        line.append(text[:200])
        self._console.print(line, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("SCENARIO", "NOW", "SECONDS"):
            table.add_column(heading)
        for scenario in self._scenarios:
            done = self._ended.get(scenario.name)
            state = self._state[scenario.name]
            seconds = done.seconds if done else self.seconds(scenario) if scenario.name in self._broken_at else 0.0
            table.add_row(scenario.name, Text(state, style=_STYLES.get(state, "cyan")), f"{seconds:.1f}")
        return table


def summary(ended: Sequence[Ended], harms: Sequence[Harm], *, wall_seconds: float) -> dict[str, Any]:
    """The demo's result as JSON data; ``harmful`` comes from the judge."""
    return {
        "scenarios": [
            {
                "name": item.scenario.name,
                "family": item.scenario.family,
                "expected": item.expected,
                "outcome": item.outcome if not item.problems else "check_failed",
                "seconds": round(item.seconds, 2),
                "changes": item.changes,
                "harmful": sum(_concerns(harm, item.scenario) for harm in harms),
            }
            for item in ended
        ],
        **{
            outcome: sum(item.outcome == outcome for item in ended)
            for outcome in ("resolved", "escalated", "rolled_back", "left_alone")
        },
        "harmful": len(harms),
        "wall_seconds": round(wall_seconds, 2),
    }


def _concerns(harm: Harm, scenario: Scenario) -> bool:
    return f"/{scenario.namespace}/" in harm.key


def report(console: Console, ended: Sequence[Ended], harms: Sequence[Harm], result: Mapping[str, Any]) -> None:
    """The result for a reader."""
    table = Table(title="What became of it", title_justify="left", box=None, pad_edge=False)
    for heading in ("SCENARIO", "EXPECTED", "OUTCOME", "SECONDS", "CHANGES", "HARM"):
        table.add_column(heading, justify="right" if heading in ("SECONDS", "CHANGES", "HARM") else "left")
    for item, row in zip(ended, result["scenarios"], strict=True):
        style = "green" if item.as_expected and not row["harmful"] else "red"
        table.add_row(
            item.scenario.name,
            item.expected,
            Text(row["outcome"], style=style),
            f"{item.seconds:.1f}",
            str(item.changes),
            str(row["harmful"]),
        )
    console.print()
    console.print(table)
    for item in ended:
        for problem in item.problems:
            console.print(f"{item.scenario.name}: {problem}", style="red", markup=False)
    for harm in harms:
        console.print(f"harm: {harm}", style="red", markup=False)
    counts = ", ".join(f"{result[key]} {key}" for key in ("resolved", "rolled_back", "escalated", "left_alone"))
    console.print(f"\n{counts}, {result['harmful']} harmful, in {result['wall_seconds']} s", highlight=False)
