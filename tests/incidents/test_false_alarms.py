"""Healthy things that look like trouble at first sight: each is left alone, and its broken twin is not."""

from typing import Any

import pytest

from incidents.health import State, assess, is_steady
from incidents.objects import DAEMON_SET, JOB, NODE, STATEFUL_SET, Kind
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom
from tests.builders import (
    NOW,
    condition,
    container,
    deployment,
    ended,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
    waiting,
)

Object = dict[str, Any]
LONG_AGO = 90_000.0


def made(kind: Kind, *, age: float = LONG_AGO, **fields: Any) -> Snapshot:
    metadata = {"name": "it", "namespace": "shop", "uid": "uid-it", "creationTimestamp": stamp(age)}
    return Snapshot(
        workload={"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}, read_at=NOW
    )


def finished(*, seconds_ago: float, restarts: int) -> Object:
    """An init container that was tried again until what it waits for was there."""
    return {
        "name": "wait-for-db",
        "restartCount": restarts,
        "state": {"terminated": ended("Completed", 0, seconds_ago=seconds_ago)},
        "lastState": {"terminated": ended(seconds_ago=seconds_ago + 20)},
    }


def test_an_init_container_that_came_to_its_end_after_a_few_attempts_speaks_against_nothing() -> None:
    started = pod(ready=True)
    started["status"]["initContainerStatuses"] = [finished(seconds_ago=30, restarts=4)]
    health = assess(snapshot(deployment(ready=1), [replica_set()], [started]), NOW)
    assert (health.state, health.findings) == (State.WELL, ())
    assert is_steady(started, NOW)


@pytest.mark.parametrize("seconds_ago", [30, LONG_AGO])
def test_a_rollout_that_somebody_has_paused_is_not_over_and_does_not_fail(seconds_ago: float) -> None:
    said = condition("Progressing", "Unknown", "DeploymentPaused", seconds_ago=seconds_ago)
    changed = deployment(template(container(image="nginx:1.28")), ready=1, updated=0, conditions=[said], paused=True)
    serving = pod(ready=True, age=LONG_AGO)
    health = assess(snapshot(changed, [replica_set()], [serving]), NOW)
    assert (health.state, health.findings) == (State.STARTING, ())


def test_pods_that_crash_while_a_rollout_is_paused_are_trouble_all_the_same() -> None:
    changed = deployment(template(container(image="nginx:1.28")), ready=0, updated=0, paused=True)
    crashing = pod(waiting("CrashLoopBackOff", last=ended()))
    assert assess(snapshot(changed, [replica_set()], [crashing]), NOW).symptoms == {Symptom.CRASH_LOOP}


STATEFUL: Object = {"readyReplicas": 3, "replicas": 3, "currentRevision": "one", "updateRevision": "two"}


@pytest.mark.parametrize(
    ("strategy", "state"),
    [
        ({"type": "OnDelete"}, State.WELL),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}, State.WELL),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, State.WELL),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, State.FAILING),
        ({"type": "RollingUpdate"}, State.FAILING),
        ({}, State.FAILING),
    ],
    ids=str,
)
def test_a_stateful_set_that_is_to_keep_its_old_revision_for_a_while_is_well(strategy: Object, state: State) -> None:
    spec = {"replicas": 3, "updateStrategy": strategy}
    taken = made(STATEFUL_SET, spec=spec, status={**STATEFUL, "updatedReplicas": 1})
    long_after = NOW.replace(year=NOW.year + 1)
    assert assess(taken, long_after).state is state


@pytest.mark.parametrize(("kind", "state"), [("OnDelete", State.WELL), ("RollingUpdate", State.FAILING)])
def test_a_daemon_set_that_is_updated_by_hand_is_well_while_nobody_does(kind: str, state: State) -> None:
    status = {"desiredNumberScheduled": 3, "numberAvailable": 3, "updatedNumberScheduled": 0}
    taken = made(DAEMON_SET, spec={"updateStrategy": {"type": kind}}, status=status)
    assert assess(taken, NOW.replace(year=NOW.year + 1)).state is state


def test_a_job_that_is_to_run_no_pods_for_now_is_well_without_any() -> None:
    assert assess(made(JOB, spec={"parallelism": 0}, status={"startTime": stamp(LONG_AGO)}), NOW).state is State.WELL


@pytest.mark.parametrize(("seconds", "state"), [(60, State.STARTING), (600, State.FAILING)])
def test_a_node_that_reboots_is_given_the_time_for_it(seconds: float, state: State) -> None:
    away = {**condition("Ready", "Unknown", "NodeStatusUnknown"), "lastTransitionTime": stamp(seconds)}
    assert assess(made(NODE, status={"conditions": [away]}), NOW).state is state


def test_a_deployment_of_a_namespace_that_is_being_deleted_has_nothing_forbidden_to_it() -> None:
    said = 'pods "web-1" is forbidden: unable to create new content in namespace shop because it is being terminated'
    refused = replica_set(conditions=[condition("ReplicaFailure", "True", "FailedCreate", said)])
    assert assess(snapshot(deployment(ready=0), [refused]), NOW).findings == ()


def test_a_bare_pod_that_has_done_its_work_after_two_attempts_is_well() -> None:
    done = pod({**running(restarts=2, last=ended()), "state": {"terminated": ended("Completed", 0)}}, phase="Succeeded")
    assert assess(Snapshot(workload=done, pods=(done,), read_at=NOW), NOW).state is State.WELL
