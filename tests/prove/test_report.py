"""What is published: counts that hide nothing, and a table whose failures are as plain as the rest."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from simulator.scenario import load_scenario

from .finished import Finished
from .killing import UNKILLED, Killed, Killing, killings
from .report import Proof, cells, counts, markdown, proof_of, rows_of, write
from .revision import Revision
from .test_agreement import TYPO, result

FLAG = load_scenario("command-flag")
CLOUD = replace(load_scenario("oom"), embedded_only="it needs a cloud")
REVISION = Revision("0123abcd", "")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def finished(folder: Path) -> Finished:
    """The typo proved; the flag disagreed on, and harmful; the cloud on the embedded side alone."""
    found = Finished(REVISION, path=folder / "results.json")
    flag: dict[str, Any] = {"scenario": FLAG.name, "family": FLAG.family}
    found.add([result(), result("real")])
    found.add([result(**flag), result("real", **flag, outcome="escalated", harms=("deleted: v1/Pod/x/y: gone",))])
    found.add([result(scenario=CLOUD.name, family=CLOUD.family)])
    return found


def test_every_standing_is_counted_and_what_runs_on_one_side_apart(tmp_path: Path) -> None:
    rows = rows_of([TYPO, FLAG, CLOUD, load_scenario("quota")], finished(tmp_path))
    assert counts(rows) == {
        "scenarios": 4, "families": 4, "on_both": 2, "agree": 1, "proved": 1, "embedded_only": 1, "not_run": 1,
        "failed": 1, "harmed": 1,
    }  # fmt: skip


def test_the_page_shows_what_failed_and_why(tmp_path: Path) -> None:
    rows = rows_of([TYPO, FLAG, CLOUD, load_scenario("evicted-empty-dir")], finished(tmp_path))
    page = markdown(proof_of(rows, REVISION, now=NOW))
    assert "Commit `0123abcd`; 2026-01-02;" in page
    assert "**1 of 2 scenarios on both clusters end as expected, unharmed and alike**" in page
    assert "| image-typo | image | resolved | resolved | resolved | yes | 1 / 1 |" in page
    assert "| command-flag | command | resolved | resolved | **escalated** | **no** | 1 / 1 |" in page
    assert "- command-flag: real: ended escalated, not resolved" in page
    assert "- command-flag: real: deleted: v1/Pod/x/y: gone" in page
    assert "- command-flag: outcome: embedded resolved, real escalated" in page
    assert "- oom: it needs a cloud" in page
    assert "- evicted-empty-dir: Warning Unhealthy or none: the readiness probe may ask" in page


def test_a_tree_that_differs_from_its_commit_says_so(tmp_path: Path) -> None:
    proof = proof_of(rows_of([TYPO], finished(tmp_path)), Revision("0123abcd", "ff"), now=NOW)
    assert proof.changed_since
    assert "with changes that are not committed" in markdown(proof)


def test_what_has_not_been_run_leaves_its_cells_empty(tmp_path: Path) -> None:
    (row,) = rows_of([TYPO], Finished(REVISION, path=tmp_path / "none.json"))
    assert cells(row) == ("image-typo", "image", "", "", "", "", "- / -")


def test_the_data_reads_back_as_it_was_written(tmp_path: Path) -> None:
    proof = proof_of(rows_of([TYPO, FLAG], finished(tmp_path)), REVISION, now=NOW)
    write(proof, tmp_path)
    assert msgspec.json.decode((tmp_path / "proof.json").read_bytes(), type=Proof) == proof
    assert (tmp_path / "proof.md").read_text() == markdown(proof)


def test_places_at_which_the_daemon_was_killed_are_counted_and_those_that_ended_badly_named(tmp_path: Path) -> None:
    commits = Killing(side="real", story="repaired", at="commit", before=True)
    good = Killed(killing=commits, places=31, wrong={}, seconds=9)
    bad = Killed(
        killing=msgspec.structs.replace(commits, side="embedded"),
        places=30,
        wrong={"before commit 3 (commit 3)": ("2 incidents",), UNKILLED: ("nothing was changed",)},
        seconds=8,
    )
    proof = proof_of(rows_of([TYPO], finished(tmp_path)), REVISION, now=NOW, killed=[good, bad])
    not_run = len(list(killings())) - 2
    assert proof.places == {"embedded": 30, "real": 31, "as_promised": 60, "failed": 1, "not_run": not_run}
    page = markdown(proof)
    assert "**60 of 61 places end as promised**" in page
    assert "| repaired | before each commit | 29 of 30 | 31 of 31 | 8 / 9 |" in page
    assert "- embedded: repaired, before each commit: before commit 3 (commit 3): 2 incidents" in page
    assert "- embedded: repaired, before each commit: unkilled: nothing was changed" in page
    write(proof, tmp_path)
    assert msgspec.json.decode((tmp_path / "proof.json").read_bytes(), type=Proof) == proof
