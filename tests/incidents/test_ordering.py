"""Which pod keeps an ordered StatefulSet from its present template: one that is not ready, and never another."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.objects import CRON_JOB, JOB
from incidents.ordering import in_the_way, of_present_revision, proves_template
from incidents.snapshot import Snapshot, is_ready
from tests.builders import NOW, deployment, snapshot, stamp
from tests.scraper.seeing import thing
from tests.stateful import member, stateful_set

Object = dict[str, Any]
BEFORE = NOW


def found(workload: Object, *pods: Object) -> str:
    pod = in_the_way(snapshot(workload, (), pods), BEFORE)
    return pod["metadata"]["name"] if pod is not None else ""


@pytest.mark.parametrize(
    ("workload", "proves"),
    [
        (deployment(ready=1), True),
        (deployment(replicas=0), False),
        ({**(paused := deployment(ready=1)), "status": {**paused["status"], "updatedReplicas": 0}}, False),
        (stateful_set(), True),
        (stateful_set(revision="bad"), False),
        (thing(JOB, "once", spec={"parallelism": 1}, status={"succeeded": 1}), False),
        (thing(CRON_JOB, "nightly", spec={}), False),
    ],
    ids=["serves", "scaled to nothing", "older template", "set", "set in between", "no pod left", "no pods of its own"],
)
def test_being_well_proves_the_present_template_only_of_what_wants_pods_that_are_all_of_it(
    workload: Object, proves: bool
) -> None:
    assert proves_template(Snapshot(workload=workload, read_at=NOW)) is proves


def test_the_pod_of_another_revision_that_is_not_ready_is_in_the_way() -> None:
    assert found(stateful_set(), member(0), member(1, revision="bad", ready=False)) == "web-1"


@pytest.mark.parametrize(
    "spec",
    [
        {"podManagementPolicy": "Parallel"},
        {"updateStrategy": {"type": "OnDelete"}},
        {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
    ],
)
def test_where_the_controller_or_a_person_replaces_pods_none_is(spec: Object) -> None:
    assert found(stateful_set(**spec), member(0), member(1, revision="bad", ready=False)) == ""


def test_a_pod_that_became_unready_since_is_not() -> None:
    late = member(1, revision="bad", ready=False, since=-5)
    assert found(stateful_set(), member(0), late) == ""


def test_a_pod_that_no_kubelet_has_spoken_of_counts_from_when_it_was_made() -> None:
    pod = member(1, revision="bad", ready=False)
    pod["status"]["conditions"] = []
    assert found(stateful_set(), member(0), pod) == "web-1"
    pod["metadata"]["creationTimestamp"] = stamp(-5)
    assert found(stateful_set(), member(0), pod) == ""


def test_the_present_revision_is_waited_for_however_long_it_takes() -> None:
    assert found(stateful_set(), member(0), member(1, ready=False)) == ""


def test_nothing_is_in_the_way_before_the_controller_has_seen_the_spec() -> None:
    workload = stateful_set()
    workload["status"]["observedGeneration"] = 1
    assert found(workload, member(0), member(1, revision="bad", ready=False)) == ""


def test_one_at_a_time_in_order() -> None:
    first, second = member(0, revision="bad", ready=False), member(1, revision="bad", ready=False)
    assert found(stateful_set(), first, second) == "web-0"
    first["metadata"]["deletionTimestamp"] = stamp()
    assert found(stateful_set(), first, second) == ""  # it goes
    assert found(stateful_set(), second) == ""  # and is to come again
    assert found(stateful_set(), member(0, ready=False), second) == ""  # and to be ready
    assert found(stateful_set(), member(0), second) == "web-1"


def test_ordinals_may_begin_elsewhere() -> None:
    workload = stateful_set(ordinals={"start": 4})
    assert found(workload, member(4), member(5, revision="bad", ready=False)) == "web-5"
    assert found(workload, member(0), member(1, revision="bad", ready=False)) == ""


def test_a_pod_that_is_over_is_the_controllers() -> None:
    pod = member(1, revision="bad", ready=False)
    pod["status"]["phase"] = "Failed"
    assert found(stateful_set(), member(0), pod) == ""


def test_a_set_that_is_being_deleted_is_left_alone() -> None:
    workload = stateful_set()
    workload["metadata"]["deletionTimestamp"] = stamp()
    assert found(workload, member(0), member(1, revision="bad", ready=False)) == ""


PODS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["good", "bad", "older", ""]),
        st.booleans(),
        st.integers(-20, 20),
        st.sampled_from(["Running", "Pending", "Failed", "Succeeded"]),
        st.booleans(),
    ),
    unique_by=lambda one: one[0],
)


@given(pods=PODS, replicas=st.integers(0, 5), policy=st.sampled_from(["OrderedReady", "Parallel", None]))
def test_whatever_there_is_no_ready_pod_and_none_of_the_present_revision_is_ever_named(
    pods: list[Any], replicas: int, policy: str | None
) -> None:
    workload = stateful_set(replicas=replicas, **({"podManagementPolicy": policy} if policy else {}))
    made = [_made(*one) for one in pods]
    pod = in_the_way(snapshot(workload, (), made), BEFORE)
    if pod is not None:
        assert not is_ready(pod)
        assert pod["metadata"]["labels"]["controller-revision-hash"] not in ("good", "")
        assert pod["status"]["conditions"][0]["lastTransitionTime"] < stamp()
        assert "deletionTimestamp" not in pod["metadata"]
        assert policy != "Parallel"


def _made(ordinal: int, revision: str, ready: bool, since: int, phase: str, going: bool) -> Object:
    pod = member(ordinal, revision=revision, ready=ready, since=since)
    pod["status"]["phase"] = phase
    if going:
        pod["metadata"]["deletionTimestamp"] = stamp()
    return pod


class TestPodsThatSpeakOfTheTemplate:
    """Verification judges the present template by its own pods."""

    @staticmethod
    def names(taken: Snapshot) -> list[str]:
        return [pod["metadata"]["name"] for pod in of_present_revision(taken)]

    def test_those_of_another_revision_say_nothing_of_it(self) -> None:
        pods = (member(0), member(1, revision="bad", ready=False))
        assert self.names(snapshot(stateful_set(), (), pods)) == ["web-0"]

    def test_none_does_before_the_controller_has_seen_it(self) -> None:
        workload = stateful_set()
        workload["status"]["observedGeneration"] = 1
        assert self.names(snapshot(workload, (), (member(0), member(1)))) == []

    def test_where_somebody_decides_by_hand_all_of_them_do(self) -> None:
        workload = stateful_set(updateStrategy={"type": "OnDelete"})
        assert self.names(snapshot(workload, (), (member(0), member(1, revision="bad")))) == ["web-0", "web-1"]


def test_the_moment_counts_and_not_the_day() -> None:
    taken = snapshot(stateful_set(), (), (member(0), member(1, revision="bad", ready=False, since=60)))
    assert in_the_way(taken, NOW - timedelta(seconds=61)) is None
    assert in_the_way(taken, NOW - timedelta(seconds=59)) is not None


class TestPodOfItsOwn:
    """A Pod whose image was changed in place."""

    def pod(self, *, image: str = "nginx:1.28", reason: str = "ImagePullBackOff", seen: int = 2) -> dict[str, Any]:
        message = f'Back-off pulling image "docker.io/library/{image}": not found'
        state = {"waiting": {"reason": reason, "message": message if reason == "ImagePullBackOff" else "again"}}
        status = {"name": "web", "image": "nginx:1.28", "state": state}
        return {
            "kind": "Pod",
            "metadata": {"name": "web", "uid": "u", "generation": 2},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.28"}]},
            "status": {"phase": "Pending", "observedGeneration": seen, "containerStatuses": [status]},
        }

    @pytest.mark.parametrize(
        ("fields", "speaks"),
        [
            ({}, True),
            ({"image": "nginx:1.27"}, False),  # its kubelet has not tried again yet
            ({"seen": 1}, False),
            ({"reason": "CrashLoopBackOff"}, True),  # it has got its image
        ],
    )
    def test_its_status_counts_once_its_kubelet_has_seen_the_change(self, fields: dict[str, Any], speaks: bool) -> None:
        pod = self.pod(**fields)
        assert bool(of_present_revision(Snapshot(workload=pod, pods=(pod,), read_at=NOW))) is speaks
