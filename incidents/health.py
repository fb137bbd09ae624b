"""Whether a workload is well, still starting, or failing: one pure function over a snapshot.

Suppression, playbooks and verification all ask ``assess``; there is no second opinion on health anywhere.
Durations that come from a spec are divided by ``speed``, which is 1 everywhere but on an embedded cluster.
The states read here are those the kubelet and the controllers of Kubernetes v1.36 write.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from incidents.objects import Manifest
from incidents.signals import clean
from incidents.snapshot import Snapshot, is_ready, observed
from incidents.symptoms import Symptom

PROGRESS_DEADLINE_SECONDS = 600  # the API server's default for a Deployment
RESTART_MEMORY_SECONDS = 600  # the kubelet forgets a crash back-off after ten minutes of running
FLAPPING_RESTARTS = 2  # one restart is a transient; two within the memory are a pattern

_WAITING: dict[str, Symptom] = {
    "ErrImagePull": Symptom.IMAGE_PULL,
    "ImagePullBackOff": Symptom.IMAGE_PULL,
    "ErrImageNeverPull": Symptom.IMAGE_PULL,
    "ImageInspectError": Symptom.IMAGE_PULL,
    "InvalidImageName": Symptom.IMAGE_PULL,
    "CrashLoopBackOff": Symptom.CRASH_LOOP,
    "CreateContainerConfigError": Symptom.CONFIG_ERROR,
    "CreateContainerError": Symptom.RUN_ERROR,
    "RunContainerError": Symptom.RUN_ERROR,
    "PreCreateHookError": Symptom.RUN_ERROR,
    "PreStartHookError": Symptom.RUN_ERROR,
    "PostStartHookError": Symptom.RUN_ERROR,
    "CreatePodSandboxError": Symptom.SANDBOX_FAILING,
}


class State(StrEnum):
    """The three answers."""

    WELL = "well"
    STARTING = "starting"
    FAILING = "failing"


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where: pod and container are empty for a finding about the workload."""

    symptom: Symptom
    detail: str
    pod: str = ""
    container: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: ``until`` is set while starting and says when that stops being an excuse."""

    state: State
    findings: tuple[Finding, ...] = ()
    until: datetime | None = None
    ready: int = 0
    desired: int = 0

    @property
    def symptoms(self) -> frozenset[Symptom]:
        """Every symptom found."""
        return frozenset(finding.symptom for finding in self.findings)


def assess(snapshot: Snapshot, now: datetime, speed: float = 1.0) -> Health:
    """Say whether the subject of ``snapshot`` is well, starting or failing at ``now``.

    What fails is said of the present spec: pods of an older revision that still fail while somebody's new one
    rolls out say that it is not well yet, and nothing against the new one.
    """
    findings = (
        *_workload_findings(snapshot.workload),
        *_replica_set_findings(snapshot),
        *(finding for pod in snapshot.current_pods for finding in pod_findings(pod, now, speed)),
    )
    ready, desired, until = snapshot.ready, snapshot.desired, None
    if findings:
        state = State.FAILING
    elif _rolled_out(snapshot):
        state = State.WELL
    elif now < (until := _deadline(snapshot, speed)):
        state = State.STARTING
    else:
        state, until = State.FAILING, None
        findings = (Finding(Symptom.NOT_READY, f"{ready} of {desired} ready after its deadline"),)
    return Health(state=state, findings=findings, until=until, ready=ready, desired=desired)


def pod_findings(pod: Manifest, now: datetime, speed: float = 1.0) -> Iterator[Finding]:
    """What is wrong with one pod, container by container."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield Finding(Symptom.UNSCHEDULABLE, clean(condition.get("message"), 300), name)
    if status.get("phase") == "Failed":
        symptom = Symptom.EVICTED if status.get("reason") == "Evicted" else Symptom.CRASH_LOOP
        yield Finding(symptom, clean(status.get("message") or status.get("reason") or "the pod has failed", 300), name)
    for container in container_statuses(pod):
        finding = _container_finding(name, container, now, speed)
        if finding is not None:
            yield finding


def steady(snapshot: Snapshot, now: datetime, speed: float = 1.0) -> int:
    """How many live pods are steady."""
    return sum(is_steady(pod, now, speed) for pod in snapshot.live_pods)


def is_steady(pod: Manifest, now: datetime, speed: float = 1.0) -> bool:
    """Whether a pod is Ready and has not failed lately.

    A container that is killed again and again is Ready in between, and that speaks for nothing.
    """
    return is_ready(pod) and not _failed_lately(pod, now, speed)


def _failed_lately(pod: Manifest, now: datetime, speed: float) -> bool:
    if next(pod_findings(pod, now, speed), None) is not None:
        return True
    ends = [(container.get("lastState") or {}).get("terminated") or {} for container in container_statuses(pod)]
    failures = [timestamp(end.get("finishedAt")) for end in ends if end.get("exitCode")]
    memory = timedelta(seconds=RESTART_MEMORY_SECONDS / speed)
    return any(moment is not None and now - moment <= memory for moment in failures)


def container_statuses(pod: Manifest) -> list[dict[str, Any]]:
    """Statuses of init and ordinary containers, in the order in which they run."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def restarts(pod: Manifest) -> int:
    """How often the pod's containers have been restarted."""
    return sum(int(container.get("restartCount", 0)) for container in container_statuses(pod))


def was_oom_killed(container: Manifest) -> bool:
    """Whether the container's present or last end was an OOM kill: Kubernetes tells it nowhere else."""
    ends = [(container.get(which) or {}).get("terminated") or {} for which in ("state", "lastState")]
    return any(end.get("reason") == "OOMKilled" for end in ends)


def _container_finding(pod: str, container: Manifest, now: datetime, speed: float) -> Finding | None:
    state = container.get("state") or {}
    name = container.get("name", "")
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting:
        symptom = _WAITING.get(waiting.get("reason", ""))
        if symptom is None:
            return None
        if symptom is Symptom.CRASH_LOOP and was_oom_killed(container):
            symptom = Symptom.OOM_KILLED
        # A pull's message names the image four times before it says why.
        return Finding(symptom, clean(waiting.get("message") or waiting.get("reason")), pod, name)
    if terminated and int(container.get("restartCount", 0)) >= 1 and terminated.get("exitCode"):
        symptom = Symptom.OOM_KILLED if was_oom_killed(container) else Symptom.CRASH_LOOP
        return Finding(symptom, f"ended with exit code {terminated.get('exitCode')} again", pod, name)
    return _flapping(pod, container, now, speed)


def _flapping(pod: str, container: Manifest, now: datetime, speed: float) -> Finding | None:
    """A container that runs now but has died at least twice within the kubelet's memory of it."""
    last = (container.get("lastState") or {}).get("terminated") or {}
    count = int(container.get("restartCount", 0))
    if count < FLAPPING_RESTARTS or not last.get("exitCode"):
        return None
    ended = timestamp(last.get("finishedAt"))
    if ended is None or now - ended > timedelta(seconds=RESTART_MEMORY_SECONDS / speed):
        return None
    symptom = Symptom.OOM_KILLED if was_oom_killed(container) else Symptom.CRASH_LOOP
    detail = f"restarted {count} times, last exit code {last.get('exitCode')}"
    return Finding(symptom, detail, pod, container.get("name", ""))


def _workload_findings(workload: Manifest) -> Iterator[Finding]:
    if not observed(workload):
        return  # its conditions speak of an older spec
    for condition in workload.get("status", {}).get("conditions") or ():
        kind, status, reason = (condition.get(key) for key in ("type", "status", "reason"))
        message = clean(condition.get("message"), 300)
        if kind == "Progressing" and status == "False" and reason == "ProgressDeadlineExceeded":
            yield Finding(Symptom.ROLLOUT_STUCK, message)
        elif kind == "Failed" and status == "True":
            yield Finding(Symptom.JOB_FAILED, message)


def _replica_set_findings(snapshot: Snapshot) -> Iterator[Finding]:
    current = snapshot.current_replica_set
    for condition in (current or {}).get("status", {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            yield Finding(Symptom.CREATE_FORBIDDEN, clean(condition.get("message"), 300))


def _rolled_out(snapshot: Snapshot) -> bool:
    workload, desired = snapshot.workload, snapshot.desired
    status = workload.get("status", {})
    if not observed(workload):
        return False
    match workload.get("kind"):
        case "Deployment":
            counts = [int(status.get(key, 0)) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            return counts == [desired] * 3
        case "StatefulSet":
            revised = status.get("updateRevision") == status.get("currentRevision")
            return int(status.get("readyReplicas", 0)) >= desired and revised
        case "DaemonSet":
            return int(status.get("numberAvailable", 0)) >= desired <= int(status.get("updatedNumberScheduled", 0))
        case "Pod":
            return is_ready(workload) or status.get("phase") == "Succeeded"
    return True  # a Job or CronJob without findings is doing its work


def _deadline(snapshot: Snapshot, speed: float) -> datetime:
    """Until when not being ready is a start and not a failure: the workload's own progress deadline."""
    workload = snapshot.workload
    allowed = int(workload.get("spec", {}).get("progressDeadlineSeconds") or PROGRESS_DEADLINE_SECONDS)
    progress = [
        timestamp(condition.get("lastUpdateTime"))
        for condition in workload.get("status", {}).get("conditions") or ()
        if condition.get("type") == "Progressing" and observed(workload)
    ]
    created = [timestamp(pod["metadata"].get("creationTimestamp")) for pod in snapshot.current_pods]
    moments = [moment for moment in (*progress, *created) if moment is not None]
    if not moments:
        moments = [snapshot.read_at]
    return max(moments) + timedelta(seconds=allowed / speed)


def timestamp(value: object) -> datetime | None:
    """An API timestamp, or None where there is none that can be read; without a zone it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
