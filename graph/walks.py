"""Walking along AutoFixer's road: the work goes on in one coroutine, and stands still before each step.

The road is the daemon's own, unchanged. Where the graph shows its steps as nodes, a node lets the work go on until it
stands before the next one. What has been read on the way stays in the process and never enters a thread, which
holds a walk's name alone; a step that finds nobody of that name (a restart, time travel, a pause that was too long)
begins anew from the world as it is.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from incidents.objects import IncidentId
from remediation.steps import Step

STANDING_SECONDS = 300.0  # real seconds; what was read longer ago than that is read again

Update = dict[str, Any]  # what the work has changed in the graph's state
Work = Callable[[], Awaitable[Update]]


class StoodTooLong(Exception):
    """Nobody has let the work go on; it ends before the step it stood at."""


class Stop(msgspec.Struct, frozen=True):
    """The work stands before a step; ``said`` is what the one before it has found."""

    step: Step
    said: str


class Ended(msgspec.Struct, frozen=True):
    """The work is done, or has failed."""

    update: Update | None = None
    error: BaseException | None = None


class Walk:
    """One work on one incident, which goes on step by step."""

    def __init__(self) -> None:
        self.name = str(uuid.uuid4())
        self.at: Step | None = None
        self._heard: asyncio.Queue[Stop | Ended] = asyncio.Queue()
        self._may_go_on = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, work: Work) -> None:
        """Start the work in a context of its own: it outlives the node that has started it."""
        self._task = asyncio.create_task(self._walk(work), context=contextvars.Context())

    async def go_on(self) -> Stop | Ended:
        """Let it go on to its next step, or to its end. Cancelled, it takes the work with it."""
        self.at = None
        self._may_go_on.set()
        try:
            heard = await self._heard.get()
        except asyncio.CancelledError:
            await self.end()
            raise
        self.at = heard.step if isinstance(heard, Stop) else None
        return heard

    async def stand(self, step: Step, said: str) -> None:
        """Called by the work itself. Raises StoodTooLong."""
        self._may_go_on.clear()
        self._heard.put_nowait(Stop(step, said))
        try:
            async with asyncio.timeout(STANDING_SECONDS):
                await self._may_go_on.wait()
        except TimeoutError:
            raise StoodTooLong(f"before {step} for {STANDING_SECONDS:g} s") from None

    async def end(self) -> None:
        """Cancel it, wherever it is: what has been sent is looked up by whoever works on the incident next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _walk(self, work: Work) -> None:
        try:
            ended = Ended(update=await work())
        except asyncio.CancelledError:
            self._heard.put_nowait(Ended(error=StoodTooLong("its work was ended from elsewhere")))
            raise
        except Exception as error:  # noqa: BLE001 - it is raised by the node that waits for the work
            ended = Ended(error=error)
        self._heard.put_nowait(ended)


class Walks:
    """The walks of one process, one an incident. It is the pace of the road that they are on."""

    def __init__(self) -> None:
        self._walks: dict[IncidentId, Walk] = {}

    async def begin(self, incident: IncidentId, work: Work) -> Walk:
        """Start to walk; an earlier walk on the same incident that stands somewhere ends."""
        earlier = self._walks.pop(incident, None)
        if earlier is not None:
            await earlier.end()
        walk = self._walks[incident] = Walk()

        async def forgotten_at_its_end() -> Update:
            try:
                return await work()
            finally:
                if self._walks.get(incident) is walk:
                    del self._walks[incident]

        walk.begin(forgotten_at_its_end)
        return walk

    def find(self, incident: IncidentId, name: str, step: Step) -> Walk | None:
        """The walk of that name, if that is where it stands."""
        walk = self._walks.get(incident)
        return walk if walk is not None and (walk.name, walk.at) == (name, step) else None

    async def reached(self, incident: IncidentId, step: Step, *, said: str) -> None:
        """The road's ``Pace``: a work that nobody walks along with goes on at once. Raises StoodTooLong."""
        walk = self._walks.get(incident)
        if walk is not None:
            await walk.stand(step, said)

    async def end(self) -> None:
        """End every walk."""
        for walk in list(self._walks.values()):
            await walk.end()


@asynccontextmanager
async def open_walks() -> AsyncIterator[Walks]:
    """A place to walk in; what still stands somewhere at its end is cancelled."""
    walks = Walks()
    try:
        yield walks
    finally:
        await walks.end()
