"""``make bench``, second part: the embedded cluster by itself, in a process of its own, measured from another.

(a) Start-up of three nodes, without the imports; processor and memory while nobody asks for anything.
(b) API requests a second: get, a list of 100 objects, merge patch; events a second to 50 watches.
(c) 5,000 pods on 100 nodes: until all run, what the process holds then, and what it takes when they only run.

Prints a table and writes ``benchmarks/results/embedded_cluster.json``. ``--pods N`` and ``--nodes N`` make (c) smaller;
what was measured so is not written. A target missed is shown, and is no failure of the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from cluster_requests import measure_requests
from cluster_scale import measure_scale, measure_starts
from machine import describe_machine
from rich.console import Console
from rich.table import Table

from app.version import VERSION

PODS, NODES, SPEED = 5000, 100, 2.0
"""At twice real speed images and programs hardly wait, and a hundred nodes' heartbeats are no work to speak of."""
TARGETS = {"start_ms": 1000, "running_seconds": 60, "resident_mb": 500, "idle_percent": 5}
RESULTS = Path(__file__).with_name("results") / "embedded_cluster.json"


def main() -> None:
    """Measure, show, write."""
    options = _options()
    console, started = Console(), time.monotonic()
    results: dict[str, Any] = {
        "version": VERSION,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
    }
    console.print("starting embedded clusters ...")
    results["starting"] = asyncio.run(measure_starts())
    console.print("asking and watching ...")
    results["requests"] = asyncio.run(measure_requests())
    console.print(f"{options.pods:,} pods on {options.nodes} nodes (minutes) ...", highlight=False)
    results["scale"] = asyncio.run(measure_scale(pods=options.pods, nodes=options.nodes, speed=SPEED))
    results["targets"] = TARGETS
    results["wall_seconds"] = round(time.monotonic() - started, 1)
    console.print(_table(results))
    if (options.pods, options.nodes) != (PODS, NODES):
        return
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    console.print(f"{results['wall_seconds']} s in all; written to benchmarks/results/{RESULTS.name}", highlight=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the embedded cluster.")
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--nodes", type=int, default=NODES)
    return parser.parse_args()


def _table(results: dict[str, Any]) -> Table:
    machine, start, asked, scale = (results[name] for name in ("machine", "starting", "requests", "scale"))
    title = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("MEASURED", "OURS", "TARGET"):
        table.add_column(heading, justify="left" if heading == "MEASURED" else "right")
    many = f"{scale['pods']:,} pods on {scale['nodes']} nodes"
    watch = asked["watch"]
    for measured, ours, target in (
        ("start of 3 nodes", f"{start['start_ms']} ms", f"{TARGETS['start_ms']} ms"),
        ("3 nodes, idle", f"{start['idle_percent']} % of a core", f"{TARGETS['idle_percent']} %"),
        ("get", f"{asked['get_per_second']:,}/s", ""),
        (f"list of {asked['objects_in_the_list']}", f"{asked['list_per_second']:,}/s", ""),
        ("merge patch", f"{asked['patch_per_second']:,}/s", ""),
        (f"events to {watch['watches']} watches", f"{watch['events_per_second']:,}/s", ""),
        (f"{many}: all Running", f"{scale['running_seconds']} s", f"{TARGETS['running_seconds']} s"),
        (f"{many}: all Events written", f"{scale['events_seconds']} s", ""),
        (f"{many}: resident", f"{scale['resident_mb']} MB", f"{TARGETS['resident_mb']} MB"),
        (f"{many}: idle", f"{scale['idle_percent']} % of a core", f"{TARGETS['idle_percent']} %"),
    ):
        table.add_row(measured, ours, target)
    return table


if __name__ == "__main__":
    main()
