"""How the daemon ends: within ten seconds of SIGTERM, whatever it is doing, and one after the other on one store."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from typing import Any, Self

import pytest
from aiohttp import web

from simulator.scenario import apply_break, apply_setup, load_scenario, settled
from tests.kill.conftest import Staging
from tests.kill.launcher import Start, launched
from tests.kill.stories import APPROVED, REPAIRED, SETTLED_SECONDS, Stage, Story, eventually, placed, started

DRAINED_SECONDS = 10.0
SEEN_SECONDS = 60.0


async def logged(start: Start, event: str, times: int = 1) -> None:
    """Returns once the daemon has logged an event so many times."""

    async def look() -> bool:
        lines = start.log.read_text().splitlines() if start.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return sum(line.get("event") == event for line in found) >= times

    await eventually(look, SEEN_SECONDS, f"{event} was never logged")


async def code_of(process: ForkServerProcess, seconds: float) -> int | None:
    """The exit code of a process that has to end by then."""

    async def look() -> bool:
        return process.exitcode is not None

    try:
        await eventually(look, seconds, "it did not end")
    finally:
        process.kill()
        process.join()
    return process.exitcode


class DeafSlack:
    """Takes every message and never answers."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def webhook(self) -> str:
        """Where to send messages."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/services/deaf"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.told.set()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the daemon is doing when it is told to end: a request hangs, an event was logged, or else Slack hangs."""

    name: str
    story: Story = REPAIRED
    hangs: Callable[[web.Request], bool] | None = None
    event: str = ""
    settings: dict[str, Any] | None = None


def _is_change(request: web.Request) -> bool:
    return request.method == "PATCH" and "dryRun" not in request.query


def _is_sweep(request: web.Request) -> bool:
    return request.path.endswith("/pods") and "watch" not in request.query


SITUATIONS = (
    Situation(name="verifying", event="change.applied", settings={"settle_seconds": 3600.0}),
    Situation(name="applying", hangs=_is_change),
    Situation(name="sweeping", hangs=_is_sweep),
    Situation(name="delivering", story=APPROVED),
)


async def ended_in(stage: Stage, situation: Situation, slack: DeafSlack) -> int | None:
    """Bring it into the situation, send SIGTERM, and answer its exit code."""
    scenario = placed(load_scenario(situation.story.scenario), situation.name)
    await apply_setup(stage.admin, scenario)
    await eventually(lambda: settled(stage.admin, scenario), SETTLED_SECONDS, "never settled")
    await apply_break(stage.admin, scenario)
    hung, over = asyncio.Event(), asyncio.Event()
    async with stage.proxy() as proxy:

        async def hold(request: web.Request, body: bytes) -> None:
            if situation.hangs is not None and situation.hangs(request):
                hung.set()
                await over.wait()

        proxy.hold = hold
        start = started(stage, situation.story, scenario, stage.folder / situation.name, proxy)
        settings = {**start.settings, **(situation.settings or {}), "slack_webhook_url": slack.webhook}
        process = launched(replace(start, settings=settings, until_ended=False))
        try:
            if situation.event:
                await logged(start, situation.event)
            else:
                if situation.hangs is None:
                    hung = slack.told
                async with asyncio.timeout(SEEN_SECONDS):
                    await hung.wait()
            assert process.pid is not None
            os.kill(process.pid, signal.SIGTERM)
            return await code_of(process, DRAINED_SECONDS)
        finally:
            over.set()


@pytest.mark.kill
async def test_it_ends_well_within_ten_seconds_of_sigterm_whatever_it_is_doing(staging: Staging) -> None:
    async with staging() as stage, DeafSlack() as slack:
        codes = await asyncio.gather(*(ended_in(stage, one, slack) for one in SITUATIONS))
    assert dict(zip([one.name for one in SITUATIONS], codes, strict=True)) == {one.name: 0 for one in SITUATIONS}


async def test_of_two_daemons_on_one_store_one_works_and_the_other_says_so_waits_and_takes_over(
    staging: Staging,
) -> None:
    scenario = placed(load_scenario(REPAIRED.scenario), "two")
    async with staging() as stage, stage.proxy() as proxy:
        start = replace(started(stage, REPAIRED, scenario, stage.folder / "two", proxy), until_ended=False)
        first = launched(start)
        await logged(start, "daemon.watching")
        second, third = launched(start), launched(start)
        await logged(start, "store.in_use", times=2)
        assert third.pid is not None
        os.kill(third.pid, signal.SIGTERM)
        assert await code_of(third, SEEN_SECONDS) == 0
        assert start.log.read_text().count("daemon.watching") == 1
        first.kill()
        await logged(start, "store.taken_over")
        await logged(start, "daemon.watching", times=2)
        assert second.pid is not None
        os.kill(second.pid, signal.SIGTERM)
        assert await code_of(second, SEEN_SECONDS) == 0
        first.join()
