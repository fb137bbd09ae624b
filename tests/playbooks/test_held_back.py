"""Pods of an earlier revision than the template says: what holds the new one back is told."""

from typing import Any

import pytest

from incidents.evidence import Evidence
from incidents.proposals import Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import consult
from playbooks.confidence import SUGGESTED
from playbooks.held_back import held_back
from tests.builders import container, deployment, evidence, not_there, pod, replica_set, snapshot, template
from tests.stateful import member, stateful_set

Object = dict[str, Any]
GOOD, BAD = template(container(image="nginx:1.28")), template(container(image="nginx:9"))


def paused(*, of_present: bool = False, **spec: Any) -> Evidence:
    """A Deployment with a corrected template, and pods of the one before."""
    old, new = replica_set(BAD, number=1), replica_set(GOOD, number=2)
    pods = [pod(not_there("nginx:9"), of=old)]
    if of_present:
        pods.append(pod(not_there("nginx:1.28"), name="web-new", of=new))
    sets = [old, new] if of_present else [old]
    return evidence(snapshot(deployment(GOOD, **{"paused": True, **spec}), sets, pods))


def ordered(kind: str = "StatefulSet", *, revision: str = "bad", seen: bool = True, **spec: Any) -> Evidence:
    workload = stateful_set(**spec)
    workload["kind"] = kind
    workload["spec"]["template"] = GOOD
    stuck = member(0, revision=revision, ready=False)
    stuck["status"]["containerStatuses"] = [not_there("nginx:9")]
    revisions = [_revision("bad", BAD, 1), *([_revision("good", GOOD, 2)] if seen else [])]
    return evidence(snapshot(workload, revisions, [stuck]))


def _revision(name: str, pod_template: Object, number: int) -> Object:
    made = replica_set(pod_template, number=number)
    return {**made, "kind": "ControllerRevision", "metadata": {**made["metadata"], "name": name, "labels": {}}}


class TestPaused:
    """A pause is somebody's decision, and may have been forgotten."""

    def test_to_resume_is_only_asked_for(self) -> None:
        answer = consult(paused(), ())
        assert isinstance(answer, Opinion)
        assert answer.proposal.action == (SetField(path="/spec/paused", expected=True, value=None),)
        assert (answer.proposal.ends, answer.proposal.confidence) == (Symptom.IMAGE_PULL, SUGGESTED)
        assert "paused" in answer.diagnosis.cause

    def test_where_pods_of_the_present_template_fail_too_it_would_not_help(self) -> None:
        assert held_back(paused(of_present=True)) is None
        assert isinstance(consult(paused(of_present=True), ()), Silent)


class TestReplacedByHand:
    """Which pod goes, and when, is for whoever has chosen that."""

    @pytest.mark.parametrize(
        ("kind", "spec", "because"),
        [
            ("StatefulSet", {}, "its controller waits for it"),
            ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
            ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ],
    )
    def test_the_pod_is_named_with_the_command_and_nothing_is_changed(
        self, kind: str, spec: Object, because: str
    ) -> None:
        answer = consult(ordered(kind, **spec), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert because in answer.diagnosis.cause
        assert answer.diagnosis.by_hand[-1] == "kubectl -n shop delete pod web-0"

    def test_behind_a_partition_a_pod_comes_back_as_it_was_and_no_command_is_told(self) -> None:
        answer = consult(ordered(updateStrategy={"rollingUpdate": {"partition": 1}}), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert "partition" in answer.diagnosis.cause
        assert answer.diagnosis.by_hand == ()

    def test_pods_of_the_present_revision_are_no_matter_of_the_rollout(self) -> None:
        assert held_back(ordered(revision="good")) is None

    def test_pods_of_a_revision_that_nobody_knows_say_nothing(self) -> None:
        assert held_back(ordered(revision="another")) is None

    def test_a_controller_that_replaces_them_by_itself_is_waited_for(self) -> None:
        assert held_back(ordered(podManagementPolicy="Parallel")) is None
        assert held_back(ordered("DaemonSet")) is None

    def test_a_template_that_the_controller_has_not_seen_yet_holds_nothing_back(self) -> None:
        assert held_back(ordered(seen=False)) is None
