"""What is well, starting or failing among claims, Services, autoscalers, nodes, Jobs and CronJobs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.health import State, assess
from incidents.object_health import backends_of, certificates_of
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    INGRESS,
    JOB,
    NODE,
    POD,
    QUOTA,
    SERVICE,
    STORAGE_CLASS,
    VALIDATING_WEBHOOK,
    Kind,
)
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom
from tests.builders import NOW, condition, deployment, snapshot, stamp

Object = dict[str, Any]


def made(kind: Kind, *, age: float = 100_000, **fields: Any) -> Object:
    metadata = {"name": "it", "namespace": "shop", "uid": "uid-it", "creationTimestamp": stamp(age)}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def since(seconds: float, *said: str) -> Object:
    return {**condition(*said), "lastTransitionTime": stamp(seconds)}


def pending(age: float = 100_000, **fields: Any) -> Snapshot:
    claim = made(CLAIM, age=age, spec={"storageClassName": "fast"}, status={"phase": "Pending"})
    return Snapshot(workload=claim, read_at=NOW, **fields)


MOUNTING = made(POD, spec={"volumes": [{"persistentVolumeClaim": {"claimName": "it"}}, {"emptyDir": {}}]})
LATE_BINDING = made(STORAGE_CLASS, volumeBindingMode="WaitForFirstConsumer")
AT_ONCE = made(STORAGE_CLASS, volumeBindingMode="Immediate")


@pytest.mark.parametrize(
    ("taken", "state"),
    [
        (pending(related=(AT_ONCE,)), State.FAILING),
        (pending(), State.WELL),
        (pending(pods=(MOUNTING,)), State.FAILING),
        (pending(age=60, related=(AT_ONCE,)), State.STARTING),
        (pending(age=60, missing=("StorageClass/fast",)), State.FAILING),
        (pending(related=(LATE_BINDING,)), State.WELL),
        (pending(related=(LATE_BINDING,), pods=(MOUNTING,)), State.FAILING),
        (snapshot(made(CLAIM, status={"phase": "Bound"})), State.WELL),
        (snapshot(made(CLAIM, status={"phase": "Lost"})), State.FAILING),
    ],
    ids=[
        "pending",
        "unknown class",
        "unknown and used",
        "just made",
        "no such class",
        "unused",
        "used",
        "bound",
        "lost",
    ],
)
def test_a_claim_fails_while_it_is_pending_and_somebody_may_wait_for_it(taken: Snapshot, state: State) -> None:
    assert assess(taken, NOW).state is state


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, State.FAILING),
        ({"pods": (made(POD),)}, State.WELL),
        ({"related": (made(JOB),)}, State.WELL),
    ],
    ids=["nothing", "a pod", "a workload without pods"],
)
def test_a_service_fails_when_neither_a_pod_nor_a_workload_has_its_labels(fields: Any, state: State) -> None:
    service = made(SERVICE, spec={"selector": {"app": "web"}})
    assert assess(Snapshot(workload=service, read_at=NOW, **fields), NOW).state is state


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], State.WELL),
        ([since(900, "ScalingActive", "False", "FailedGetResourceMetric")], State.FAILING),
        ([since(900, "AbleToScale", "False", "FailedGetScale")], State.FAILING),
        ([since(30, "ScalingActive", "False", "FailedGetResourceMetric")], State.STARTING),
        ([since(900, "ScalingActive", "False", "ScalingDisabled")], State.WELL),
        ([since(900, "ScalingActive", "True", "ValidMetricFound")], State.WELL),
    ],
    ids=["new", "no metrics", "no scale", "just now", "scaled to zero", "active"],
)
def test_an_autoscaler_fails_when_it_has_not_scaled_for_minutes(conditions: list[Object], state: State) -> None:
    assert assess(snapshot(made(AUTOSCALER, status={"conditions": conditions})), NOW).state is state


@pytest.mark.parametrize(
    ("conditions", "age", "state"),
    [
        ([condition("Ready", "True")], 9000, State.WELL),
        ([condition("Ready", "False", "KubeletNotReady")], 9000, State.FAILING),
        ([condition("Ready", "Unknown", "NodeStatusUnknown")], 9000, State.FAILING),
        ([], 10, State.STARTING),
    ],
)
def test_a_node_fails_when_its_kubelet_does_not_say_that_it_is_ready(
    conditions: list[Object], age: float, state: State
) -> None:
    assert assess(snapshot(made(NODE, age=age, status={"conditions": conditions})), NOW).state is state


SHORT = condition("DiskPressure", "True")
LAST = "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "odd",
    [
        made(NODE, status={"conditions": [{**condition("Ready", "Unknown"), "lastTransitionTime": LAST}]}),
        made(NODE, status={"conditions": [condition("Ready", "True"), {**SHORT, "lastTransitionTime": LAST}]}),
        made(CLAIM, status={"conditions": [{**condition("Resizing", "True"), "lastTransitionTime": LAST}]}),
        made(AUTOSCALER, status={"conditions": [{**condition("AbleToScale", "False"), "lastTransitionTime": LAST}]}),
        deployment(ready=0, conditions=[{**condition("Progressing", "True"), "lastUpdateTime": LAST}]),
    ],
    ids=["node", "pressure", "claim", "autoscaler", "deployment"],
)
def test_the_last_moment_that_there_is_has_none_after_it(odd: Object) -> None:
    health = assess(Snapshot(workload=odd, read_at=NOW), NOW)
    assert (health.state, health.until) == (State.STARTING, datetime.max.replace(tzinfo=UTC))


def cron_job(job: Object | None = None, *, last: float = 60, age: float = 100_000, **spec: Any) -> Snapshot:
    status = {"lastScheduleTime": stamp(last)}
    body = made(CRON_JOB, age=age, spec={"schedule": "*/10 * * * *", **spec}, status=status)
    return Snapshot(workload=body, related=(job,) if job else (), read_at=NOW)


FAILED = made(JOB, status={"conditions": [condition("Failed", "True", "BackoffLimitExceeded")]})
DONE = made(JOB, status={"conditions": [condition("Complete", "True")]})


@pytest.mark.parametrize(
    ("taken", "symptoms"),
    [
        (cron_job(), set()),
        (cron_job(DONE), set()),
        (cron_job(FAILED), {Symptom.JOB_FAILED}),
        (cron_job(last=3600), {Symptom.SCHEDULE_MISSED}),
        (cron_job(last=700), set()),
        (cron_job(FAILED, last=3600, suspend=True), set()),
        (cron_job(last=3600, schedule="@every 5m"), set()),
        (cron_job(last=3600, timeZone="Mars/Olympus"), set()),
    ],
    ids=["ran", "its Job is done", "its Job failed", "stopped", "one may be late", "suspended", "odd", "no such zone"],
)
def test_a_cron_job_fails_when_its_last_job_did_or_when_it_has_stopped(taken: Snapshot, symptoms: set[Symptom]) -> None:
    health = assess(taken, NOW)
    assert set(health.symptoms) == symptoms
    assert health.state is (State.FAILING if symptoms else State.WELL)


@pytest.mark.parametrize(
    ("fields", "age", "state"),
    [
        ({"status": {"active": 1}}, 9000, State.WELL),
        ({"status": {}}, 60, State.STARTING),
        ({"status": {}}, 9000, State.FAILING),
        ({"status": {}, "spec": {"suspend": True}}, 9000, State.WELL),
        ({"status": DONE["status"]}, 9000, State.WELL),
        ({"status": FAILED["status"]}, 9000, State.FAILING),
    ],
    ids=["at work", "new", "never got a pod", "suspended", "done", "failed"],
)
def test_a_job_fails_when_it_has_failed_or_gets_no_pod(fields: Object, age: float, state: State) -> None:
    assert assess(snapshot(made(JOB, age=age, **{"spec": {}, **fields})), NOW).state is state


@pytest.mark.parametrize("seconds", [500, 700])
@pytest.mark.parametrize("policy", ["Always", None])
def test_an_init_container_that_runs_on_fails_and_a_sidecar_does_not(seconds: float, policy: str | None) -> None:
    status = {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "wait", "state": {"running": {"startedAt": stamp(seconds)}}}],
    }
    spec = {"initContainers": [{"name": "wait", "restartPolicy": policy}]}
    found = made(POD, age=seconds, spec=spec, status=status)
    health = assess(Snapshot(workload=found, pods=(found,), read_at=NOW), NOW)
    hangs = seconds > 600 and policy is None
    assert (Symptom.INIT_HANGING in health.symptoms) is hangs


def test_an_autoscalers_trouble_is_its_targets_where_it_was_read_beside_it() -> None:
    blind = made(AUTOSCALER, status={"conditions": [since(900, "ScalingActive", "False", "FailedGetResourceMetric")]})
    job = made(JOB, spec={}, status={"active": 1})
    assert assess(Snapshot(workload=job, related=(blind,), read_at=NOW), NOW).symptoms == {Symptom.AUTOSCALER_INACTIVE}


@pytest.mark.parametrize("kind", [QUOTA, STORAGE_CLASS, VALIDATING_WEBHOOK])
def test_what_is_known_by_its_effects_alone_is_well_by_itself(kind: Kind) -> None:
    health = assess(snapshot(made(kind)), NOW)
    assert (health.state, health.desired, health.ready) == (State.WELL, 0, 0)


@pytest.mark.parametrize(("status", "state"), [("True", State.FAILING), ("False", State.WELL)])
def test_a_bound_claim_that_cannot_be_made_larger_is_told_with_what_the_driver_says(status: str, state: State) -> None:
    said = condition("ControllerResizeError", status, "", "the disk type allows 10Gi at most")
    health = assess(Snapshot(workload=made(CLAIM, status={"phase": "Bound", "conditions": [said]}), read_at=NOW), NOW)
    assert health.state is state
    assert [found.detail for found in health.findings] == (
        ["it cannot be made larger: the disk type allows 10Gi at most"] if state is State.FAILING else []
    )


@pytest.mark.parametrize(
    ("grows", "pods", "state"),
    [
        (since(1000, "Resizing", "True"), (), State.FAILING),
        (since(60, "Resizing", "True"), (), State.STARTING),
        (since(1000, "FileSystemResizePending", "True"), (MOUNTING,), State.FAILING),
        (since(1000, "FileSystemResizePending", "True"), (), State.WELL),
        (since(1000, "FileSystemResizePending", "False"), (MOUNTING,), State.WELL),
    ],
    ids=["for long", "just now", "mounted as it was", "mounted by nobody", "over"],
)
def test_a_claim_that_was_made_larger_and_does_not_grow_is_told_in_the_end(
    grows: Object, pods: tuple[Object, ...], state: State
) -> None:
    claim = made(CLAIM, status={"phase": "Bound", "conditions": [grows]})
    health = assess(Snapshot(workload=claim, pods=pods, read_at=NOW), NOW)
    assert health.state is state
    assert all(found.detail.startswith("it is not made larger: ") for found in health.findings)


ROUTES: Object = {
    "defaultBackend": {"service": {"name": "rest"}},
    "rules": [
        {"http": {"paths": [{"backend": {"service": {"name": "web"}}}, {"backend": {"resource": {"kind": "Bucket"}}}]}},
        {"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}},
        {},
    ],
}


@pytest.mark.parametrize(
    ("missing", "age", "state"),
    [
        ((), 100_000, State.WELL),
        (("Service/web",), 100_000, State.FAILING),
        (("IngressClass/outer",), 100_000, State.FAILING),
        (("Service/web",), 30, State.STARTING),
        (("Secret/web",), 100_000, State.FAILING),
        (("Secret/web/tls.key",), 100_000, State.FAILING),
        (("Secret/web",), 30, State.STARTING),
    ],
)
def test_an_ingress_fails_while_something_that_it_names_is_not_there(
    missing: tuple[str, ...], age: float, state: State
) -> None:
    taken = Snapshot(workload=made(INGRESS, age=age, spec=ROUTES), missing=missing, read_at=NOW)
    health = assess(taken, NOW)
    assert health.state is state
    if state is State.FAILING:
        assert health.symptoms == {Symptom.SELECTS_NOTHING}


def test_the_services_that_an_ingress_sends_to_are_named_once_each() -> None:
    assert backends_of(made(INGRESS, spec=ROUTES)) == ("rest", "web")
    assert backends_of(made(INGRESS)) == ()


CERTIFIED: Object = {
    "tls": [
        {"hosts": ["a.example"], "secretName": "web"},
        {"hosts": ["b.example"]},
        {"hosts": ["a.example", "c.example"], "secretName": "web"},
    ]
}


def test_a_certificate_is_missed_with_the_hosts_that_it_is_for() -> None:
    found = made(INGRESS, spec=CERTIFIED)
    assert certificates_of(found) == ("web",)
    told = assess(Snapshot(workload=found, missing=("Secret/web", "Secret/web/tls.key"), read_at=NOW), NOW)
    assert [one.detail for one in told.findings] == [
        "there is no Secret web, with which it is to serve a.example, c.example",
        "Secret web, with which it is to serve a.example, c.example, has no tls.key",
    ]
    assert [one.lacks for one in told.findings] == ["Secret/web", "Secret/web/tls.key"]


@pytest.mark.parametrize(
    ("annotations", "written", "state"),
    [
        ({}, 300, State.FAILING),
        ({"cert-manager.io/issuer": "ours"}, 300, State.STARTING),
        ({"kubernetes.io/tls-acme": "true"}, 300, State.STARTING),
        ({"kubernetes.io/tls-acme": "false"}, 300, State.FAILING),
        ({"cert-manager.io/issuer": "ours"}, 1200, State.FAILING),
    ],
)
def test_whoever_is_asked_for_a_certificate_has_its_time_from_when_it_was_asked(
    annotations: dict[str, str], written: float, state: State
) -> None:
    found = made(INGRESS, spec=CERTIFIED)
    managed = [{"time": stamp(written)}, {"time": stamp(1), "subresource": "status"}]
    found["metadata"] |= {"annotations": annotations, "managedFields": managed}
    assert assess(Snapshot(workload=found, missing=("Secret/web",), read_at=NOW), NOW).state is state
