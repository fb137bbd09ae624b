"""What one scenario showed on one side, as data that two sides can be compared by and a file can keep.

Everything here is read from the cluster: how its workloads stand by the program's one judge of health, which
Warnings there are, what was written. Of what the program says of itself only the outcome of its incidents counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from simulator.judge import Harm
from simulator.request_targets import Request, writes_of
from simulator.scenario import Scenario
from tests.scenario_runs import ASKED, HANDED_OVER, Played

from .standing import Standing, fits, standings

Side = Literal["embedded", "real"]
_OWN_KINDS = {"Event", "Lease"}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario on one side. ``seconds`` are wall seconds from its break to its end.

    ``also`` is a second outcome that the scenario accepts, empty if there is none; ``workloads_well``: they are,
    whatever is handed over. ``states`` says of each workload how it stands at the end; ``missing`` are the events it
    should have shown, ``changes`` the program's writes that landed.
    """

    scenario: str
    family: str
    side: Side
    expected: str
    also: str = ""
    workloads_well: bool = False
    outcome: str
    seconds: float
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    harms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    states: dict[str, Standing] = msgspec.field(default_factory=dict)
    changes: int = 0

    @property
    def accepted(self) -> bool:
        """Whether it ended in a way that the scenario accepts: who is asked to approve something has it in hand."""
        asks = self.outcome == ASKED and bool({self.expected, self.also} & set(HANDED_OVER))
        return asks or self.outcome in (self.expected, self.also)

    @property
    def failures(self) -> tuple[str, ...]:
        """What was not as the scenario wants it, side by itself; empty when all was."""
        found = [*self.problems, *(f"never showed {one}" for one in self.missing), *self.harms]
        if not self.accepted:
            found.insert(0, f"ended {self.outcome}, not {self.expected}")
        elif self.outcome != self.also and not fits(  # which of two ends it is depends on when somebody looks
            self.expected, self.states, well_all_the_same=self.workloads_well
        ):
            found.append(f"{self.outcome}, and yet {', '.join(f'{name} {item}' for name, item in self.states.items())}")
        return tuple(found)


def results_of(
    scenarios: Sequence[Scenario],
    played: Played,
    harms: Sequence[Harm],
    requests: Sequence[Request],
    *,
    side: Side,
    user: str,
    speed: float,
) -> list[Result]:
    """A result for each scenario of one run. Harm outside of all their namespaces is laid to each of them."""
    namespaces = {scenario.namespace for scenario in scenarios}
    written = [
        target.namespace for target, item in writes_of(requests) if item.user == user and target.kind not in _OWN_KINDS
    ]
    return [
        Result(
            scenario=scenario.name,
            family=scenario.family,
            side=side,
            expected=str(scenario.expected["outcome"]),
            also=str(scenario.expected.get("also", "")),
            workloads_well=bool(scenario.expected.get("workloads_well", False)),
            outcome=ended.outcome,
            seconds=round(ended.seconds, 1),
            problems=ended.problems,
            missing=tuple(f"{sign.reason} of a {sign.kind} ({sign.contains})" for sign in ended.missing),
            harms=tuple(str(harm) for harm in harms if _concerns(harm, scenario, namespaces)),
            warnings=tuple(sorted(played.warnings(scenario))),
            states=standings(stood, scenario, now=read_at, speed=speed),
            changes=written.count(scenario.namespace),
        )
        for scenario in scenarios
        for ended, (stood, read_at) in ((played.ended[scenario.name], played.stood[scenario.name]),)
    ]


def _concerns(harm: Harm, scenario: Scenario, namespaces: set[str]) -> bool:
    namespace = harm.key.split("/")[-2]
    return namespace == scenario.namespace or namespace not in namespaces
