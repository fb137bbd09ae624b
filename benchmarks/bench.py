"""``make bench``: what the daemon is built to, measured on this machine in one run of some ten minutes.

(watching) 20,000 events to incidents, beside the typed loop of the official client and beside raw lines.
(reaction) An event's last byte to the patch's first, on the wire, grace 0, server dry run included, no model.
(real-watching, real-reaction) The same two on the real API server, where its binaries have been built.
(storm) 10,000 warnings on 200 subjects, and what the real process makes of them.
(costs) Requests and bytes of an incident, and idle processor time, at 100 and at 5,000 workloads.
(starting) ``k8s-auto-fixer --help``.

Prints a table against the targets and writes ``benchmarks/results/daemon.json`` and ``.svg``; names of parts as
arguments measure those alone and write nothing. A target missed is shown, and is no failure of the benchmark.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from costs import measure_costs
from machine import describe_machine
from picture import picture
from reaction import measure_reaction, measure_real_reaction
from rich.console import Console
from rich.table import Table
from starting import measure_starting
from storm import measure_storm
from verdicts import Figure, figures
from watching import measure_real_watching, measure_watching

from app.logs import configure_logging
from app.version import VERSION

INCIDENTS, AT_ONCE = 60, 50
WIDTH = 150  # of the table where no terminal has one
REAL_INCIDENTS, REAL_AT_ONCE = 20, 20  # its kubelet takes its time: seconds for each
PARTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "starting": ("starting", measure_starting),
    "watching": ("reading 20,000 events three ways", lambda: asyncio.run(measure_watching())),
    "reaction": (
        f"{INCIDENTS} incidents one by one, {AT_ONCE} at once",
        lambda: asyncio.run(measure_reaction(INCIDENTS, AT_ONCE)),
    ),
    "real-watching": (
        "the same from the real API server, which has to be told of them first",
        lambda: asyncio.run(measure_real_watching()),
    ),
    "real-reaction": (
        f"{REAL_INCIDENTS} incidents one by one, {REAL_AT_ONCE} at once, on the real API server",
        lambda: asyncio.run(measure_real_reaction(REAL_INCIDENTS, REAL_AT_ONCE)),
    ),
    "storm": ("a storm of 10,000 warnings", lambda: asyncio.run(measure_storm())),
    "costs": ("clusters of 100 and of 5,000 workloads (four minutes)", lambda: asyncio.run(measure_costs())),
}
RESULTS = Path(__file__).with_name("results")


def main(names: list[str]) -> int:
    """Measure, show, write. Answers the exit code."""
    if unknown := [name for name in names if name not in PARTS]:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    configure_logging(quiet=True)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    started, machine = time.monotonic(), describe_machine()
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    results: dict[str, Any] = {"version": VERSION, "measured_at": measured_at, "machine": machine}
    for name in names or _measurable(console):
        words, measure = PARTS[name]
        began = time.monotonic()
        console.print(f"{words} ...", highlight=False, end="")
        results[name] = measure()
        console.print(f" {time.monotonic() - began:.0f} s", highlight=False)
    results["wall_seconds"] = round(time.monotonic() - started, 1)
    found = list(figures(results))
    title = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    console.print(_table(title, found))
    console.print(f"{results['wall_seconds']} s in all; load before: {machine['load_before']}", highlight=False)
    if not names:
        _write(title, results, found)
        console.print("written to benchmarks/results/daemon.json and .svg", highlight=False)
    return 0


def _measurable(console: Console) -> list[str]:
    """All parts, but for those that need binaries which nobody has built here."""
    if _is_real_server_there():
        return list(PARTS)
    console.print("no real API server is built here (`make control-plane`): its parts are left out", highlight=False)
    return [name for name in PARTS if not name.startswith("real-")]


def _is_real_server_there() -> bool:
    sys.path.append(str(Path(__file__).resolve().parents[1]))  # the harness belongs to the tests
    from tests.control_plane.build import find_binaries

    return find_binaries(os.environ) is not None


def _table(title: str, found: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("FIGURE", "MEASURED", "TARGET", "VERDICT", "BESIDE"):
        table.add_column(heading, justify="right" if heading in ("MEASURED", "TARGET") else "left")
    verdicts = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}
    for figure in found:
        table.add_row(figure.name, figure.shown, figure.target, verdicts[figure.met], figure.beside)
    return table


def _write(title: str, results: dict[str, Any], found: list[Figure]) -> None:
    verdicts = [
        {"name": one.name, "value": one.value, "unit": one.unit, "target": one.target, "met": one.met} for one in found
    ]
    RESULTS.mkdir(exist_ok=True)
    body = orjson.dumps({**results, "figures": verdicts}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (RESULTS / "daemon.json").write_bytes(body)
    (RESULTS / "daemon.svg").write_text(picture(title, found, results.get("reaction")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
