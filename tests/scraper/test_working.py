"""Workers put a key back for whatever is still open: what is parked is taken up again, whenever its moment comes."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import msgspec

from graph.runner import Runner
from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from incidents.policy import Policy
from scraper.grace import Advice, Grace
from scraper.queue import Key, KeyQueue
from scraper.working import RETRY_SECONDS, Workers
from tests.builders import NOW, signal, subject
from tests.clocks import FakeClock
from tools.store import Store

PARKED = Incident(
    id=IncidentId("incident-1"),
    subject=subject(),
    status=Status.OPEN,
    first_signal=signal(),
    last_signal=signal(),
    signals=1,
    opened_at=NOW,
)


class Stage:
    """One worker whose runs take a while and answer an incident that is parked until ``seconds`` from their start."""

    def __init__(self, seconds: float, run_takes: float) -> None:
        self.clock, self.moment = FakeClock(), 0.0
        self.queue = KeyQueue(lambda: self.moment)
        until = NOW + timedelta(seconds=seconds)
        self._answer = msgspec.structs.replace(PARKED, parked_until=until)
        self._run_takes, self._ran = run_takes, asyncio.Event()
        told = cast(Any, self)
        self.workers = Workers(
            self.queue,
            store=cast(Store, told),
            grace=cast(Grace, told),
            runner=cast(Runner, told),
            clock=self.clock,
            policy=Policy(),
        )

    async def incident(self, which: IncidentId) -> Incident:
        return PARKED

    async def advise(self, incident: Incident) -> Advice:
        return Advice.WORK

    async def run(self, incident: Incident) -> Incident:
        self._ran.set()
        self.clock.advance(self._run_takes)
        return self._answer

    async def once(self) -> None:
        """Let the worker handle one key."""
        stop = asyncio.Event()
        self.queue.add(Key(PARKED.id))
        working = asyncio.create_task(self.workers.work(stop))
        await self._ran.wait()
        stop.set()  # what is begun is brought to its end
        await working


async def test_what_is_parked_is_due_again_at_its_moment() -> None:
    stage = Stage(seconds=30.0, run_takes=1.0)
    await stage.once()
    assert len(stage.queue) == 1
    stage.moment = 29.1
    assert await asyncio.wait_for(stage.queue.take(), 1) == Key(PARKED.id)


async def test_a_moment_that_comes_while_the_run_ends_is_not_lost() -> None:
    stage = Stage(seconds=0.5, run_takes=1.0)
    await stage.once()
    assert len(stage.queue) == 1
    stage.moment = RETRY_SECONDS + 0.1
    assert await asyncio.wait_for(stage.queue.take(), 1) == Key(PARKED.id)
