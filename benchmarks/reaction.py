"""From an event's last byte to the patch's first byte: the daemon as it is, grace 0, dry run included, no model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from stage_apart import stage_apart

from app.composition import App, open_app
from app.settings import embedded_settings
from incidents.incident import Outcome, Status
from tools.notify import FileNotifier

END_SECONDS, LOOK_SECONDS, PAUSE_SECONDS, FIRST = 120.0, 0.1, 0.4, 3
# What is timed is the road and not the caps on it; no model is asked. Verifications go on beside the next incident.
UNHINDERED: dict[str, Any] = {
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
    "openai_api_key": None,
    "openai_base_url": None,
}


async def measure_reaction(incidents: int, at_once: int) -> dict[str, Any]:
    """Milliseconds of so many incidents one after the other, and of so many at once. The first few are not counted.

    Raises RuntimeError when one was not repaired.
    """
    first, single = _names("first", FIRST), _names("one", incidents)
    many = _names("many", at_once)
    async with stage_apart() as stage:
        await stage.ask("deploy", [*first, *single, *many])
        async with daemon(stage.kubeconfig) as app:
            await stage.ask("one_by_one", first, PAUSE_SECONDS)
            one_by_one = await stage.ask("one_by_one", single, PAUSE_SECONDS)
            together = await stage.ask("at_once", many)
            ended = await resolved(app)
    if ended < FIRST + incidents + at_once:
        raise RuntimeError(f"of {FIRST + incidents + at_once} incidents {ended} were resolved")
    return {"one_by_one": _distribution(one_by_one), "at_once": _distribution(together)}


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
async def daemon(kubeconfig: dict[str, Any]) -> AsyncIterator[App]:
    """The daemon, watching."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notices = FileNotifier(folder / "notices.jsonl")
        settings = embedded_settings(folder, **UNHINDERED)
        async with open_app(settings, kubeconfig=kubeconfig, notifier=notices) as app, app.daemon().watching():
            yield app


async def resolved(app: App) -> int:
    """How many incidents ended resolved, once all have ended."""
    unended: list[str] = []
    try:
        async with asyncio.timeout(END_SECONDS):
            while True:
                incidents = await app.store.incidents(limit=100_000)
                unended = [str(item.subject) for item in incidents if item.status is Status.OPEN]
                if not unended:
                    return sum(item.outcome is Outcome.RESOLVED for item in incidents)
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise RuntimeError(f"after {END_SECONDS:g} s these had not ended: {', '.join(unended[:5])}") from error
