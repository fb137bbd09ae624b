"""What is wanted and has not been played, batch by batch, on either side; what comes out is for the caller to keep.

On the embedded side batches are small, and several clusters run at once, each in a process of its own. On the real one
a batch is large: seconds pass at their own pace there, and most of them are waited through.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from simulator.scenario import load_scenarios
from simulator.wordlists import SetName
from tests.control_plane.build import find_binaries
from tests.scenario_runs import Progress

from .batch import Batch, BatchFailed
from .embedded import play_batch
from .finished import Finished
from .real import play_real
from .run import Key, Run, Side

SPEED = 20.0
TOGETHER: dict[Side, int] = {"embedded": 12, "real": 96}  # at most; batches are of like size
PATIENCE: dict[Side, float] = {"embedded": 120.0, "real": 900.0}  # wall seconds; twenty and four hundred are usual
PROCESSES = 2


class NoControlPlane(Exception):
    """The programs of a real control plane are not there."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How it is played. Zeros stand for what is usual on the side."""

    together: int = 0
    processes: int = PROCESSES
    speed: float = SPEED
    patience: float = 0.0


def wanted(names: Sequence[str], *, words: SetName, seeds: Sequence[int], side: Side) -> list[Key]:
    """A key for each run; on the real side none of those that cannot be played there."""
    bound = {item.name for item in load_scenarios() if item.embedded_only} if side == "real" else set[str]()
    return [Key(name, words, seed, side) for seed in seeds for name in names if name not in bound]


def played(
    keys: Sequence[Key], finished: Finished, *, pace: Pace, progress: Progress | None = None
) -> Iterator[list[Run] | BatchFailed]:
    """The runs among ``keys`` (all of one side) that are still to be made, batch by batch; of one that failed, why.

    ``progress`` is told of the real side's ends as they come. Raises NoControlPlane.
    """
    left = [key for key in keys if not finished.has(key)]
    if not left:
        return
    side = left[0].side
    batches = list(_batches(left, pace))
    if side == "real":
        yield from _on_the_real_one(batches, progress)
    else:
        yield from _on_embedded_ones(batches, pace.processes)


def _batches(keys: Sequence[Key], pace: Pace) -> Iterator[Batch]:
    granted = {item.name for item in load_scenarios() if item.secret_keys}
    alike: dict[tuple[SetName, int, bool], list[str]] = {}
    for key in keys:
        alike.setdefault((key.words, key.seed, key.scenario in granted), []).append(key.scenario)
    side = keys[0].side
    size, patience = pace.together or TOGETHER[side], pace.patience or PATIENCE[side]
    for (words, seed, secret_keys), names in alike.items():
        number = math.ceil(len(names) / size)
        for start in range(number):
            cut = tuple(names[start::number])
            yield Batch(names=cut, words=words, seed=seed, speed=pace.speed, patience=patience, secret_keys=secret_keys)


def _on_embedded_ones(batches: Sequence[Batch], processes: int) -> Iterator[list[Run] | BatchFailed]:
    context = multiprocessing.get_context("spawn")  # a fork would take threads and loops along
    with ProcessPoolExecutor(max_workers=min(processes, len(batches)), mp_context=context) as pool:
        for done in as_completed([pool.submit(play_batch, batch) for batch in batches]):
            error = done.exception()
            yield error if isinstance(error, BatchFailed) else done.result()


def _on_the_real_one(batches: Sequence[Batch], progress: Progress | None) -> Iterator[list[Run] | BatchFailed]:
    binaries = find_binaries(os.environ)
    if binaries is None:
        raise NoControlPlane("its programs are not here: run `make control-plane`")
    for batch in batches:
        try:
            yield play_real(Path(binaries), batch, progress=progress)
        except BatchFailed as failed:
            yield failed
