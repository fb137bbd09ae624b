"""The runs of one revision as parts: a set of words on a side, played whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from benchmarks.machine import describe_machine
from simulator.scenario import load_scenarios
from simulator.wordlists import DIALECTS, SetName
from tests.prove.revision import revision

from .finished import Finished
from .playing import SPEED, wanted
from .real import SETTINGS
from .report import Results, results_of
from .run import Run, Side

_SIDES: tuple[Side, ...] = ("embedded", "real")


def part_of(runs: Sequence[Run], *, speed: float) -> Results:
    """Results of runs of one set on one side, as of now and here; ``speed`` is the embedded cluster's."""
    real = runs[0].side == "real"
    return results_of(
        runs,
        revision(),
        date=datetime.now(UTC).date().isoformat(),
        speed=1.0 if real else speed,
        machine=describe_machine(),
        settings=SETTINGS if real else {},
    )


def whole_parts(finished: Finished) -> list[Results]:
    """Every set on every side of which all scenarios have been played, with all the seeds for which that is so."""
    return [
        part_of(runs, speed=SPEED) for side in _SIDES for words in DIALECTS if (runs := _whole(finished, words, side))
    ]


def _whole(finished: Finished, words: SetName, side: Side) -> list[Run]:
    return [run for seed in finished.seeds(words, side) for run in _of_seed(finished, words, side, seed)]


def _of_seed(finished: Finished, words: SetName, side: Side, seed: int) -> Iterator[Run]:
    keys = wanted([item.name for item in load_scenarios()], words=words, seeds=[seed], side=side)
    if all(finished.has(key) for key in keys):
        yield from finished.of(keys)
