"""A case file that cannot be used is one clear line, and the commands say with their exit code what came of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import case_file
from cli.failures import Exit
from cli.main import app
from tests.cases.recordings import Recordings
from tests.world import clean_environment

__all__ = ["clean_environment"]
pytestmark = [pytest.mark.replay, pytest.mark.usefixtures("clean_environment")]


def call(*words: str) -> Result:
    return CliRunner().invoke(app, ["case", *words])


def incident_of(recordings: Recordings) -> str:
    return str(json.loads(recordings.files["rolled-back"])["incident"]["id"])


def test_a_case_is_exported_and_replayed(recordings: Recordings, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    done = call("export", incident_of(recordings), "-o", str(file), "--store", str(recordings.store))
    assert (done.exit_code, file.stat().st_mode & 0o777) == (Exit.OK, 0o600)
    replayed = call("replay", str(file))
    assert replayed.exit_code == Exit.OK, replayed.output
    assert "the same, byte for byte" in replayed.output


def test_the_same_store_gives_the_same_bytes(recordings: Recordings) -> None:
    done = call("export", incident_of(recordings)[:8], "--store", str(recordings.store))
    assert done.stdout == recordings.files["rolled-back"].decode()


def test_another_decision_has_an_exit_code_of_its_own_and_is_shown(recordings: Recordings, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    data = json.loads(recordings.files["handed-over"])
    data["runs"][0]["decided"][1]["next"] = "AutoFixer"
    file.write_text(json.dumps(data))
    done = call("replay", str(file))
    assert done.exit_code == Exit.DECIDED_OTHERWISE
    assert "run 1, step 2: Supervisor decided otherwise" in done.output
    assert '-  "next": "AutoFixer"' in done.output
    assert '+  "next": "Researcher"' in done.output


def test_an_unknown_incident_is_one_line(recordings: Recordings) -> None:
    done = call("export", "nonsense", "--store", str(recordings.store))
    assert (done.exit_code, done.stdout) == (Exit.UNKNOWN_NAME, "")


def broken(recordings: Recordings, **changes: Any) -> str:
    return json.dumps({**json.loads(recordings.files["handed-over"]), **changes})


def test_a_file_of_another_format_names_the_version_that_reads_it(recordings: Recordings, tmp_path: Path) -> None:
    said = refused(tmp_path, broken(recordings, format="k8s-auto-fixer/case/9", exported_by="7.1"))
    assert "format: 'k8s-auto-fixer/case/9'" in said
    assert "replay it with version 7.1" in said


def test_a_wrong_field_is_named(recordings: Recordings, tmp_path: Path) -> None:
    data = json.loads(recordings.files["handed-over"])
    data["runs"][0]["about"]["speed"] = -1
    said = refused(tmp_path, json.dumps(data))
    assert "`$.runs[0].about.speed`" in said
    assert "export it again" in said


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[" * 100_000, '{"format": 1}', "null", '{"format": "another-program/2"}'],
    ids=["empty", "words", "deep", "wrong-type", "null", "of-another-program"],
)
def test_what_is_no_case_is_refused_in_one_line_without_names_of_the_code(tmp_path: Path, content: str) -> None:
    said = refused(tmp_path, content)
    assert "is not a case file; name one that `case export` wrote" in said or content.startswith("[[")
    assert "_Head" not in said


def test_a_case_without_runs_says_why_there_is_nothing_to_replay(recordings: Recordings, tmp_path: Path) -> None:
    said = refused(tmp_path, broken(recordings, runs=[], remarks=["no run of it was kept"]))
    assert "runs: there is nothing to replay (no run of it was kept)" in said


def test_a_file_that_is_too_large_is_not_read(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_file, "CASE_BYTES", 1 << 20)
    assert "is larger than 1 MiB" in refused(tmp_path, broken(recordings, padding="x" * (1 << 20)))


def test_a_case_file_that_is_cut_off_is_said_so(recordings: Recordings, tmp_path: Path) -> None:
    whole = broken(recordings)
    assert "it is cut off" in refused(tmp_path, whole[: len(whole) // 2])


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = call("replay", str(tmp_path / "nothing.json"))
    assert (done.exit_code, done.output.count("\n")) == (Exit.BAD_CASE, 1)


def refused(folder: Path, content: str) -> str:
    """What is said of a file with that content."""
    file = folder / "case.json"
    file.write_text(content)
    with pytest.raises(case_file.CaseError, match=re.escape(str(file))) as raised:
        case_file.read_case(file)
    assert "\n" not in str(raised.value)
    return str(raised.value)
