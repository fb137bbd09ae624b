"""A storm of warnings on the real program: how many incidents it makes of it, what it misses, what it holds."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from program import program, stored
from stage_apart import stage_apart

SUBJECTS, WARNINGS = 200, 10_000
ALL_SECONDS, LOOK_SECONDS = 120.0, 0.25
_COUNTS = "SELECT count(*), coalesce(sum(json_extract(body, '$.signals')), 0), sum(status = 'open') FROM incidents"


async def measure_storm(subjects: int = SUBJECTS, warnings: int = WARNINGS) -> dict[str, Any]:
    """Incidents, warnings counted in them and memory, once every incident has been handed over (mode suggest)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with stage_apart(nodes=2, speed=4.0) as stage, program(folder, stage.kubeconfig, grace_seconds=1) as ours:
            before, started = ours.resident_mb, time.perf_counter()
            written = await stage.ask("storm", subjects, warnings)
            incidents, signals = await _handed_over(folder, subjects, written)
            return {
                "subjects": subjects,
                "warnings": written,
                "incidents": incidents,
                "counted": signals,
                "seconds": round(time.perf_counter() - started, 1),
                "cpu_seconds": ours.cpu_seconds,
                "resident_before_mb": before,
                "resident_mb": ours.resident_mb,
                "highest_mb": ours.highest_mb,
            }


async def _handed_over(folder: Path, subjects: int, written: int) -> tuple[int, int]:
    """Wait until as many incidents have been handed over; how many there are and what they have counted.

    Raises RuntimeError with how far it has come where that takes too long.
    """
    incidents = signals = unfinished = 0
    try:
        async with asyncio.timeout(ALL_SECONDS):
            while True:
                incidents, signals, unfinished = await asyncio.to_thread(stored, folder, _COUNTS)
                if incidents >= subjects and signals >= written and not unfinished:
                    return incidents, signals
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        said = f"{incidents} incidents of {subjects}, {signals} warnings of {written}, {unfinished} still open"
        raise RuntimeError(f"after {ALL_SECONDS:g} s: {said}") from error
