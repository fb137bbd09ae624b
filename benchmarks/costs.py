"""What the size of a cluster costs: requests and bytes of one incident, and the processor time of doing nothing.

Measured on two clusters side by side, one of 100 workloads and one of 5,000. The traffic is counted on the wire; the
idle daemons are real processes, watched over a time that holds exactly one sweep.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from program import Program, program
from reaction import resolved, unhindered
from stage_apart import StageApart, stage_apart

SMALL, LARGE, INCIDENTS = 100, 5_000, 10
SWEEP_SECONDS, CALM_SECONDS, SPEED = 60, 20.0, 4.0


async def measure_costs() -> dict[str, Any]:
    """Both clusters; the keys are their workloads."""
    sizes = (SMALL, LARGE)
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(stage_apart(nodes=2, speed=SPEED, workloads=size)) for size in sizes]
        stages = [await one for one in starting]
        await asyncio.sleep(CALM_SECONDS)  # until the large cluster's controllers have looked at all of it
        traffic = [await _traffic(stage) for stage in stages]
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in sizes]
        idle = [
            await stack.enter_async_context(program(folder, stage.kubeconfig, sweep_seconds=SWEEP_SECONDS))
            for folder, stage in zip(folders, stages, strict=True)
        ]
        used = await asyncio.gather(*(_idle(one) for one in idle))
    found = zip(sizes, traffic, used, strict=True)
    return {"sweep_seconds": SWEEP_SECONDS, **{str(size): {**one, **other} for size, one, other in found}}


async def _traffic(stage: StageApart) -> dict[str, float]:
    """Requests and bytes of one incident, from its break to its end, as the mean of several."""
    names = [f"cost{number:02}" for number in range(INCIDENTS)]
    await stage.ask("deploy", [*names, "first"])
    async with unhindered(stage.kubeconfig) as folder:
        await stage.ask("one_by_one", ["first"])
        await resolved(folder, 1)
        before = await stage.ask("traffic")
        for number, name in enumerate(names, start=2):
            await stage.ask("one_by_one", [name])
            await resolved(folder, number)
        after = await stage.ask("traffic")
    return {f"{what}_per_incident": round((after[what] - before[what]) / INCIDENTS, 1) for what in after}


async def _idle(one: Program) -> dict[str, float]:
    await asyncio.sleep(CALM_SECONDS / 2)
    before = one.cpu_seconds
    await asyncio.sleep(SWEEP_SECONDS)
    return {
        "idle_percent": round(100 * (one.cpu_seconds - before) / SWEEP_SECONDS, 2),
        "idle_resident_mb": one.resident_mb,
    }
