"""docs/failures.md says of every known failure what is done about it; what it says is held against the code."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from incidents.pod_health import _WAITING
from incidents.symptoms import _TABLE, Symptom
from playbooks import all_playbooks
from simulator.scenario import load_scenarios

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
VERBS = ("repairs", "asks", "hands over", "waits", "leaves alone")
TOLD = {
    "resolved": ("repairs",),
    "escalated": ("hands over", "asks"),
    "rolled_back": ("hands over",),
    "left_alone": ("leaves alone", "waits"),
}
# What the code knows beside its two tables: conditions, and ends of containers and pods.
KNOWN_OTHERWISE = ("OOMKilled", "Evicted", "ProgressDeadlineExceeded", "ReplicaFailure", "Unschedulable")
_IN_TICKS = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """One line of a table: each cell as it is written."""

    family: str
    seen: str
    symptoms: str
    does: str
    playbook: str
    scenarios: str


def rows() -> list[Row]:
    found, family = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            family = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| State"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 5, f"a row has five cells, and no bar within one: {line}"
            found.append(Row(family, *cells))
    return found


ROWS = rows()
SCENARIOS = {scenario.name: scenario for scenario in load_scenarios()}
LISTED = [(row, name) for row in ROWS for name in _IN_TICKS.findall(row.scenarios)]


def symptoms_of(row: Row) -> list[str]:
    return [one.strip() for one in row.symptoms.split(",")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.seen[:60])
def test_every_row_names_symptoms_that_there_are_and_what_is_done(row: Row) -> None:
    assert set(symptoms_of(row)) <= {symptom.value for symptom in Symptom}
    assert any(verb in row.does for verb in VERBS)


def test_every_reason_that_the_code_knows_stands_in_a_row_with_its_symptom() -> None:
    known = {(reason, symptom.value) for reason, _, symptom in _TABLE}
    known |= {(reason, symptom.value) for reason, symptom in _WAITING.items()}
    written = {
        (reason, symptom) for row in ROWS for reason in _IN_TICKS.findall(row.seen) for symptom in symptoms_of(row)
    }
    assert known - written == set()
    assert set(KNOWN_OTHERWISE) <= {reason for reason, _ in written}


def test_every_symptom_is_in_a_table() -> None:
    assert {symptom for row in ROWS for symptom in symptoms_of(row)} == {symptom.value for symptom in Symptom}


def test_every_playbook_is_named_and_every_one_that_is_named_is_there() -> None:
    assert {name for row in ROWS for name in _IN_TICKS.findall(row.playbook)} == set(all_playbooks())


def test_every_scenario_stands_in_a_row_and_every_one_that_is_named_is_there() -> None:
    assert {name for _, name in LISTED} ^ SCENARIOS.keys() == set()


@pytest.mark.parametrize(("row", "name"), LISTED, ids=lambda value: value if isinstance(value, str) else "")
def test_every_scenario_ends_as_its_row_says(row: Row, name: str) -> None:
    outcome = SCENARIOS[name].expected["outcome"]
    assert any(verb in row.does for verb in TOLD[outcome]), f"{name} ends as {outcome}"


def test_no_scenario_stands_in_two_rows() -> None:
    names = [name for _, name in LISTED]
    assert sorted(names) == sorted(set(names))
