"""From a model's words to a proposal: what is nothing, and how much of its confidence is believed."""

from typing import Any

import pytest

from agents.answers import Edit, Fix, ProposedChange
from agents.proposing import (
    HIGHEST,
    UNNAMED,
    UNREHEARSED,
    UNREVIEWED,
    Misfit,
    believed,
    diagnosis_of,
    proposal_of,
    still_fits,
)
from incidents.evidence import Evidence
from incidents.incident import Result, Round, Verification
from incidents.masking import MASK
from incidents.proposals import Review, RollBack, SetField
from playbooks.confidence import SUGGESTED
from tests.agents.brains import fix, setting
from tests.builders import (
    IMAGE_PATH,
    container,
    deployment,
    evidence,
    not_there,
    pod,
    replica_set,
    running,
    snapshot,
    template,
)
from tools.models.answers import from_text
from tools.models.errors import ModelAnswerError

WRONG = "nginx:1.27-alpnie"


def seen(**fields: Any) -> Evidence:
    """A Deployment whose present revision cannot pull its image; the one before was well."""
    old = replica_set(template(container(image="nginx:1.26")), number=1)
    present = template(container(image=WRONG, **fields))
    new = replica_set(present, number=2)
    taken = snapshot(deployment(present), [old, new], [pod(not_there(WRONG), of=new)])
    return evidence(taken, seen_well=[1])


def proposed(change: dict[str, Any], of: Evidence | None = None, rounds: tuple[Round, ...] = ()) -> Any:
    return proposal_of(ProposedChange.model_validate(change), of or seen(), rounds)


def test_a_field_is_set_where_it_is_what_the_model_read() -> None:
    made = proposed(setting(IMAGE_PATH, WRONG, "nginx:1.26"))
    assert made.action == (SetField(path=IMAGE_PATH, expected=WRONG, value="nginx:1.26"),)
    assert made.target == seen().subject.ref
    assert made.by_model


def test_a_rollback_names_a_revision_that_is_known_to_work() -> None:
    made = proposed({**setting("", None, None), "action": "roll-back", "edits": [], "revision": 1})
    assert isinstance(made.action, RollBack)
    assert made.action.replica_set == "web-h1"


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (setting(IMAGE_PATH, "nginx:1.27", "nginx:1.26"), "its present value is"),
        (setting(IMAGE_PATH, WRONG, WRONG), "has that value already"),
        (setting(IMAGE_PATH, WRONG, None), "no value is given"),
        (setting("/spec/template/spec/containers[other]/image", WRONG, "x"), "0 items of containers"),
        (setting("/spec/template/spec/containers/0/image", WRONG, "x"), "addressed by name"),
        (setting("/metadata/name", "web", "x"), "only fields below /spec"),
        (setting("/status/replicas", 1, 0), "only fields below /spec"),
        (setting("image", WRONG, "x"), "a pointer starts with"),
        (setting("/spec/template", None, "x"), "holds further fields"),
        ({**setting("/spec/paused", None, True), "action": "remove"}, "nothing to remove"),
        ({**setting(IMAGE_PATH, WRONG, "x"), "edits": []}, "names no field"),
        ({**setting(IMAGE_PATH, WRONG, "x"), "ends": "oom-killed"}, "is not observed"),
        ({**setting("", None, None), "action": "roll-back", "revision": 2}, "is the present one"),
        ({**setting("", None, None), "action": "roll-back", "revision": 7}, "there is no revision 7"),
        ({**setting("", None, None), "action": "roll-back"}, "there is no revision None"),
    ],
)
def test_what_does_not_fit_the_evidence_is_nothing_and_says_why(change: dict[str, Any], because: str) -> None:
    with pytest.raises(Misfit, match=because):
        proposed(change)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", str(2**63)])
def test_a_number_that_no_manifest_holds_is_no_answer(value: str) -> None:
    written = '{"path": "/spec/replicas", "expected": 1, "value": %s}'
    assert from_text(written % 3, Edit).value == 3
    with pytest.raises(ModelAnswerError, match="value"):
        from_text(written % value, Edit)


def test_what_is_masked_can_neither_be_read_nor_written() -> None:
    masked = seen(env=[{"name": "api-token", "value": MASK}])
    path = "/spec/template/spec/containers[web]/env[api-token]/value"
    with pytest.raises(Misfit, match="masked"):
        proposed(setting(path, MASK, "stolen"), masked)
    with pytest.raises(Misfit, match="masked"):
        proposed(setting(IMAGE_PATH, WRONG, f"nginx:{MASK}"), masked)


def test_a_revision_that_nobody_knows_to_work_is_no_way_back() -> None:
    old = replica_set(template(container(image="nginx:1.26")), number=1)
    new = replica_set(template(container(image=WRONG)), number=2)
    of = evidence(snapshot(deployment(template(container(image=WRONG))), [old, new], [pod(not_there(WRONG), of=new)]))
    with pytest.raises(Misfit, match="not known to work"):
        proposed({**setting("", None, None), "action": "roll-back", "revision": 1}, of)


def test_what_was_no_better_before_is_not_proposed_again() -> None:
    first = proposed(setting(IMAGE_PATH, WRONG, "nginx:1.25"))
    tried = Round(number=1, proposal=first, verification=Verification(result=Result.NO_BETTER, detail=""))
    with pytest.raises(Misfit, match="no better"):
        proposed(setting(IMAGE_PATH, WRONG, "nginx:1.25"), rounds=(tried,))


AGREES = Review(author="model/reviewer", veto=False, confidence=1.0, reason="")


def confidence(*, rehearsed: bool = True, review: Review | None = AGREES, **answer: Any) -> float:
    change = setting(IMAGE_PATH, WRONG, "nginx:1.26", confidence=answer.pop("own", 1.0))
    diagnosis = diagnosis_of(Fix.model_validate(fix(confidence=answer.pop("confidence", 1.0), **answer)))
    return believed(proposed(change), diagnosis, seen(), rehearsed=rehearsed, review=review).confidence


def test_a_models_confidence_is_capped_by_each_check_that_can_be_made_without_it() -> None:
    assert confidence() == HIGHEST
    assert confidence(own=0.4) == 0.4
    assert confidence(confidence=0.3) == 0.3
    assert confidence(rehearsed=False) == UNREHEARSED
    assert confidence(review=None) == UNREVIEWED
    assert confidence(review=Review(author="r", veto=False, confidence=0.2, reason="")) == 0.2
    assert confidence(review=Review(author="r", veto=True, confidence=1.0, reason="")) == 0.0
    assert confidence(cause="the moon is full", rests_on=["it is night"]) == UNNAMED


def test_a_proposal_whose_world_has_changed_is_believed_in_nothing() -> None:
    made = proposed(setting(IMAGE_PATH, WRONG, "nginx:1.26"))
    changed = evidence(snapshot(deployment(template(container(image="nginx:9"))), [], []))
    assert still_fits(made, seen())
    assert not still_fits(made, changed)
    diagnosis = diagnosis_of(Fix.model_validate(fix()))
    told = believed(made, diagnosis, changed, rehearsed=True, review=AGREES)
    assert told.confidence == 0.0
    assert any("does not show" in check for check in told.checks)


@pytest.mark.parametrize(("ready", "most"), [(False, HIGHEST), (True, SUGGESTED)])
def test_a_roll_back_of_what_serves_is_a_suggestion(ready: bool, most: float) -> None:
    old = replica_set(template(container(image="nginx:1.26")), number=1)
    new = replica_set(template(container(image=WRONG)), number=2)
    pods = [pod(not_there(WRONG), of=new), pod(running(), of=new, name="web-2", ready=ready)]
    of = evidence(snapshot(deployment(template(container(image=WRONG))), [old, new], pods), seen_well=[1])
    made = proposed({**setting("", None, None, confidence=1.0), "action": "roll-back", "edits": [], "revision": 1}, of)
    diagnosis = diagnosis_of(Fix.model_validate(fix(confidence=1.0)))
    assert believed(made, diagnosis, of, rehearsed=True, review=AGREES).confidence == most


def test_a_reviewer_can_only_lower() -> None:
    keen = Review(author="r", veto=False, confidence=1.0, reason="")
    assert confidence(own=0.5, review=keen) == 0.5
