"""What a new template would not reach by itself is deleted with it, or told and not tried."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.objects import Uid
from incidents.proposals import Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.edits import opinion
from playbooks.ordered import reaching
from tests.builders import deployment, evidence, pod, running, snapshot, waiting

Object = dict[str, Any]


def stuck(kind: str = "StatefulSet", *, ready: bool = False, **spec: Any) -> Evidence:
    made = deployment(**spec)
    made["kind"] = kind
    return evidence(snapshot(made, (), [pod(running() if ready else waiting("ImagePullBackOff"), ready=ready)]))


def corrected(taken: Evidence) -> Opinion:
    return opinion(
        taken,
        SetField(path="/spec/template/spec/containers[web]/image", expected="nginx:9", value="nginx:1.28"),
        family="image",
        cause="nginx:9 does not exist",
        rests_on=("not found",),
        ends=Symptom.IMAGE_PULL,
        reason="run nginx:1.28",
        confidence=0.9,
    )


@pytest.mark.parametrize("spec", [{}, {"podManagementPolicy": "OrderedReady"}])
def test_the_pod_that_an_ordered_set_waits_for_is_deleted_with_the_change_and_it_says_so(spec: Object) -> None:
    taken = stuck(**spec)
    answer = reaching(taken, corrected(taken))
    assert isinstance(answer, Opinion)
    assert answer.proposal.reason == "run nginx:1.28, and delete pod web-1, which its controller would not replace"
    assert answer.proposal.action == corrected(taken).proposal.action


PARTITION = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}),
        ("StatefulSet", {"updateStrategy": PARTITION}),
        ("StatefulSet", {"podManagementPolicy": "Parallel", "updateStrategy": PARTITION}),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}),
    ],
)
def test_where_somebody_decides_by_hand_which_pod_is_replaced_a_person_is_told(kind: str, spec: Object) -> None:
    taken = stuck(kind, **spec)
    told = reaching(taken, corrected(taken))
    assert isinstance(told, Silent)
    assert told.diagnosis is not None
    assert told.diagnosis.rests_on[-1].startswith("run nginx:1.28, and delete pod web-1: its ")


@pytest.mark.parametrize(
    ("kind", "spec", "ready"),
    [
        ("StatefulSet", {"podManagementPolicy": "Parallel"}, False),
        ("StatefulSet", {}, True),
        ("DaemonSet", {}, False),
        ("Deployment", {}, False),
    ],
)
def test_pods_that_their_controller_replaces_are_no_obstacle(kind: str, spec: Object, ready: bool) -> None:
    taken = stuck(kind, ready=ready, **spec)
    assert reaching(taken, corrected(taken)) == corrected(taken)


def test_a_change_to_another_object_needs_no_new_pods() -> None:
    taken = stuck()
    answer = corrected(taken)
    elsewhere = msgspec.structs.replace(answer.proposal.target, uid=Uid("uid-service"))
    answer = msgspec.structs.replace(answer, proposal=msgspec.structs.replace(answer.proposal, target=elsewhere))
    assert reaching(taken, answer) == answer


def test_a_change_beside_the_template_needs_no_new_pods() -> None:
    taken = stuck()
    answer = corrected(taken)
    edit = (SetField(path="/spec/replicas", expected=1, value=2),)
    answer = msgspec.structs.replace(answer, proposal=msgspec.structs.replace(answer.proposal, action=edit))
    assert reaching(taken, answer) == answer
