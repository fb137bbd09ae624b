"""The proof as it is published: rows, counts, and the two files in docs. Pure but for the writing.

A scenario counts as proved when both sides ended as expected, nothing was harmed and they agree; one that runs on the
embedded side alone is counted apart. What failed stands in the files as plainly as what did not.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from app.version import VERSION
from benchmarks.repair.published import totals_table
from benchmarks.repair.report import Results
from simulator.scenario import Scenario
from tests.control_plane.build import kubernetes_version

from .agreement import disagreements
from .finished import Finished
from .killing import Killed, killings
from .killing_page import killing_page, places_of
from .results import Result
from .revision import REPOSITORY, Revision

DOCS = REPOSITORY / "docs"
_HEADINGS = ("scenario", "family", "expected", "embedded", "real", "agree", "seconds embedded / real")

_INTRODUCTION = (
    "Written by `make prove`; the data is in [proof.json](proof.json).",
    "",
    "Every scenario, in other words than its file has, is met by the program, a daemon in mode auto, on two clusters:",
    "on the embedded one (one process, twenty times as fast), and on a real kube-apiserver, kube-controller-manager",
    "and kube-scheduler with the simulated kubelet (the installed command, with its ServiceAccount and the shipped",
    "rights). They agree when the outcome, the reasons of the Warnings, the health of the workloads and the specs of",
    "their pods are the same. Whether a probe meets a program between its start and its crash is chance, and so is a",
    "mount that fails at first because a real controller was late.",
)
_REPAIR = ("How much was repaired, handed over and harmed, by family and scenario, stands in [repair.md](repair.md):",)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario: what it showed on either side, None where it has not been run.

    ``tolerated`` is what one run may show and the next may not, with the scenario's reason.
    """

    scenario: str
    family: str
    title: str
    embedded: Result | None
    real: Result | None
    embedded_only: str = ""
    tolerated: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it has been run wherever it can run."""
        return self.embedded is not None and (self.real is not None or bool(self.embedded_only))

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is not as it should be, with its side."""
        own = [f"{item.side}: {fault}" for item in (self.embedded, self.real) if item for fault in item.failures]
        return (*own, *self.disagreements)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What docs/proof.json holds. ``repair`` are the lines of the benchmark's totals; its data is docs/repair.json."""

    commit: str
    changed_since: bool
    date: str
    versions: dict[str, str]
    counts: dict[str, int]
    scenarios: list[Row]
    killed: list[Killed] = []
    places: dict[str, int] = {}
    repair: list[str] = []


def rows_of(scenarios: Iterable[Scenario], finished: Finished) -> list[Row]:
    """A row for each scenario, by what has been run so far."""
    return [_row(scenario, finished) for scenario in scenarios]


def _row(scenario: Scenario, finished: Finished) -> Row:
    embedded, real = finished.get(scenario.name, "embedded"), finished.get(scenario.name, "real")
    return Row(
        scenario=scenario.name,
        family=scenario.family,
        title=scenario.title,
        embedded=embedded,
        real=real,
        embedded_only=scenario.embedded_only,
        tolerated=tuple(_tolerated(scenario)),
        disagreements=disagreements(scenario, embedded, real) if embedded and real else (),
    )


def _tolerated(scenario: Scenario) -> Iterator[str]:
    if also := scenario.expected.get("also"):
        yield f"{scenario.expected['outcome']} or {also}: {scenario.expected['because']}"
    for item in scenario.sometimes:
        yield f"Warning {item.reason} or none: {item.because}"


def proof_of(
    rows: Sequence[Row],
    revision: Revision,
    *,
    now: datetime,
    killed: Sequence[Killed] = (),
    parts: Sequence[Results] = (),
) -> Proof:
    """The rows and what came of killing, with what they are of and their counts; ``parts`` are the benchmark's."""
    known = {item.killing: item for item in killed}
    return Proof(
        commit=revision.commit,
        changed_since=bool(revision.changes),
        date=now.date().isoformat(),
        versions={
            "k8s-auto-fixer": VERSION,
            "kubernetes": kubernetes_version(),
            "python": platform.python_version(),
        },
        counts=counts(rows),
        scenarios=list(rows),
        killed=[known[killing] for killing in killings() if killing in known],
        places=places_of(killed),
        repair=totals_table(parts) if parts else [],
    )


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many scenarios there are of each standing; ``harmed`` counts runs, of which a scenario has two."""
    both = [row for row in rows if not row.embedded_only and row.complete]
    results = [item for row in rows for item in (row.embedded, row.real) if item]
    return {
        "scenarios": len(rows),
        "families": len({row.family for row in rows}),
        "on_both": len(both),
        "agree": sum(not row.disagreements for row in both),
        "proved": sum(not row.faults for row in both),
        "embedded_only": sum(bool(row.embedded_only) for row in rows),
        "not_run": sum(not row.complete for row in rows),
        "failed": sum(bool(row.faults) for row in rows),
        "harmed": sum(bool(item.harms) for item in results),
    }


def write(proof: Proof, folder: Path = DOCS) -> None:
    """Both files; the second says what the first holds, for people."""
    data = msgspec.json.format(msgspec.json.encode(proof), indent=1)
    (folder / "proof.json").write_bytes(data + b"\n")
    (folder / "proof.md").write_text(markdown(proof), encoding="utf-8")


def markdown(proof: Proof) -> str:
    """The proof as a page."""
    lines = [
        "# The proof",
        "",
        *_INTRODUCTION,
        "",
        *_summary(proof),
        *(["", *_REPAIR, "", *proof.repair] if proof.repair else []),
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{'|'.join('---' for _ in _HEADINGS)}|",
        *(f"| {' | '.join(cells(row))} |" for row in proof.scenarios),
    ]
    return "\n".join([*lines, *_reasons(proof.scenarios), *killing_page(proof.killed, proof.places)]) + "\n"


def _summary(proof: Proof) -> list[str]:
    count = proof.counts
    since = ", with changes that are not committed" if proof.changed_since else ""
    versions = ", ".join(f"{name} {version}" for name, version in proof.versions.items())
    return [
        f"Commit `{proof.commit}`{since}; {proof.date}; {versions}.",
        "",
        f"**{count['proved']} of {count['on_both']} scenarios on both clusters end as expected, unharmed and alike**,",
        f"in {count['families']} families. The clusters agree on {count['agree']}; {count['failed']} failed;",
        f"{count['harmed']} runs harmed something; {count['embedded_only']} run on the embedded cluster alone;",
        f"{count['not_run']} not run.",
    ]


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text."""
    ends = [row.embedded, row.real]
    shown = ["" if item is None else f"**{item.outcome}**" if item.failures else item.outcome for item in ends]
    if row.embedded_only:
        shown[1] = "embedded only"
    agree = "" if row.embedded is None or row.real is None else "**no**" if row.disagreements else "yes"
    expected = next((" or ".join(filter(None, (item.expected, item.also))) for item in ends if item), "")
    seconds = " / ".join("-" if item is None else f"{item.seconds:.0f}" for item in ends)
    return (row.scenario, row.family, expected, *shown, agree, seconds)


def _reasons(rows: Sequence[Row]) -> list[str]:
    faults = [f"- {row.scenario}: {fault}" for row in rows for fault in row.faults]
    tolerated = [f"- {row.scenario}: {one}" for row in rows for one in row.tolerated]
    alone = [f"- {row.scenario}: {row.embedded_only}" for row in rows if row.embedded_only]
    return [
        *(["", "## What is not as it should be", "", *faults] if faults else []),
        *(["", "## What may differ from run to run, and why", "", *tolerated] if tolerated else []),
        *(["", "## On the embedded cluster alone, and why", "", *alone] if alone else []),
    ]
