"""The daemon killed at every place of an incident, on both clusters, as data that a file can keep.

What is played and what is judged is ``tests/kill``'s: SIGKILL before and after the first, the second, … API request,
and before and after each commit of the store, each in an incident of its own, until one ends unkilled. On the embedded
cluster that is done to eight incidents (repaired; repaired with an approval; undone; undone after three rounds; an
object made anew, for good and for nothing; a pod deleted that its controller would not replace; a claim that grows for
good), on the real one, where seconds pass at their own pace, to the first of them. To two of them something else is
done as well: the disk is full from each commit on for a while, and nobody kills or restarts anything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from tests.control_plane.harness import ControlPlane
from tests.kill.stages import embedded_stage, real_stage
from tests.kill.stories import FEWEST, REFUSALS, SIDES, STORIES, At, Stage, Told, every_place

from .results import Side

_ON_THE_REAL_ONE, _ON_A_FULL_DISK = ("repaired",), ("repaired", "undone")
UNKILLED = "unkilled"
_PROCESSES = 2  # as many embedded clusters at once
Tell = Callable[[Told], None]


class Killing(msgspec.Struct, frozen=True, kw_only=True):
    """One incident to be killed at each request or commit, before or after it, on one cluster."""

    side: Side
    story: str
    at: At
    before: bool

    @property
    def where(self) -> str:
        """As the table says it."""
        if self.at == "refusal":
            return "not killed: disk full from each commit on"
        return f"{'before' if self.before else 'after'} each {self.at}"

    def __str__(self) -> str:
        return f"{self.story}, {self.where}"


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``places``: at how many the daemon was killed; ``wrong``: by place, what was not as promised,
    of the one that ended unkilled too."""

    killing: Killing
    places: int
    wrong: dict[str, tuple[str, ...]]
    seconds: float

    @property
    def as_promised(self) -> int:
        """At how many of the places the incident ended as if nothing had been."""
        return self.places - sum(place != UNKILLED for place in self.wrong)

    @property
    def failures(self) -> tuple[str, ...]:
        """What is not as it should be; empty when all is."""
        found = [f"{place}: {fault}" for place, faults in self.wrong.items() for fault in faults]
        if self.places < FEWEST:
            found.insert(0, f"killed at {self.places} places only")
        return tuple(found)


def killings(sides: Iterable[Side] = ("embedded", "real")) -> Iterator[Killing]:
    """All that are to be, in the order in which they are run."""
    for side in sides:
        for story in STORIES if side == "embedded" else _ON_THE_REAL_ONE:
            full = REFUSALS if side == "embedded" and story in _ON_A_FULL_DISK else ()
            for at, before in (*SIDES, *full):
                yield Killing(side=side, story=story, at=at, before=before)


def run_killing(killing: Killing, *, control_plane: ControlPlane | None = None, tell: Tell | None = None) -> Killed:
    """Run one, on an embedded cluster of its own or on a control plane whose kubelet has been started."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prove-kill-") as folder:
        opened = (
            embedded_stage(Path(folder), speed=STORIES[killing.story].speed)
            if control_plane is None
            else real_stage(control_plane, Path(folder))
        )
        told = asyncio.run(_played(killing, opened, tell))
    wrong = {f"{one.place} ({one.killed})" if one.killed else UNKILLED: one.wrong for one in told if one.wrong}
    places = sum(bool(one.killed) for one in told)
    return Killed(killing=killing, places=places, wrong=wrong, seconds=round(time.monotonic() - began, 1))


def run_side_by_side(left: Sequence[Killing]) -> Iterator[Killed]:
    """Run some on embedded clusters, each in a process of its own; as they end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        for ended in as_completed([pool.submit(run_killing, killing) for killing in left]):
            yield ended.result()


async def _played(killing: Killing, opened: AbstractAsyncContextManager[Stage], tell: Tell | None) -> list[Told]:
    async with opened as stage:
        return await every_place(stage, STORIES[killing.story], killing.at, before=killing.before, tell=tell)
