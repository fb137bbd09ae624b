"""Rollouts past their deadline: put back where an earlier revision serves in the same surroundings."""

from typing import Any

import msgspec

from incidents.evidence import Evidence, Want, WantKind
from incidents.proposals import Needs, Opinion, RollBack, Silent
from playbooks import consult
from playbooks.confidence import CERTAIN
from playbooks.last_good import may_roll_back
from playbooks.registry import Playbook
from playbooks.rollout import consider
from tests.builders import (
    condition,
    container,
    deployment,
    ended,
    evidence,
    pod,
    replica_set,
    running,
    snapshot,
    template,
    waiting,
)
from tests.stateful import member, stateful_set

Object = dict[str, Any]
STUCK = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-h2" has timed out progressing.')


def stuck(*, old_ready: bool = True, seen_well: tuple[int, ...] = (), refused: str = "", **fields: Any) -> Evidence:
    present = template(container(image="nginx:1.28", **fields))
    failure = [condition("ReplicaFailure", "True", "FailedCreate", refused)] if refused else []
    old, new = replica_set(number=1), replica_set(present, number=2, conditions=failure)
    pods = [pod(of=new), pod(name="web-old", of=old, ready=old_ready)]
    taken = snapshot(deployment(present, conditions=[STUCK], replicas=2), [old, new], pods)
    return evidence(taken, seen_well=seen_well)


def test_the_revision_that_still_serves_is_put_back() -> None:
    answer = consider(stuck(), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)
    assert answer.proposal.action.replica_set == "web-h1"


def test_a_revision_that_only_served_once_may_fail_by_the_same_surroundings() -> None:
    assert isinstance(consider(stuck(old_ready=False, seen_well=(1,)), ()), Silent)


def test_what_crashes_may_miss_what_the_earlier_pods_found_at_their_start() -> None:
    present = template(container(image="nginx:1.28"))
    old, new = replica_set(number=1), replica_set(present, number=2)
    crashing = waiting("CrashLoopBackOff", restarts=3, last=ended())
    for status in (crashing, running(restarts=3, last=ended())):
        pods = [pod(status, of=new), pod(name="web-old", of=old, ready=True)]
        taken = snapshot(deployment(present, conditions=[STUCK], replicas=2), [old, new], pods)
        assert isinstance(consider(evidence(taken), ()), Silent)


def test_a_present_revision_that_was_well_was_broken_from_elsewhere() -> None:
    assert isinstance(consider(stuck(seen_well=(2,)), ()), Silent)


def test_what_the_surroundings_refuse_is_no_fault_of_the_revision() -> None:
    assert isinstance(consider(stuck(refused="exceeded quota: q, requested: pods=1"), ()), Silent)


def test_a_security_setting_that_came_with_the_revision_is_not_taken_back() -> None:
    assert isinstance(consider(stuck(securityContext={"runAsNonRoot": True}), ()), Silent)


def test_without_a_deadline_that_has_passed_nothing_is_rolled_back() -> None:
    assert isinstance(consider(evidence(snapshot(deployment(), [replica_set()], [pod(ready=True)])), ()), Silent)


def test_what_is_only_likely_waits_for_those_who_could_be_certain() -> None:
    def answering(answer: Silent | Needs | Opinion, family: str) -> Playbook:
        return Playbook(
            family=family, about="", symptoms=(), subjects=("Deployment",), consider=lambda taken, rounds: answer
        )

    taken = stuck()
    likely = consider(taken, ())
    assert isinstance(likely, Opinion)
    wants = Needs((Want(WantKind.OBJECTS, "Service"),))
    asking = {"rollout": answering(likely, "rollout"), "other": answering(wants, "other")}
    assert consult(taken, (), asking) == wants
    asking["other"] = answering(Silent("nothing of mine"), "other")
    assert consult(taken, (), asking) == likely
    sure = msgspec.structs.replace(likely, proposal=msgspec.structs.replace(likely.proposal, confidence=CERTAIN))
    assert consult(taken, (), {"other": answering(wants, "other"), "sure": answering(sure, "sure")}) == sure


class TestStatefulSets:
    """Put back like others, as long as nothing can have been written that an earlier revision cannot read."""

    @staticmethod
    def stuck(status: Object, **spec: Any) -> Evidence:
        present = template(container(image="nginx:1.28"))
        workload = stateful_set(revision="bad", **spec)
        workload["spec"]["template"] = present
        new = member(1, revision="bad", ready=False)
        new["status"]["containerStatuses"] = [status]
        revisions = [_revision("good", template()), _revision("bad", present)]
        return evidence(snapshot(workload, revisions, [member(0), new]))

    def test_the_revision_that_works_may_be_put_back(self) -> None:
        assert may_roll_back(self.stuck(running()))

    def test_with_claims_only_while_nothing_of_the_present_one_was_ever_started(self) -> None:
        claims = [{"metadata": {"name": "data"}}]
        assert may_roll_back(self.stuck(waiting("ImagePullBackOff"), volumeClaimTemplates=claims))
        assert not may_roll_back(self.stuck(running(), volumeClaimTemplates=claims))
        crashing = waiting("CrashLoopBackOff", restarts=1, last=ended())
        assert not may_roll_back(self.stuck(crashing, volumeClaimTemplates=claims))


def _revision(name: str, pod_template: Object) -> Object:
    """A ControllerRevision in the form in which it is read."""
    made = replica_set(pod_template, number=1 if name == "good" else 2)
    return {**made, "kind": "ControllerRevision", "metadata": {**made["metadata"], "name": name, "labels": {}}}
