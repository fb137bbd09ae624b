"""A recorded incident decides the same again without a cluster, and what was changed since shows as a difference."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from app.replay import Replayed, replay
from incidents.codec import decode
from incidents.evidence import Evidence
from incidents.incident import Round, Status
from incidents.proposals import Needs, Opinion, Silent
from incidents.recording import Answered, Case, Guarded
from playbooks import all_playbooks, crash_after_rollout
from tests.cases.recordings import NAMES, PLANTED, Recordings

pytestmark = pytest.mark.replay


def case(recordings: Recordings, name: str) -> Case:
    return decode(recordings.files[name], Case)


async def tampered(recordings: Recordings, name: str, change: Any) -> Replayed:
    """The replay of a case in whose file somebody has changed something."""
    data = json.loads(recordings.files[name])
    change(data)
    return await replay(decode(json.dumps(data).encode(), Case))


def told(run: Any, kind: str) -> Any:
    return next(entry for entry in run["told"] if entry["type"] == kind)


@pytest.mark.parametrize("name", NAMES)
async def test_the_same_is_decided_again(recordings: Recordings, name: str) -> None:
    found = await replay(case(recordings, name))
    assert found.differences == ()
    assert found.remarks == ()
    assert found.steps >= 4


def test_every_recording_is_of_what_it_is_called(recordings: Recordings) -> None:
    outcomes = {name: case(recordings, name).incident.outcome for name in NAMES}
    assert outcomes == {
        "rolled-back": "resolved", "handed-over": "escalated", "resumed": "resolved", "approved": "resolved",
        "with-a-model": None,
    }  # fmt: skip
    assert case(recordings, "with-a-model").incident.status is Status.WAITING
    assert len(case(recordings, "approved").runs) == 2
    assert any(isinstance(entry, Answered) for entry in case(recordings, "with-a-model").runs[0].told)
    assert {name for name in NAMES if case(recordings, name).remarks} == {"resumed"}


def test_what_an_interrupted_run_was_told_is_said_to_be_missing(recordings: Recordings) -> None:
    resumed = case(recordings, "resumed")
    (remark,) = resumed.remarks
    assert remark.startswith("run 1 begins with changes that no run here has made: one before it was interrupted")
    assert [change.state for change in resumed.runs[0].start.changes] == ["applied"]


@pytest.mark.parametrize("name", NAMES)
def test_no_planted_secret_is_in_a_file(recordings: Recordings, name: str) -> None:
    text = recordings.files[name].decode()
    assert not [where for where, secret in PLANTED.items() if secret in text]


async def test_a_changed_playbook_decides_otherwise(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    def less_certain(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
        found = crash_after_rollout.consider(evidence, rounds)
        if not isinstance(found, Opinion):
            return found
        return Opinion(found.diagnosis, msgspec.structs.replace(found.proposal, confidence=0.84))

    known = all_playbooks()[crash_after_rollout.FAMILY]
    changed = msgspec.structs.replace(known, consider=less_certain)
    monkeypatch.setitem(all_playbooks(), crash_after_rollout.FAMILY, changed)  # type: ignore[arg-type]  # a dict
    found = await replay(case(recordings, "rolled-back"))
    (difference,) = found.differences
    assert (difference.run, difference.step, difference.what) == (1, 1, "Observe decided otherwise")
    assert any(line.startswith("+") and '"confidence": 0.84' in line for line in difference.lines)
    assert found.remarks == (f"the playbook {crash_after_rollout.FAMILY} is another one than then",)


async def test_another_answer_of_verification_is_another_decision(recordings: Recordings) -> None:
    def worse(data: Any) -> None:
        told(data["runs"][0], "verified")["verification"]["result"] = "cannot-tell"

    (difference,) = (await tampered(recordings, "rolled-back", worse)).differences
    assert "AutoFixer" in difference.what


async def test_another_live_object_is_guarded_otherwise(recordings: Recordings) -> None:
    def paused(data: Any) -> None:
        told(data["runs"][0], "guarded")["live"]["spec"]["paused"] = True

    (difference,) = (await tampered(recordings, "rolled-back", paused)).differences
    assert any("the rollout is paused" in line for line in difference.lines)


async def test_another_question_to_the_model_gets_no_answer(recordings: Recordings) -> None:
    def reworded(data: Any) -> None:
        told(data["runs"][0], "answered")["prompt"] = "0" * 64

    (difference,) = (await tampered(recordings, "with-a-model", reworded)).differences
    assert "asks its model something else" in difference.what


async def test_a_recording_that_ends_too_early_is_a_difference(recordings: Recordings) -> None:
    def cut(data: Any) -> None:
        del data["runs"][0]["told"][-1]

    (difference,) = (await tampered(recordings, "rolled-back", cut)).differences
    assert "the recording has ended" in difference.what


async def test_a_decision_that_was_rewritten_is_a_difference(recordings: Recordings) -> None:
    def rewritten(data: Any) -> None:
        data["runs"][0]["decided"][0]["says"] = ["all is well"]

    (difference,) = (await tampered(recordings, "handed-over", rewritten)).differences
    assert difference.step == 1
    assert any("all is well" in line for line in difference.lines)


def test_what_a_model_proposed_was_rehearsed_reviewed_and_guarded_again(recordings: Recordings) -> None:
    (run,) = case(recordings, "with-a-model").runs
    agents = [entry.agent for entry in run.told if isinstance(entry, Answered)]
    assert [agent for agent in agents if agent in ("auto_fixer", "reviewer")] == ["auto_fixer", "reviewer"]
    assert len([entry for entry in run.told if isinstance(entry, Guarded)]) == 3  # two rehearsals and the attempt
    assert set(run.about.models) >= {"auto_fixer", "reviewer"}
