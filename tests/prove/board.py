"""What a person sees while the proof runs: one row a scenario, and at the end what is not as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.scenario import Scenario
from tests.scenario_runs import Ended

from .report import Row
from .results import Result, Side


class Board:
    """A live table on a terminal; anywhere else a line for each end."""

    def __init__(self, console: Console, rows: Callable[[], Sequence[Row]]) -> None:
        self._console = console
        self._rows = rows
        self._since: dict[tuple[str, Side], float] = {}
        self._ended: dict[tuple[str, Side], Ended] = {}
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def progress(self, side: Side) -> Callable[[Scenario, Ended | None], None]:
        """What a run on that side is to tell its progress to."""

        def tell(scenario: Scenario, ended: Ended | None) -> None:
            if ended is None:
                self._since[scenario.name, side] = time.monotonic()
                return
            self._ended[scenario.name, side] = ended
            if not self._console.is_terminal:
                line = f"{side:9} {scenario.name:24} {ended.outcome:12} {ended.seconds:6.1f} s"
                self._console.print(line, highlight=False)

        return tell

    def table(self) -> Table:
        """Every scenario as it stands."""
        table = Table(box=None, pad_edge=False)
        for heading in ("SCENARIO", "FAMILY", "EMBEDDED", "REAL", "AGREE"):
            table.add_column(heading)
        table.add_column("SECONDS", justify="right")
        for row in self._rows():
            seconds = (
                self._seconds(row.embedded, row.scenario, "embedded"),
                self._seconds(row.real, row.scenario, "real"),
            )
            table.add_row(row.scenario, row.family, *self._sides(row), _agree(row), " / ".join(seconds))
        return table

    def _sides(self, row: Row) -> tuple[Text, Text]:
        real = Text("embedded only", style="dim") if row.embedded_only else self._side(row.real, row.scenario, "real")
        return self._side(row.embedded, row.scenario, "embedded"), real

    def _side(self, result: Result | None, scenario: str, side: Side) -> Text:
        if result is not None:
            return Text(result.outcome, style="red" if result.failures else "green")
        ended = self._ended.get((scenario, side))
        if ended is not None:
            return Text(ended.outcome, style="cyan")  # not judged yet
        return Text("broken", style="cyan") if (scenario, side) in self._since else Text("")

    def _seconds(self, result: Result | None, scenario: str, side: Side) -> str:
        ended, since = self._ended.get((scenario, side)), self._since.get((scenario, side))
        if (end := result or ended) is not None:
            return f"{end.seconds:.0f}"
        return "-" if since is None else f"{time.monotonic() - since:.0f}"


def _agree(row: Row) -> Text:
    if row.embedded is None or row.real is None:
        return Text("")
    return Text("no", style="red") if row.disagreements else Text("yes", style="green")
