"""The part that is played where there is no time for all: one scenario of each family, drawn by a seed. Pure.

Unlike the proof's draw it takes scenarios with a known gap as well: what the program cannot repair it must not harm.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from random import Random

from simulator.scenario import Scenario


def one_of_each(scenarios: Sequence[Scenario], *, seed: str) -> list[str]:
    """The names of one scenario of each family, in the order given; the same for the same seed."""
    families = dict.fromkeys(item.family for item in scenarios)
    drawn = {
        Random(f"{seed}/{family}").choice([item.name for item in scenarios if item.family == family])
        for family in families
    }
    return [item.name for item in scenarios if item.name in drawn]


def numbered(seed: str) -> int:
    """A seed in words as the number that tells the scenarios anew."""
    return zlib.crc32(seed.encode())
