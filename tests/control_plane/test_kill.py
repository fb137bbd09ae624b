"""The kill test on the real API server: from the dry run to the first reading of the verification.

Where a change is on its way is where a crash could make it twice or leave it half-done; there the real server has the
last word. What is played and what is judged is the same as on the embedded cluster (``tests/kill``), at a real pace.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from tests.kill.proxy import Proxy
from tests.kill.stages import real_stage
from tests.kill.stories import REPAIRED, At, Place, Told, every_place, play
from tests.kill.test_in_flight import LATE_SECONDS, killing_in_flight

from .harness import ControlPlane

# The dry run, the change, and the first requests of the verification: its reading, its three lists.
FIRST_REQUESTS = range(1, 7)
# From the change being recorded as prepared: sent, applied, each with its note and lease, to the first of the verdict.
FIRST_CHANGE, FIRST_COMMITS = "save_change", range(1, 8)


class FromTheDryRun:
    """Counts requests from the dry run on: what comes before changes nothing, and is killed at elsewhere."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, request: web.Request) -> bool:
        self._begun = self._begun or request.method == "PATCH"
        return self._begun


def _counting(proxy: Proxy) -> None:
    proxy.deadly = FromTheDryRun()


async def _every_place(control_plane: ControlPlane, folder: Path) -> list[Told]:
    numbers: dict[At, range] = {"request": FIRST_REQUESTS, "commit": FIRST_COMMITS}
    places = [
        Place(at=at, before=before, number=number)
        for at, range_ in numbers.items()
        for number in range_
        for before in (True, False)
    ]
    async with real_stage(control_plane, folder) as stage:
        lanes = asyncio.Semaphore(stage.lanes)

        async def one(place: Place) -> Told:
            async with lanes:
                return await play(stage, REPAIRED, place, prepare=_counting, counted_from=FIRST_CHANGE)

        return await asyncio.gather(*(one(place) for place in places))


@pytest.mark.control_plane
def test_killed_anywhere_between_the_dry_run_and_the_verification_it_ends_as_if_it_never_was(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    control_plane.start_kubelet(nodes=3)
    told = asyncio.run(_every_place(control_plane, tmp_path))
    assert {str(one.place): (one.killed, *one.wrong) for one in told if one.wrong or not one.killed} == {}
    assert "PATCH" in told[0].killed


@pytest.mark.control_plane
def test_a_write_that_lands_after_the_next_daemon_has_looked_is_neither_made_twice_nor_lost(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    async def told() -> Told:
        async with real_stage(control_plane, tmp_path) as stage:
            return await play(
                replace(stage, landing=None),  # the times that the program ships with
                REPAIRED,
                Place(at="request", before=True, number=0),
                prepare=partial(killing_in_flight, number=1, seconds=LATE_SECONDS),
                name="change-late",
            )

    control_plane.start_kubelet(nodes=3)
    late = asyncio.run(told())
    assert (late.killed != "", late.wrong) == (True, ())


@pytest.mark.kill_at_length
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", ["request", "commit"])
def test_killed_anywhere_it_ends_as_if_it_never_was(
    control_plane: ControlPlane, tmp_path: Path, at: At, before: bool
) -> None:
    async def told() -> list[Told]:
        async with real_stage(control_plane, tmp_path) as stage:
            return await every_place(stage, REPAIRED, at, before=before)

    control_plane.start_kubelet(nodes=3)
    assert {str(one.place): (one.killed, *one.wrong) for one in asyncio.run(told()) if one.wrong} == {}
