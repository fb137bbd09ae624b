"""From an event's last byte to the patch's first byte: the daemon as it is, grace 0, dry run included, no model."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson

from app.composition import App, open_app
from app.settings import embedded_settings
from incidents.incident import Outcome, Status
from tools.notify import FileNotifier

ALL_SECONDS, END_SECONDS, STOP_SECONDS = 90.0, 30.0, 10.0
_PROGRAM = Path(__file__).with_name("breaking.py")


async def measure_reaction(incidents: int) -> dict[str, Any]:
    """Milliseconds of so many incidents, one after the other. Raises RuntimeError when one was not repaired."""
    async with _other_process(incidents) as (process, kubeconfig), _daemon(kubeconfig, workers=64) as app:
        _go_on(process)
        async with asyncio.timeout(ALL_SECONDS):
            seen = await _answer(process)
        resolved = await _resolved(app)
    took = [(patch - event) * 1000 for event, patch in seen if event is not None and patch is not None]
    if len(took) < incidents or resolved < incidents:
        raise RuntimeError(f"of {incidents} incidents {len(took)} were patched and {resolved} resolved")
    percentiles = quantiles(took, n=100, method="inclusive")
    return {
        "incidents": incidents,
        "resolved": resolved,
        "p50_ms": round(percentiles[49], 1),
        "p90_ms": round(percentiles[89], 1),
        "p99_ms": round(percentiles[98], 1),
        "max_ms": round(max(took), 1),
    }


@asynccontextmanager
async def _other_process(incidents: int) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROGRAM), str(incidents), stdin=PIPE, stdout=PIPE, limit=2**22
    )
    try:
        async with asyncio.timeout(ALL_SECONDS):
            kubeconfig = await _answer(process)
        yield process, kubeconfig
        _go_on(process)
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _go_on(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.write(b"\n")


async def _answer(process: Process) -> Any:
    line = await process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise RuntimeError("the cluster's process has ended; what it said is above")
    return orjson.loads(line)


@asynccontextmanager
async def _daemon(kubeconfig: dict[str, Any], *, workers: int) -> AsyncIterator[App]:
    """The daemon, watching. ``workers``: verifications go on beside the next incident and are not to hold it up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = embedded_settings(
            folder, grace_seconds=0, settle_seconds=0.5, workers=workers, openai_api_key=None, openai_base_url=None
        )
        notices = FileNotifier(folder / "notices.jsonl")
        async with open_app(settings, kubeconfig=kubeconfig, notifier=notices) as app, app.daemon().watching():
            yield app


async def _resolved(app: App) -> int:
    """How many incidents ended resolved, once all have ended."""
    async with asyncio.timeout(END_SECONDS):
        while True:
            incidents = await app.store.incidents()
            if all(item.status is not Status.OPEN for item in incidents):
                return sum(item.outcome is Outcome.RESOLVED for item in incidents)
            await asyncio.sleep(0.1)
