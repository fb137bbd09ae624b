"""From an event's last byte to the patch's first byte: the program as it is, grace 0, dry run included, no model.

Timed on the wire, by the relay between the program and the API server; the program is a process of its own. One by one
means just that: the next workload breaks when the incident of the one before has ended.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from program import program, stored
from stage_apart import StageApart, real_stage_apart, stage_apart

END_SECONDS, LOOK_SECONDS, FIRST = 120.0, 0.1, 3
# What is timed is the road and not the caps on it; no model is asked.
UNHINDERED: dict[str, object] = {
    "mode": "auto",
    "grace_seconds": 0,
    "settle_seconds": 0.5,
    "sweep_seconds": 3600,
    "workers": 64,
    "cooldown_seconds": 0,
    "same_field_seconds": 0,
    "concurrent_changes": 100_000,
    "changes_per_hour": 100_000,
    "namespace_share": 1,
    "breaker_undone": 100_000,
}
_COUNTS = (
    "SELECT coalesce(sum(json_extract(body, '$.outcome') = 'resolved'), 0), coalesce(sum(status = 'open'), 0)"
    " FROM incidents"
)


async def measure_reaction(incidents: int, at_once: int) -> dict[str, Any]:
    """Milliseconds of so many incidents one after the other, and of so many at once, on the embedded cluster."""
    return await _measured(stage_apart(), incidents, at_once)


async def measure_real_reaction(incidents: int, at_once: int) -> dict[str, Any]:
    """The same on the real API server."""
    return await _measured(real_stage_apart(), incidents, at_once)


async def _measured(staging: AbstractAsyncContextManager[StageApart], incidents: int, at_once: int) -> dict[str, Any]:
    """The first few are not counted. Raises RuntimeError when one was not repaired."""
    first, single, many = _names("first", FIRST), _names("one", incidents), _names("many", at_once)
    async with staging as stage:
        await stage.ask("deploy", [*first, *single, *many])
        async with unhindered(stage.kubeconfig) as folder:
            one_by_one: list[list[float | None]] = []
            for number, name in enumerate([*first, *single], start=1):
                one_by_one += await stage.ask("one_by_one", [name])
                await resolved(folder, number)
            together = await stage.ask("at_once", many)
            await resolved(folder, FIRST + incidents + at_once)
    return {"one_by_one": _distribution(one_by_one[FIRST:]), "at_once": _distribution(together)}


def _names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{place:03}" for place in range(number)]


def _distribution(seen: list[list[float | None]]) -> dict[str, Any]:
    took = sorted((patch - event) * 1000 for event, patch in seen if event is not None and patch is not None)
    if len(took) < len(seen):
        raise RuntimeError(f"of {len(seen)} incidents {len(took)} were patched")
    percentiles = quantiles(took, n=100, method="inclusive")
    return {
        "incidents": len(took),
        "p50_ms": round(percentiles[49], 1),
        "p90_ms": round(percentiles[89], 1),
        "p99_ms": round(percentiles[98], 1),
        "max_ms": round(took[-1], 1),
        "all_ms": [round(one, 1) for one in took],
    }


@asynccontextmanager
async def unhindered(kubeconfig: dict[str, Any]) -> AsyncIterator[Path]:
    """The program, watching; the folder of its store."""
    with tempfile.TemporaryDirectory() as name:
        async with program(Path(name), kubeconfig, **UNHINDERED):
            yield Path(name)


async def resolved(folder: Path, number: int) -> None:
    """Wait until so many incidents have ended well and none is open; RuntimeError where that does not come.

    There may be more: a kubelet's last word about a pod that is gone opens one that is closed again as suppressed.
    """
    counts: list[int] = []
    try:
        async with asyncio.timeout(END_SECONDS):
            while True:
                counts = await asyncio.to_thread(stored, folder, _COUNTS)
                if counts[0] >= number and not counts[1]:
                    return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        said = f"after {END_SECONDS:g} s {counts[0]} of {number} incidents were resolved and {counts[1]} were open"
        raise RuntimeError(said) from error
