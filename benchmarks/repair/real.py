"""Batches on a real control plane: the installed program, the shipped rights, nothing sped up.

A batch is large, because ten minutes are ten minutes there, and most of them are patience. So that seventy independent
faults at once are no storm to the program, the caps that are there for storms are out of its way (``SETTINGS``, which
the results repeat); all else is as it ships. Each batch has a control plane of its own, so that it finds nothing of
another one.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from simulator.judge import judge
from simulator.variants import Variants, vary
from tests.control_plane.harness import ControlPlane
from tests.control_plane.program import USER, Program, requests_of
from tests.opened import registries_at
from tests.prove.real import NODES, admin_of
from tests.scenario_runs import Incidents, Progress, play
from tools.store.sqlite import open_store

from .batch import Batch, BatchFailed
from .reading import Said, read_said, runs_of
from .run import Run

SETTINGS: Mapping[str, int] = {
    "workers": 64,
    "concurrent_changes": 100,
    "changes_per_hour": 1000,
    "breaker_undone": 1000,
}
_PREFIX = "K8S_AUTO_FIXER_"
_FITTING_SECONDS = 60.0


def play_real(binaries: Path, batch: Batch, *, progress: Progress | None = None) -> list[Run]:
    """Play it on a control plane started for it. Raises BatchFailed."""
    variants = vary(batch.names, seed=batch.seed, words=batch.words)
    with tempfile.TemporaryDirectory(prefix="bench-repair-") as folder:
        catalogue = Path(folder) / "catalogue.yaml"
        catalogue.write_text(yaml.safe_dump(dict(variants.document)), encoding="utf-8")
        try:
            with ControlPlane(binaries) as control_plane:
                registry = control_plane.start_kubelet(nodes=NODES, catalogue=catalogue).registry
                settings, granted = _settings(variants, registry), batch.secret_keys
                program = Program(control_plane, Path(folder), settings=settings, secret_keys=granted)
                return asyncio.run(_play(control_plane, program, batch, variants, progress))
        except Exception as error:  # whatever a component or the program failed with; the other batches go on
            raise BatchFailed(f"{', '.join(batch.names)}: {error!r}") from error


def _settings(variants: Variants, registry: str) -> dict[str, str]:
    """As environment variables; the program may ask the simulated registries for tags."""
    registries = registries_at(registry, variants.hosts)
    named = {**{name: str(value) for name, value in SETTINGS.items()}, "registries": json.dumps(registries)}
    return {f"{_PREFIX}{name.upper()}": value for name, value in named.items()}


async def _play(
    control_plane: ControlPlane, program: Program, batch: Batch, variants: Variants, progress: Progress | None
) -> list[Run]:
    said, scenarios = dict[str, Said](), list(variants.scenarios)
    async with admin_of(control_plane) as admin:
        played = await play(
            scenarios,
            admin=admin,
            program=_running(program, said),
            dump=control_plane.dump,
            dump_of=control_plane.dump,
            seconds=batch.patience,
            speed=1.0,
            progress=progress,
            fitting_seconds=_FITTING_SECONDS,
        )
    requests = requests_of(control_plane.audit_events())
    return runs_of(
        scenarios,
        played,
        said=said,
        harms=judge(played.before, played.after, requests, user=USER, scenarios=scenarios),
        requests=requests,
        user=USER,
        side="real",
        words=batch.words,
        seed=batch.seed,
        speed=1.0,
    )


@asynccontextmanager
async def _running(program: Program, said: dict[str, Said]) -> AsyncIterator[Incidents]:
    """The program at work; what it has said is read once it has ended."""
    async with program.running() as incidents:
        yield incidents
    async with open_store(program.store, now=lambda: datetime.now(UTC)) as store:
        said |= await read_said(store)
