"""The runner itself, on an embedded cluster: a small sample of what `make scenarios` runs whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.repair import parts, playing
from benchmarks.repair.finished import Finished as Runs
from benchmarks.repair.published import Published
from benchmarks.repair.run import Run
from simulator.scenario import Scenario, load_scenario
from tests.scenario_runs import Ended

from . import __main__ as prove
from . import benchmarked
from .embedded import run_embedded
from .finished import Finished
from .report import Proof
from .results import Side
from .revision import Revision
from .test_agreement import TYPO, WEB, result


async def test_a_decoy_is_left_alone_and_a_full_quota_is_handed_over() -> None:
    told: list[tuple[str, str]] = []

    def progress(scenario: Scenario, ended: Ended | None) -> None:
        told.append((scenario.name, ended.outcome if ended else "broken"))

    chosen = [load_scenario("decoy-event"), load_scenario("quota")]
    decoy, quota = await run_embedded(chosen, progress=progress)
    assert (decoy.outcome, decoy.failures, decoy.warnings) == ("left_alone", (), ("Failed",))
    assert (quota.outcome, quota.failures, quota.warnings) == ("escalated", (), ("FailedCreate",))
    assert {name: str(item) for name, item in quota.states.items()} == {"Deployment/web": "failing (create-forbidden)"}
    assert (decoy.changes, quota.changes) == (0, 0)
    assert sorted(told) == [
        ("decoy-event", "broken"), ("decoy-event", "left_alone"), ("quota", "broken"), ("quota", "escalated"),
    ]  # fmt: skip


def test_a_scenario_that_does_not_exist_is_one_clear_error() -> None:
    done = CliRunner().invoke(prove.app, ["--only", "nonsense"])
    assert done.exit_code == 2
    assert "there is no scenario 'nonsense'" in " ".join(done.output.split())


@pytest.mark.parametrize(("outcome", "code"), [("resolved", 0), ("escalated", 1)])
def test_what_has_been_run_is_not_run_again_and_its_failures_are_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str, code: int
) -> None:
    here, path = Revision("abc"), tmp_path / "results.json"
    Finished(here, path=path).add([result(), result("real", outcome=outcome)])
    monkeypatch.setattr(prove, "revision", lambda: here)
    monkeypatch.setattr(prove, "Finished", lambda found: Finished(found, path=path))
    done = CliRunner().invoke(prove.app, ["--only", "image-typo"])
    assert done.exit_code == code, done.output
    assert ("image-typo: real: ended escalated, not resolved" in done.output) is (code == 1)


def published_to(written: list[Proof | Published]) -> Callable[[Published], list[Path]]:
    """What publishes by remembering."""

    def publish(found: Published) -> list[Path]:
        written.append(found)
        return []

    return publish


@pytest.mark.parametrize(("real", "code"), [("resolved", 0), ("escalated", 1)])
def test_the_whole_proof_rests_on_the_runs_of_the_benchmark_and_plays_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, real: str, code: int
) -> None:
    here, written = Revision("abc"), list[Proof | Published]()

    def ran(side: Side, seed: int, outcome: str = "resolved") -> Run:
        return Run(
            scenario=TYPO.name, family=TYPO.family, words="first", seed=seed, side=side, expected="resolved",
            outcome=outcome, warnings=("Failed",), states={"Deployment/web": WEB},
        )  # fmt: skip

    runs = Runs(here, path=tmp_path / "runs.json")
    runs.add([*(ran("embedded", seed) for seed in benchmarked.SEEDS), ran("real", benchmarked.COMPARED, real)])
    for module in (benchmarked, parts, playing):
        monkeypatch.setattr(module, "load_scenarios", lambda: [TYPO])
    monkeypatch.setattr(benchmarked, "publish", published_to(written))
    monkeypatch.setattr(prove, "revision", lambda: here)
    monkeypatch.setattr(prove, "_chosen", lambda names: [TYPO])
    monkeypatch.setattr(prove, "Finished", lambda found: Finished(found, path=tmp_path / "results.json"))
    monkeypatch.setattr(prove, "Runs", lambda found, fresh: runs)
    monkeypatch.setattr(prove, "_kill_everywhere", lambda finished, console: None)
    monkeypatch.setattr(prove, "write", written.append)

    done = CliRunner().invoke(prove.app, [])

    assert done.exit_code == code, done.output
    proof, published = written
    assert isinstance(proof, Proof)
    assert isinstance(published, Published)
    (row,) = proof.scenarios
    assert (row.complete, row.faults == ()) == (True, code == 0)
    assert [(part.side, part.seeds) for part in published.parts] == [("embedded", benchmarked.SEEDS), ("real", (1,))]
    assert len(proof.repair) == 4  # the totals' table: two lines of heading, a line a part
