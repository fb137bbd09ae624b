"""Which scenarios a run takes that has no time for all: one of each family, drawn by a seed.

The seed is the commit, so that a failure can be repeated and yet every scenario has its turn. SCENARIO_SEED sets
another one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from random import Random

from simulator.scenario import Scenario

from .revision import UNKNOWN, commit

SEED_SETTING = "SCENARIO_SEED"


def seed(environ: Mapping[str, str] = os.environ) -> str:
    """The commit, unless the setting says otherwise; a fixed word where there is no git."""
    return environ.get(SEED_SETTING) or commit() or UNKNOWN


def one_per_family(scenarios: Sequence[Scenario], *, seed: str) -> list[Scenario]:
    """One scenario of each family that can run anywhere, in the order given. Drawn by family and seed alone.

    A new family changes nothing about the draws of the others. What the program does not end as expected is not drawn,
    nor what needs a right that it does not ship with.
    """
    anywhere = [item for item in scenarios if not item.embedded_only and not item.gap and not item.secret_keys]
    families = dict.fromkeys(item.family for item in anywhere)
    drawn = [
        Random(f"{seed}/{family}").choice([item for item in anywhere if item.family == family]) for family in families
    ]
    return [item for item in anywhere if item in drawn]
