"""``make bench``: reaction, start-up and watching, measured on this machine in one run.

(a) From an event's last byte to the patch's first byte, on the wire, on the embedded cluster: the daemon as it is, at
    real speed, grace 0, server dry run included, no model. Incidents come half a second apart, so that each is alone
    but for the verification of the ones before it.
(b) ``k8s-auto-fixer --help`` beside an interpreter that does nothing.
(c) Reading 20,000 Warning events: our watch beside the typed loop of the official asyncio client.

Prints a table and writes ``benchmarks/results/first_repair.json``. Compare ratios, not seconds, between machines.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from machine import describe_machine
from reaction import measure_reaction
from rich.console import Console
from rich.table import Table
from starting import measure_starting
from watching import measure_watching

from app.logs import configure_logging
from app.version import VERSION

INCIDENTS, EVENTS = 100, 20_000
RESULTS = Path(__file__).with_name("results") / "first_repair.json"


def main() -> None:
    """Measure, show, write."""
    configure_logging(quiet=True)
    console, started = Console(), time.monotonic()
    results: dict[str, Any] = {
        "version": VERSION,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
    }
    console.print(f"{INCIDENTS} incidents, one after the other (about a minute) ...", highlight=False)
    results["reaction"] = asyncio.run(measure_reaction(INCIDENTS))
    console.print("starting ...")
    results["starting"] = measure_starting()
    console.print(f"reading {EVENTS:,} events ...", highlight=False)
    results["watching"] = asyncio.run(measure_watching(EVENTS))
    results["wall_seconds"] = round(time.monotonic() - started, 1)
    console.print(_table(results))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    console.print(f"{results['wall_seconds']} s in all; written to benchmarks/results/{RESULTS.name}", highlight=False)


def _table(results: dict[str, Any]) -> Table:
    machine, reaction = results["machine"], results["reaction"]
    starting, watching = results["starting"], results["watching"]
    title = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("MEASURED", "OURS", "BESIDE IT", "RATIO"):
        table.add_column(heading, justify="left" if heading == "MEASURED" else "right")
    for name in ("p50", "p90", "p99", "max"):
        measured = f"event's last byte to patch's first, {name} of {reaction['incidents']}"
        table.add_row(measured, f"{reaction[f'{name}_ms']} ms", "", "")
    table.add_row(
        "--help, beside python -c pass",
        f"{starting['help_ms']} ms",
        f"{starting['python_pass_ms']} ms",
        str(starting["ratio"]),
    )
    table.add_row(
        f"reading {watching['events']:,} events, beside the typed client",
        f"{watching['ours_per_second']:,}/s",
        f"{watching['typed_per_second']:,}/s",
        str(watching["ratio"]),
    )
    return table


if __name__ == "__main__":
    main()
