"""A write that is still on its way when the daemon is killed, and when the next one looks: neither made twice nor lost.

With the times that the program ships with: what the API server is given for a write, and after how long the program
believes that it has not landed. The stories go on side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from incidents.changes import ChangeState
from tests.kill.conftest import Staging
from tests.kill.outside import left_by
from tests.kill.proxy import Proxy
from tests.kill.stories import REPAIRED, UNDONE, Place, Stage, Story, Told, play
from tests.world import USER

pytestmark = pytest.mark.kill

LATE_SECONDS = 4.0  # the next daemon has looked by then, and has more than twice as long to wait
NOWHERE = Place(at="request", before=True, number=0)


def killing_in_flight(proxy: Proxy, *, number: int, seconds: float) -> None:
    """The daemon dies once its ``number``-th write has left; the API server gets it ``seconds`` later."""
    writes = 0

    async def hold(request: web.Request, body: bytes) -> None:
        nonlocal writes
        if request.method != "PATCH" or "dryRun" in request.query:
            return
        writes += 1
        if writes == number:
            proxy.kill(request)
            await asyncio.sleep(seconds)

    proxy.hold = hold


async def played(staged: Stage, story: Story, name: str, prepare: Callable[[Proxy], None]) -> Told:
    stage = replace(staged, landing=None)
    return await play(stage, story, NOWHERE, prepare=prepare, name=name)


async def test_a_write_that_lands_after_the_next_daemon_has_looked_is_neither_made_twice_nor_lost(
    staging: Staging,
) -> None:
    async with staging() as stage, asyncio.TaskGroup() as group:
        change = group.create_task(
            played(stage, REPAIRED, "change-late", lambda it: killing_in_flight(it, number=1, seconds=LATE_SECONDS))
        )
        undo = group.create_task(
            played(stage, UNDONE, "undo-late", lambda it: killing_in_flight(it, number=2, seconds=LATE_SECONDS))
        )
    assert [(one.result().killed != "", one.result().wrong) for one in (change, undo)] == [(True, ())] * 2
    left = await left_by(stage.folder / "change-late" / "store.sqlite")
    assert [one.state for one in left.changes] == [ChangeState.VERIFIED]


async def test_a_write_that_the_api_server_gives_up_is_given_up_and_made_anew(staging: Staging) -> None:
    async with staging() as stage:
        assert stage.faults is not None
        # The dry run comes first; the write is held up for longer than it gives the API server.
        stage.faults.delay(120.0, verb="patch", path="*/change-lost/deployments/web", user=USER, skip=1)
        told = await played(stage, REPAIRED, "change-lost", lambda it: killing_in_flight(it, number=1, seconds=0.0))
        left = await left_by(stage.folder / "change-lost" / "store.sqlite")
    assert told.killed != ""
    assert told.wrong == ()
    assert [one.state for one in left.changes] == [ChangeState.ABANDONED, ChangeState.VERIFIED]
