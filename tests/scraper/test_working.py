"""Workers put a key back for whatever is still open: what is parked is taken up again, whenever its moment comes."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest

from graph.runner import Runner
from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from incidents.policy import Policy
from scraper.grace import Advice, Grace
from scraper.queue import Key, KeyQueue
from scraper.working import ODD_LOOKS, ODD_SECONDS, RETRY_SECONDS, Workers
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
        self.looks: list[Exception | None] = []  # what the next ones raise
        self.given_up: list[str] = []
        self.untold: Exception | None = None
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
        error = self.looks.pop(0) if self.looks else None
        if error is not None:
            self._ran.set()
            raise error
        return Advice.WORK

    async def run(self, incident: Incident) -> Incident:
        self._ran.set()
        self.clock.advance(self._run_takes)
        return self._answer

    async def give_up(self, incident: Incident, error: Exception) -> None:
        if self.untold is not None:
            raise self.untold
        self.given_up.append(f"{incident.id}: {error!r}")

    async def once(self) -> None:
        """Let the worker handle one key."""
        stop = asyncio.Event()
        self._ran.clear()
        self.moment += ODD_SECONDS + 0.1
        self.queue.add(Key(PARKED.id))
        working = asyncio.create_task(self.workers.work(stop))
        await self._ran.wait()
        stop.set()  # what is begun is brought to its end
        await working


async def test_what_is_parked_is_due_again_at_its_moment() -> None:
    stage = Stage(seconds=30.0, run_takes=1.0)
    await stage.once()
    assert len(stage.queue) == 1
    stage.moment += 29.1
    assert await asyncio.wait_for(stage.queue.take(), 1) == Key(PARKED.id)


async def test_a_moment_that_comes_while_the_run_ends_is_not_lost() -> None:
    stage = Stage(seconds=0.5, run_takes=1.0)
    await stage.once()
    assert len(stage.queue) == 1
    stage.moment += RETRY_SECONDS + 0.1
    assert await asyncio.wait_for(stage.queue.take(), 1) == Key(PARKED.id)


@pytest.mark.parametrize("odd", [KeyError("spec"), OverflowError("too late"), RecursionError("too deep")], ids=repr)
async def test_what_has_an_odd_shape_three_looks_in_a_row_is_handed_over(odd: Exception) -> None:
    stage = Stage(seconds=30.0, run_takes=0.0)
    stage.looks = [odd, odd, None, odd, odd, odd]
    for _ in range(5):
        await stage.once()
    assert (stage.given_up, len(stage.queue)) == ([], 1)
    await stage.once()
    assert stage.given_up == [f"incident-1: {odd!r}"]
    assert len(stage.queue) == 0


async def test_what_cannot_even_be_handed_over_is_looked_at_again_and_ends_no_worker() -> None:
    stage = Stage(seconds=30.0, run_takes=0.0)
    stage.looks, stage.untold = [KeyError("spec")] * ODD_LOOKS, KeyError("spec")
    for _ in range(ODD_LOOKS):
        await stage.once()
    assert (stage.given_up, len(stage.queue)) == ([], 1)
