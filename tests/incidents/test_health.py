"""Whether a workload is well, starting or failing, for the states that Kubernetes writes."""

from typing import Any

import pytest

from incidents.health import Health, State, assess, pod_findings, steady, timestamp
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom
from tests.builders import (
    NOW,
    OOM,
    condition,
    container,
    deployment,
    ended,
    not_there,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
    waiting,
)

SIX_HUNDRED_AND_ONE = 601.0
Object = dict[str, Any]


def after(seconds: float, end: Object) -> Object:
    """An end that came five seconds ago, after a run of so many seconds."""
    return {**end, "startedAt": stamp(5 + seconds), "finishedAt": stamp(5)}


def of_pods(*pods: Object, **fields: Any) -> Snapshot:
    return snapshot(deployment(**fields), [replica_set()], pods)


def only(health: Health) -> Symptom:
    assert health.state is State.FAILING
    (symptom,) = health.symptoms
    return symptom


def test_a_rolled_out_deployment_is_well() -> None:
    health = assess(of_pods(pod(ready=True), ready=1), NOW)
    assert (health.state, health.ready, health.desired, health.findings) == (State.WELL, 1, 1, ())


def test_a_deployment_scaled_to_zero_by_its_owner_is_well() -> None:
    assert assess(of_pods(replicas=0), NOW).state is State.WELL


@pytest.mark.parametrize(
    ("status", "symptom"),
    [
        (waiting("ErrImagePull", "not found"), Symptom.IMAGE_PULL),
        (not_there("nginx:latess"), Symptom.IMAGE_PULL),
        (waiting("InvalidImageName"), Symptom.IMAGE_PULL),
        (waiting("ErrImageNeverPull"), Symptom.IMAGE_PULL),
        (waiting("CrashLoopBackOff", last=ended()), Symptom.CRASH_LOOP),
        (waiting("CrashLoopBackOff", last=OOM), Symptom.OOM_KILLED),
        (waiting("CreateContainerConfigError", 'configmap "x" not found'), Symptom.CONFIG_ERROR),
        (waiting("CreateContainerError"), Symptom.RUN_ERROR),
        (waiting("RunContainerError"), Symptom.RUN_ERROR),
        (running(restarts=2, last=ended()), Symptom.CRASH_LOOP),
        (running(restarts=2, last=OOM), Symptom.OOM_KILLED),
        (running(restarts=2, last=after(599, OOM)), Symptom.OOM_KILLED),
        ({"name": "web", "restartCount": 1, "state": {"terminated": ended()}}, Symptom.CRASH_LOOP),
        ({"name": "web", "restartCount": 1, "state": {"terminated": OOM}}, Symptom.OOM_KILLED),
    ],
    ids=str,
)
def test_a_container_in_trouble_makes_the_workload_failing(status: Object, symptom: Symptom) -> None:
    assert only(assess(of_pods(pod(status)), NOW)) is symptom


@pytest.mark.parametrize(
    "status",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        running(),
        running(restarts=1, last=ended()),
        running(restarts=5, last=ended(seconds_ago=SIX_HUNDRED_AND_ONE)),
        running(restarts=5, last={"reason": "Completed", "exitCode": 0, "finishedAt": stamp(5)}),
        {"name": "web", "restartCount": 0, "state": {"terminated": ended()}},
    ],
    ids=str,
)
def test_a_start_a_single_restart_and_an_old_one_are_no_findings(status: Object) -> None:
    assert assess(of_pods(pod(status)), NOW).state is State.STARTING


DAYS = 86_400.0


@pytest.mark.parametrize(
    "status",
    [
        running(restarts=2, last=after(20 * DAYS, OOM)),
        running(restarts=9, last=after(SIX_HUNDRED_AND_ONE + 1, ended())),
        {"name": "web", "restartCount": 2, "state": {"terminated": after(20 * DAYS, OOM)}},
    ],
    ids=str,
)
def test_what_ran_for_longer_than_the_memory_of_restarts_has_not_ended_again(status: Object) -> None:
    """The restarts that are counted are those of a pod's whole life."""
    assert list(pod_findings(pod(status, age=60 * DAYS), NOW)) == []


@pytest.mark.parametrize(
    "status",
    [
        running(restarts=800, last=after(720, OOM)),
        {"name": "web", "restartCount": 800, "state": {"terminated": after(720, OOM)}},
    ],
    ids=str,
)
def test_what_ends_more_often_than_hourly_is_not_well_however_long_its_last_run_was(status: Object) -> None:
    (found,) = pod_findings(pod(status, age=9 * DAYS), NOW)
    assert found.symptom is Symptom.OOM_KILLED


def test_how_long_a_run_was_is_measured_at_the_speed_of_the_cluster() -> None:
    ended_again = pod(running(restarts=2, last=after(20, OOM)), age=400)
    assert list(pod_findings(ended_again, NOW, 1))
    assert not list(pod_findings(ended_again, NOW, 50))


def test_the_memory_of_restarts_is_divided_by_the_speed() -> None:
    flapping = of_pods(pod(running(restarts=2, last=ended(seconds_ago=20)), age=5))
    assert assess(flapping, NOW, 1).findings
    assert not assess(flapping, NOW, 50).findings


def test_a_slow_starter_is_starting_until_its_own_deadline_and_failing_after_it() -> None:
    young, old = (of_pods(pod(age=age), progressDeadlineSeconds=60) for age in (59, 61))
    starting = assess(young, NOW)
    assert (starting.state, starting.until is not None) == (State.STARTING, True)
    assert only(assess(old, NOW)) is Symptom.NOT_READY


def test_the_deadline_is_divided_by_the_speed() -> None:
    taken = of_pods(pod(age=20))
    assert assess(taken, NOW, 1).state is State.STARTING
    assert assess(taken, NOW, 50).state is State.FAILING


def test_progress_in_the_rollout_gives_it_new_time() -> None:
    progress = condition("Progressing", "True", "ReplicaSetUpdated", seconds_ago=5)
    taken = of_pods(pod(age=5000), conditions=[progress])
    assert assess(taken, NOW).state is State.STARTING


def test_a_passed_progress_deadline_is_a_stuck_rollout() -> None:
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-h2" has timed out.')
    health = assess(of_pods(pod(), conditions=[stuck]), NOW)
    assert only(health) is Symptom.ROLLOUT_STUCK
    assert health.findings[0].pod == ""


def test_conditions_of_an_older_spec_are_not_believed() -> None:
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", seconds_ago=5)
    taken = of_pods(pod(), conditions=[stuck], generation=3, observed=2)
    assert assess(taken, NOW).state is State.STARTING


def test_a_spec_its_controller_has_not_seen_is_not_well() -> None:
    taken = of_pods(pod(ready=True), ready=1, generation=3, observed=2)
    assert assess(taken, NOW).state is State.STARTING


@pytest.mark.parametrize("counts", [{"replicas": 2, "ready": 1}, {"replicas": 1, "ready": 1, "updated": 0}], ids=str)
def test_a_rollout_that_is_under_way_is_not_well(counts: Object) -> None:
    assert assess(of_pods(pod(ready=True), **counts), NOW).state is State.STARTING


def test_a_pod_that_nothing_fits_is_unschedulable() -> None:
    message = "0/3 nodes are available: 3 Insufficient cpu."
    pending = pod(
        waiting("ContainerCreating"), conditions=[condition("PodScheduled", "False", "Unschedulable", message)]
    )
    health = assess(of_pods(pending), NOW)
    assert only(health) is Symptom.UNSCHEDULABLE
    assert health.findings[0].detail == message


def test_pods_the_quota_forbids_are_found_on_the_replica_set() -> None:
    failure = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")
    taken = snapshot(deployment(), [replica_set(conditions=[failure])])
    assert only(assess(taken, NOW)) is Symptom.CREATE_FORBIDDEN


def test_a_replica_failure_of_an_old_revision_says_nothing() -> None:
    failure = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")
    old = replica_set(template(container(image="nginx:1.0")), number=1, conditions=[failure])
    taken = snapshot(deployment(), [old, replica_set()], [pod()])
    assert assess(taken, NOW).state is State.STARTING


def test_pods_on_their_way_out_and_evicted_ones_do_not_count() -> None:
    leaving = pod(waiting("CrashLoopBackOff"), name="leaving", deletionTimestamp=stamp())
    evicted = pod(waiting("CrashLoopBackOff"), name="evicted", phase="Failed")
    taken = of_pods(leaving, evicted, pod(ready=True), ready=1)
    assert assess(taken, NOW).state is State.WELL


def test_the_pods_of_the_present_revision_are_told_from_those_of_an_old_one() -> None:
    old = replica_set(template(container(image="nginx:1.0")), number=1)
    taken = snapshot(deployment(), [old, replica_set()], [pod(name="old", of=old), pod(name="new")])
    assert [one["metadata"]["name"] for one in taken.current_pods] == ["new"]


def test_a_failed_bare_pod_is_failing_and_a_finished_one_is_well() -> None:
    bare = {**pod(phase="Failed"), "kind": "Pod"}
    assert only(assess(snapshot(bare, pods=[bare]), NOW)) is Symptom.CRASH_LOOP
    done = pod({"name": "web", "state": {"terminated": {"exitCode": 0}}}, phase="Succeeded")
    assert assess(snapshot(done, pods=[done]), NOW).state is State.WELL


@pytest.mark.parametrize(
    ("reason", "message", "symptom", "told"),
    [
        ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu", Symptom.UNSCHEDULABLE, "resource: cpu"),
        ("NewInV2", "Pod was rejected: as nobody knows yet", Symptom.UNSCHEDULABLE, "as nobody knows yet"),
        ("Evicted", "The node was low on resource: memory. ", Symptom.EVICTED, "low on resource"),
        ("Terminated", "Pod was terminated in response to imminent node shutdown.", Symptom.OTHER, "Terminated: Pod"),
        ("NewInV2", "", Symptom.OTHER, "NewInV2"),
    ],
)
def test_a_bare_pod_that_the_kubelet_has_ended_is_told_with_the_kubelets_reason(
    reason: str, message: str, symptom: Symptom, told: str
) -> None:
    bare = {**pod(phase="Failed"), "kind": "Pod"}
    bare["status"] = {"phase": "Failed", "reason": reason, "message": message}
    health = assess(snapshot(bare, pods=[bare]), NOW)
    assert only(health) is symptom
    assert told in health.findings[0].detail


def test_a_failed_job_is_failing() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {},
        "status": {"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "reached the limit")]},
    }
    assert only(assess(snapshot(job), NOW)) is Symptom.JOB_FAILED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"readyReplicas": 2, "updateRevision": "b", "currentRevision": "b"}, State.WELL),
        ({"readyReplicas": 2, "updateRevision": "b", "currentRevision": "a"}, State.STARTING),
        ({"readyReplicas": 1, "updateRevision": "b", "currentRevision": "b"}, State.STARTING),
    ],
    ids=str,
)
def test_a_stateful_set_is_well_when_all_are_ready_at_one_revision(status: Object, state: State) -> None:
    workload = {"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 2}, "status": status}
    assert assess(snapshot(workload), NOW).state is state


@pytest.mark.parametrize(
    ("available", "updated", "state"), [(3, 3, State.WELL), (3, 2, State.STARTING), (2, 3, State.STARTING)]
)
def test_a_daemon_set_is_well_when_every_node_has_the_new_pod(available: int, updated: int, state: State) -> None:
    status = {"desiredNumberScheduled": 3, "numberAvailable": available, "updatedNumberScheduled": updated}
    workload = {"kind": "DaemonSet", "metadata": {}, "spec": {}, "status": status}
    assert assess(snapshot(workload), NOW).state is state


def test_a_failing_init_container_is_found() -> None:
    starting = pod(waiting("PodInitializing"))
    starting["status"]["initContainerStatuses"] = [waiting("CrashLoopBackOff", name="setup", last=ended())]
    health = assess(of_pods(starting), NOW)
    assert (only(health), health.findings[0].container) == (Symptom.CRASH_LOOP, "setup")


def test_a_long_image_name_does_not_push_the_reason_out_of_the_message() -> None:
    image = "registry.example:5000/" + "team/" * 20 + "web:1.0"
    health = assess(of_pods(pod(not_there(image))), NOW)
    assert health.findings[0].detail.endswith("not found")


def test_a_detail_is_bounded_and_clean() -> None:
    health = assess(of_pods(pod(waiting("ErrImagePull", "\x1b[2J" + "x" * 5000))), NOW)
    assert len(health.findings[0].detail) == 1024
    assert "\x1b" not in health.findings[0].detail


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (running(), 1),
        (running(restarts=1, last=OOM), 0),
        (running(restarts=1, last=ended("Completed", 0)), 0),
        (running(restarts=3, last=OOM), 0),
        (running(restarts=3, last=ended(seconds_ago=SIX_HUNDRED_AND_ONE)), 1),
    ],
    ids=str,
)
def test_a_pod_that_is_ready_between_two_crashes_speaks_for_nothing(status: Object, counts: int) -> None:
    assert steady(of_pods(pod(status, ready=True)), NOW) == counts


@pytest.mark.parametrize("text", [None, 7, "", "soon", "2026-11-21", "2026-11-21T12:00:00"])
def test_a_time_without_a_zone_or_sense_is_none(text: object) -> None:
    assert timestamp(text) is None


def evicted(number: int, *, seconds_ago: float = 60, of: Object | None = None, **status: str) -> Object:
    gone = pod(name=f"gone-{number}", phase="Failed", age=seconds_ago, of=of)
    return {**gone, "status": {"phase": "Failed", "reason": "Evicted", "message": "writes too much", **status}}


def rejected(number: int, *, seconds_ago: float = 60) -> Object:
    said = "Pod was rejected: Node didn't have enough resource: cpu"
    return evicted(number, seconds_ago=seconds_ago, reason="OutOfcpu", message=said)


def test_a_workload_whose_pods_no_node_takes_is_failing_long_before_its_deadline() -> None:
    health = assess(of_pods(*(rejected(number) for number in range(3)), pod(age=1)), NOW)
    assert only(health) is Symptom.UNSCHEDULABLE
    assert "enough resource: cpu" in health.findings[0].detail


def test_a_few_rejections_and_those_of_a_workload_that_is_ready_by_now_say_nothing() -> None:
    assert assess(of_pods(rejected(1), rejected(2), pod(age=1)), NOW).state is State.STARTING
    assert assess(of_pods(*(rejected(n) for n in range(9)), pod(ready=True), ready=1), NOW).state is State.WELL
    assert assess(of_pods(*(rejected(n, seconds_ago=4000) for n in range(9)), pod()), NOW).state is State.STARTING


def test_a_workload_that_is_evicted_again_and_again_is_failing_however_well_its_present_pod_is() -> None:
    many = [evicted(number, seconds_ago=600 * number) for number in range(1, 4)]
    assert only(assess(of_pods(*many, pod(ready=True), ready=1), NOW)) is Symptom.EVICTED
    assert only(assess(of_pods(*many, pod()), NOW)) is Symptom.EVICTED


def test_a_few_evictions_old_ones_and_those_of_an_older_revision_say_nothing() -> None:
    well, old = pod(ready=True), replica_set(template(container(image="nginx:1.0")), number=1)
    few = [evicted(1), evicted(2)]
    long_ago = [evicted(number, seconds_ago=4000) for number in range(9)]
    of_old = [evicted(number, of=old) for number in range(9)]
    for pods in (few, long_ago, of_old):
        taken = snapshot(deployment(ready=1), [old, replica_set()], [*pods, well])
        assert assess(taken, NOW).state is State.WELL


def test_a_full_node_that_evicts_every_replica_once_says_nothing_about_the_workload() -> None:
    gone = [evicted(number) for number in range(4)]
    taken = of_pods(*gone, *(pod(name=f"web-{n}", ready=True) for n in range(4)), ready=4, replicas=4)
    assert assess(taken, NOW).state is State.WELL


@pytest.mark.parametrize(
    ("kind", "status", "spec"),
    [
        ("StatefulSet", {"replicas": 0}, {"replicas": 3}),
        ("DaemonSet", {"currentNumberScheduled": 0, "desiredNumberScheduled": 3}, {}),
        ("Job", {}, {"parallelism": 1}),
    ],
)
def test_a_workload_of_which_not_one_pod_is_made_is_refused_them_after_three_minutes(
    kind: str, status: Object, spec: Object
) -> None:
    def aged(seconds: float) -> Snapshot:
        metadata = {"name": "it", "creationTimestamp": stamp(seconds)}
        return snapshot({"kind": kind, "metadata": metadata, "spec": spec, "status": status})

    assert assess(aged(179), NOW).state is State.STARTING
    assert only(assess(aged(181), NOW)) is Symptom.CREATE_FORBIDDEN
    assert assess(aged(179), NOW, 50).state is State.FAILING


@pytest.mark.parametrize(
    ("made", "ready", "symptom"), [(2, 2, Symptom.CREATE_FORBIDDEN), (2, 1, Symptom.NOT_READY)], ids=str
)
def test_a_stateful_set_is_refused_its_next_pod_only_if_those_that_it_has_are_ready(
    made: int, ready: int, symptom: Symptom
) -> None:
    status = {"replicas": made, "readyReplicas": ready, "updateRevision": "b", "currentRevision": "b"}
    workload = {"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 3}, "status": status}
    pods = [pod(name=f"web-{number}", ready=number < ready, age=601) for number in range(made)]
    assert only(assess(snapshot(workload, pods=pods), NOW)) is symptom


def test_pods_that_a_controller_has_not_had_time_to_make_are_no_refusal() -> None:
    unseen = {"kind": "StatefulSet", "metadata": {"generation": 2, "creationTimestamp": stamp(9000)}}
    status = {"replicas": 0, "observedGeneration": 1}
    assert assess(snapshot({**unseen, "spec": {"replicas": 3}, "status": status}), NOW).state is State.STARTING


@pytest.mark.parametrize("reason", ["SomethingNewError", "ErrSomethingNew", "FrobnicateBackOff", "InvalidFrobnicator"])
def test_a_waiting_reason_that_nobody_knows_and_that_calls_itself_an_error_is_told_as_it_stands(reason: str) -> None:
    health = assess(of_pods(pod(waiting(reason, "the frobnicator is out of order"))), NOW)
    assert only(health) is Symptom.OTHER
    assert health.findings[0].detail == f"{reason}: the frobnicator is out of order"
    assert (health.findings[0].pod, health.findings[0].container) == ("web-1", "web")


@pytest.mark.parametrize("reason", ["Frobnicating", "WaitingForFrobnicator", "ErrorFreeWarmUp", ""])
def test_a_waiting_reason_that_nobody_knows_is_a_start_until_the_deadline_and_told_after_it(reason: str) -> None:
    young, old = (of_pods(pod(waiting(reason, "in a queue"), age=age), progressDeadlineSeconds=60) for age in (59, 61))
    assert (assess(young, NOW).state, assess(young, NOW).findings) == (State.STARTING, ())
    health = assess(old, NOW)
    assert only(health) is Symptom.NOT_READY
    assert (f"web waits: {reason}: in a queue" in health.findings[0].detail) is bool(reason)


def test_a_condition_that_nobody_knows_is_told_with_the_rollout_that_it_holds_up() -> None:
    gate = condition("example.com/Frobnicated", "False", "Unwilling", "ask the frobnicator")
    usual = [condition("PodScheduled", "True"), condition("ContainersReady", "False", "ContainersNotReady", "[web]")]
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-h2" has timed out.')
    health = assess(of_pods(pod(conditions=[*usual, gate]), conditions=[stuck]), NOW)
    assert only(health) is Symptom.ROLLOUT_STUCK
    assert health.findings[0].detail == (
        'ReplicaSet "web-h2" has timed out. example.com/Frobnicated is False: Unwilling: ask the frobnicator'
    )
