"""The runner itself, on an embedded cluster: a small sample of what `make scenarios` runs whole."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.scenario import Scenario, load_scenario
from tests.scenario_runs import Ended

from . import __main__ as prove
from .embedded import run_embedded
from .finished import Finished
from .revision import Revision
from .test_agreement import result


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
