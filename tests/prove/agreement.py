"""Whether the two sides agree on a scenario, and where they do not. Pure.

Where they differ, the embedded one is wrong. What a run may show or not is named in the scenario's own file
(`sometimes`, `also`), with its reason. What is so in every scenario is said here, once:

- Whether a probe meets a program that ends by itself, between its start and its end, is chance.
- A real cluster's controllers may be late with what a volume needs (the ConfigMap `kube-root-ca.crt` of a new
  namespace, an attachment): a mount that fails once and then works is none of the scenario's.
- Symptoms that say no more than that a deadline has passed depend on when one looks; that it fails at all is compared.

What a scenario must show (`shows`) is asked of each side by itself, whatever is overlooked here.
"""

from __future__ import annotations

from incidents.symptoms import Symptom
from simulator.scenario import Scenario

from .results import Result
from .standing import Standing

_DEADLINES = {Symptom.ROLLOUT_STUCK, Symptom.NOT_READY, Symptom.INIT_HANGING}


def disagreements(scenario: Scenario, embedded: Result, real: Result) -> tuple[str, ...]:
    """One line for each thing that differs; empty when they agree."""
    found = []
    if embedded.outcome != real.outcome and not (embedded.accepted and real.accepted):
        found.append(f"outcome: embedded {embedded.outcome}, real {real.outcome}")
    here, there = set(embedded.warnings), set(real.warnings)
    overlooked = {item.reason for item in scenario.sometimes} | _by_chance(scenario, here, there)
    here, there = here - overlooked, there - overlooked
    for side, reasons in (("embedded", here - there), ("real", there - here)):
        found += [f"Warning {reason}: on the {side} side only" for reason in sorted(reasons)]
    settled = {embedded.outcome, real.outcome} == {embedded.expected}  # else how it stands is up to who came first
    for name in sorted({*embedded.states, *real.states}):
        found += _workload(name, embedded.states.get(name), real.states.get(name), states=settled)
    return tuple(found)


def _by_chance(scenario: Scenario, here: set[str], there: set[str]) -> set[str]:
    """The reasons by which two runs of any scenario may differ, given those of the embedded and of the real side."""
    crashes = {"Unhealthy"} if "BackOff" in here | there else set()
    late = {"FailedMount"} - here - {item.reason for item in scenario.shows}
    return crashes | late


def _workload(name: str, embedded: Standing | None, real: Standing | None, *, states: bool) -> list[str]:
    if embedded is None or real is None:
        return [] if embedded is real else [f"{name}: on the {'real' if embedded is None else 'embedded'} side only"]
    found = []
    if states and _compared(embedded) != _compared(real):
        found.append(f"{name}: embedded {embedded}, real {real}")
    if embedded.spec != real.spec:
        found.append(f"{name}: the specs of its pods differ")
    return found


def _compared(standing: Standing) -> tuple[str, frozenset[str]]:
    return standing.state, frozenset(standing.symptoms) - _DEADLINES
