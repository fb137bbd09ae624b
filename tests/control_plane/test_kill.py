"""The kill test on the real API server: from the dry run to the first reading of the verification.

Where a change is on its way is where a crash could make it twice or leave it half-done; there the real server has the
last word. What is played and what is judged is the same as on the embedded cluster (``tests/kill``), at a real pace.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from simulator.api_client import ApiClient, Connection
from tests.kill.proxy import Proxy
from tests.kill.stories import REPAIRED, At, Place, Stage, Told, every_place, play

from .harness import ControlPlane

SETTINGS = {"grace_seconds": 0.0, "settle_seconds": 3.0}
LANES = 4
# The dry run, the change, and the first requests of the verification: its reading, its three lists.
FIRST_REQUESTS = range(1, 7)


class FromTheDryRun:
    """Counts requests from the dry run on: what comes before changes nothing, and is killed at elsewhere."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, request: web.Request) -> bool:
        self._begun = self._begun or request.method == "PATCH"
        return self._begun


@asynccontextmanager
async def staged(control_plane: ControlPlane, folder: Path) -> AsyncIterator[Stage]:
    trust = ssl.create_default_context(cafile=control_plane.ca_file)
    kubeconfig = json.loads(control_plane.kubeconfig().read_text())
    for cluster in kubeconfig["clusters"]:
        cluster["cluster"].pop("certificate-authority-data")
    connection = Connection(control_plane.server, control_plane.admin_token, str(control_plane.ca_file), "test")
    async with ApiClient(connection) as admin:
        yield Stage(
            admin=admin,
            kubeconfig=kubeconfig,
            folder=folder,
            speed=1.0,
            settings=SETTINGS,
            proxy=lambda: Proxy(control_plane.server, trust=trust),
        )


def _counting(proxy: Proxy) -> None:
    proxy.deadly = FromTheDryRun()


async def _every_place(control_plane: ControlPlane, folder: Path) -> list[Told]:
    places = [
        Place(at="request", before=before, number=number) for number in FIRST_REQUESTS for before in (True, False)
    ]
    lanes = asyncio.Semaphore(LANES)
    async with staged(control_plane, folder) as stage:

        async def one(place: Place) -> Told:
            async with lanes:
                return await play(stage, REPAIRED, place, prepare=_counting)

        return await asyncio.gather(*(one(place) for place in places))


@pytest.mark.control_plane
def test_killed_anywhere_between_the_dry_run_and_the_verification_it_ends_as_if_it_never_was(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    control_plane.start_kubelet(nodes=3)
    told = asyncio.run(_every_place(control_plane, tmp_path))
    assert {str(one.place): (one.killed, *one.wrong) for one in told if one.wrong or not one.killed} == {}
    assert "PATCH" in told[0].killed


@pytest.mark.kill_at_length
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", ["request", "commit"])
def test_killed_anywhere_it_ends_as_if_it_never_was(
    control_plane: ControlPlane, tmp_path: Path, at: At, before: bool
) -> None:
    async def told() -> list[Told]:
        async with staged(control_plane, tmp_path) as stage:
            return await every_place(stage, REPAIRED, at, before=before)

    control_plane.start_kubelet(nodes=3)
    assert {str(one.place): (one.killed, *one.wrong) for one in asyncio.run(told()) if one.wrong} == {}
