"""A batch on an embedded cluster of its own, with the program in this process; also the work of one of a pool."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.logs import configure_logging
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.judge import judge
from simulator.variants import Variants, vary
from tests.opened import USER, opened_at
from tests.scenario_runs import Incidents, play

from .batch import Batch, BatchFailed
from .reading import Said, read_said, runs_of
from .run import Run

_NODES = 3
_FITTING_SECONDS = 20.0  # only the judge reads the cluster after that, and it bears what is still on its way


def play_batch(batch: Batch) -> list[Run]:
    """Play it. For a process of its own, or this one. Raises BatchFailed."""
    configure_logging(quiet=True)
    try:
        return asyncio.run(_play(batch))
    except Exception as error:  # whatever the cluster or the program failed with; the other batches go on
        raise BatchFailed(f"{', '.join(batch.names)}: {error!r}") from error


async def _play(batch: Batch) -> list[Run]:
    variants, said = vary(batch.names, seed=batch.seed, words=batch.words), dict[str, Said]()
    scenarios = list(variants.scenarios)
    catalogue = await asyncio.to_thread(lambda: variants.catalogue)
    with (
        tempfile.TemporaryDirectory(prefix="bench-repair-") as folder,
        EmbeddedCluster(nodes=_NODES, speed=batch.speed, seed=batch.seed, catalogue=catalogue) as cluster,
    ):
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="bench")) as admin:
            played = await play(
                scenarios,
                admin=admin,
                program=_program(cluster, variants, Path(folder), batch, said),
                dump=cluster.dump,
                seconds=batch.patience,
                speed=batch.speed,
                fitting_seconds=_FITTING_SECONDS,
            )
        requests = cluster.requests()
    return runs_of(
        scenarios,
        played,
        said=said,
        harms=judge(played.before, played.after, requests, user=USER, scenarios=scenarios),
        requests=requests,
        user=USER,
        side="embedded",
        words=batch.words,
        seed=batch.seed,
        speed=batch.speed,
    )


@asynccontextmanager
async def _program(
    cluster: EmbeddedCluster, variants: Variants, folder: Path, batch: Batch, said: dict[str, Said]
) -> AsyncIterator[Incidents]:
    """The program at work; what it has said is read before it is closed. It may ask the cluster's registry for tags."""
    opened = opened_at(cluster, folder, speed=batch.speed, hosts=variants.hosts, secret_keys=batch.secret_keys)
    async with opened as app, app.daemon().watching():
        yield app.store.incidents
        said |= await read_said(app.store)
