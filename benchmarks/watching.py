"""From a watch to incidents: 20,000 Warning events about 500 workloads, read three ways in one run.

The typed loop that most people write, and the raw lines parsed and thrown away, which nothing can beat, do not go
beyond reading; ours ends with the incidents in the store. All read the same bytes from the same server, which sends
them as fast as a real one or is one; server and readers are processes of their own, so that memory and processor time
are each one's own.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from stage_apart import real_stage_apart

EVENTS, SUBJECTS, RUNS, RUN_SECONDS = 20_000, 500, 3, 90.0
WAYS = ("raw", "typed", "ours")
_SERVER, _READER = Path(__file__).with_name("events.py"), Path(__file__).with_name("reading.py")


async def measure_watching(events: int = EVENTS) -> dict[str, Any]:
    """Events a second of the three, as the median of interleaved runs, their ratios, and what became of ours."""
    async with _server(events) as port:
        return await _measured({"server": f"http://127.0.0.1:{port}", "events": events, "version": "1"})


async def measure_real_watching(events: int = EVENTS) -> dict[str, Any]:
    """The same on the real API server, of events about Deployments that have no pods."""
    async with real_stage_apart() as stage:
        return await _measured(await stage.ask("warnings", SUBJECTS, events))


async def _measured(asked: dict[str, Any]) -> dict[str, Any]:
    events, runs = asked["events"], {way: list[dict[str, Any]]() for way in WAYS}
    for _ in range(RUNS):
        for way in WAYS:
            runs[way].append(await _read(way, asked))
    rates = {way: events / median(run["seconds"] for run in runs[way]) for way in WAYS}
    last = runs["ours"][-1]
    return {
        "events": events,
        "runs": RUNS,
        **{f"{way}_per_second": round(rate) for way, rate in rates.items()},
        "to_typed": round(rates["ours"] / rates["typed"], 2),
        "to_raw": round(rates["ours"] / rates["raw"], 2),
        "incidents": last["incidents"],
        "signals": last["signals"],
        "requests": last["requests"],
        "resident_mb": round(max(run["resident_mb"] for run in runs["ours"]), 1),
        "cpu_seconds": {way: round(median(run["cpu_seconds"] for run in runs[way]), 2) for way in WAYS},
    }


async def _read(way: str, asked: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(sys.executable, str(_READER), way, stdin=PIPE, stdout=PIPE)
    try:
        async with asyncio.timeout(RUN_SECONDS):
            said, _ = await process.communicate(orjson.dumps(asked, option=orjson.OPT_APPEND_NEWLINE))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"reading {way} has failed; what it said is above")
    found: dict[str, Any] = orjson.loads(said)
    return found


@asynccontextmanager
async def _server(events: int) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(sys.executable, str(_SERVER), str(events), stdout=PIPE)
    try:
        line = await process.stdout.readline() if process.stdout is not None else b""
        yield int(line)
    finally:
        process.terminate()
        await process.wait()
