"""`python -m tests.cases`: every scenario on the embedded cluster, exported and replayed; 1 if one decides otherwise.

With names of scenarios only those. In make test a few workloads stand for all of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from app.case_file import case_of, written
from app.logs import configure_logging
from app.replay import Replayed, replay
from incidents.codec import decode
from incidents.recording import Case
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.scenario import Scenario, load_scenario, load_scenarios
from tests.opened import opened_at
from tests.prove.embedded import SPEED
from tests.scenario_runs import Incidents, play

_END_SECONDS = 300.0
_TOGETHER = 24


async def cases_of(scenarios: Sequence[Scenario]) -> list[Case]:
    """The cases of all incidents of the scenarios, as their files have them."""
    files: list[bytes] = []
    with (
        tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-cases-") as folder,
        EmbeddedCluster(nodes=3, speed=SPEED) as at,
    ):
        async with ApiClient(Connection(at.server, at.admin_token, user_agent="cases")) as admin:
            granted = any(item.secret_keys for item in scenarios)
            program = _program(at, Path(folder), files, secret_keys=granted)
            await play(
                scenarios,
                admin=admin,
                program=program,
                dump=at.dump,
                seconds=_END_SECONDS,
                speed=SPEED,
                fitting_seconds=0.0,  # how the workloads stand at the end is in no case
            )
    return [decode(content, Case) for content in files]


@asynccontextmanager
async def _program(
    cluster: EmbeddedCluster, folder: Path, files: list[bytes], *, secret_keys: bool
) -> AsyncIterator[Incidents]:
    async with opened_at(cluster, folder, speed=SPEED, secret_keys=secret_keys) as app:
        async with app.daemon().watching():
            yield partial(app.store.incidents)
        files += [written(await case_of(app.store, incident)) for incident in await app.store.incidents()]


async def _main(names: Sequence[str]) -> int:
    scenarios = [load_scenario(name) for name in names] or load_scenarios()
    failed = replayed = 0
    for batch in _batches(scenarios):
        for case in await cases_of(batch):
            found = await replay(case)
            replayed += found.runs
            failed += bool(found.differences)
            print(_line(case, found), flush=True)
    print(f"{replayed} runs replayed; {failed} incidents decided otherwise")
    return 1 if failed else 0


def _batches(scenarios: Sequence[Scenario]) -> Iterator[Sequence[Scenario]]:
    """What is for a program that may list Secrets is by itself."""
    for granted in (False, True):
        alike = [item for item in scenarios if item.secret_keys is granted]
        for start in range(0, len(alike), _TOGETHER):
            yield alike[start : start + _TOGETHER]


def _line(case: Case, found: Replayed) -> str:
    head = f"{case.incident.subject.namespace:24} {case.incident.outcome or case.incident.status:12}"
    if not case.runs:
        return f"{head} closed before any run"
    if not found.differences:
        return f"{head} {found.runs} runs, {found.steps} decisions: the same {'; '.join(case.remarks)}"
    return "\n".join(
        [head, *(f"  {one.run}.{one.step} {one.what}\n" + "\n".join(one.lines) for one in found.differences)]
    )


if __name__ == "__main__":
    configure_logging(quiet=True)
    raise SystemExit(asyncio.run(_main(sys.argv[1:])))
