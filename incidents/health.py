"""Whether a workload is well, still starting, or failing: one pure function over a snapshot.

Suppression, playbooks and verification all ask ``assess``; there is no second opinion on health anywhere.
Durations that come from a spec are divided by ``speed``, which is 1 everywhere but on an embedded cluster.
The states read here are those the kubelet and the controllers of Kubernetes v1.36 write.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.moments import after
from incidents.object_health import job_end, troubles
from incidents.objects import WORKLOADS, Manifest
from incidents.pod_health import (
    Finding,
    container_statuses,
    ended_at,
    is_steady,
    left_behind_findings,
    pod_findings,
    restarts,
    stalled,
    steady,
    timestamp,
    was_oom_killed,
)
from incidents.signals import clean
from incidents.snapshot import Snapshot, is_ready, observed
from incidents.symptoms import Symptom

__all__ = [
    "PROGRESS_DEADLINE_SECONDS",
    "Finding",
    "Health",
    "State",
    "assess",
    "container_statuses",
    "ended_at",
    "is_steady",
    "pod_findings",
    "restarts",
    "steady",
    "timestamp",
    "was_oom_killed",
]
PROGRESS_DEADLINE_SECONDS = 600  # the API server's default for a Deployment
UNMADE_SECONDS = 180  # the first pod of a workload is made within seconds, unless its controller changes its leader
_ENDING = "because it is being terminated"  # of a namespace: plugin/pkg/admission/namespace/lifecycle


class State(StrEnum):
    """The three answers."""

    WELL = "well"
    STARTING = "starting"
    FAILING = "failing"


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
    around, excused = _around(snapshot, now, speed)
    findings = (
        *_workload_findings(snapshot),
        *_replica_set_findings(snapshot),
        *(finding for pod in snapshot.current_pods for finding in pod_findings(pod, now, speed)),
        *left_behind_findings(snapshot, now, speed),
        *around,
    )
    ready, desired, until = snapshot.ready, snapshot.desired, None
    if findings:
        state = State.FAILING
    elif excused is not None:
        state, until = State.STARTING, excused
    elif _rolled_out(snapshot):
        state = State.WELL
    elif now < (until := _deadline(snapshot, speed)):
        state = State.STARTING
    else:
        state, until = State.FAILING, None
        findings = (_late(snapshot),)
    return Health(state=state, findings=findings, until=until, ready=ready, desired=desired)


def _around(snapshot: Snapshot, now: datetime, speed: float) -> tuple[list[Finding], datetime | None]:
    """What is wrong with the subject as an object and with what was read beside it; else until when that is excused."""
    found = [
        trouble
        for manifest in (snapshot.workload, *snapshot.related)
        for trouble in troubles(manifest, snapshot, now, speed)
    ]
    standing = [trouble.finding for trouble in found if trouble.until is None or now >= trouble.until]
    excuses = [trouble.until for trouble in found if trouble.until is not None and now < trouble.until]
    return standing, max(excuses, default=None)


def _workload_findings(snapshot: Snapshot) -> Iterator[Finding]:
    workload = snapshot.workload
    if not observed(workload) or workload.get("kind") not in WORKLOADS:
        return  # its conditions speak of an older spec, or are judged elsewhere
    for condition in workload.get("status", {}).get("conditions") or ():
        kind, status, reason = (condition.get(key) for key in ("type", "status", "reason"))
        message = clean(condition.get("message"), 300)
        if kind == "Progressing" and status == "False" and reason == "ProgressDeadlineExceeded":
            yield Finding(Symptom.ROLLOUT_STUCK, " ".join(filter(None, (message, _stalled(snapshot)))))
        elif kind == "Failed" and status == "True":
            yield Finding(Symptom.JOB_FAILED, message)


def _replica_set_findings(snapshot: Snapshot) -> Iterator[Finding]:
    current = snapshot.current_replica_set
    for condition in (current or {}).get("status", {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = clean(condition.get("message"), 300)
            if _ENDING not in message:
                yield Finding(Symptom.CREATE_FORBIDDEN, message)


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
            return int(status.get("readyReplicas", 0)) >= desired and _revised(workload, desired)
        case "DaemonSet":
            return int(status.get("numberAvailable", 0)) >= desired and _revised(workload, desired)
        case "Pod":
            return is_ready(workload) or status.get("phase") == "Succeeded"
        case "Job":
            at_work = bool(status.get("active") or snapshot.live_pods or not desired)
            return at_work or job_end(workload) is not None or bool(workload.get("spec", {}).get("suspend"))
    return True  # a CronJob without findings is doing its work, an object without pods too


def _late(snapshot: Snapshot) -> Finding:
    """What is wrong with a workload whose time to become ready is over, as far as its own status tells."""
    wanted, (made, ready) = snapshot.desired, _made(snapshot)
    if made is not None and ready >= made and made < wanted:
        return Finding(Symptom.CREATE_FORBIDDEN, f"{made} of {wanted} pods have been made, and no more are")
    detail = f"{snapshot.ready} of {wanted} ready after its deadline"
    return Finding(Symptom.NOT_READY, ": ".join(filter(None, (detail, _stalled(snapshot)))))


def _stalled(snapshot: Snapshot) -> str:
    """What the first pod that is not ready waits with, where nobody here knows what that is."""
    return next((text for pod in snapshot.current_pods if not is_ready(pod) and (text := stalled(pod))), "")


def _made(snapshot: Snapshot) -> tuple[int | None, int]:
    """How many pods a controller has made for a workload and how many of them are ready; None where nobody says.

    A Deployment's ReplicaSet says by itself that it is refused pods. The controllers of the other kinds do not.
    """
    workload = snapshot.workload
    status: Manifest = workload.get("status", {})
    if not observed(workload):
        return None, 0
    match workload.get("kind"):
        case "StatefulSet" if "replicas" in status:
            return int(status["replicas"]), int(status.get("readyReplicas", 0))
        case "DaemonSet" if "currentNumberScheduled" in status:
            return int(status["currentNumberScheduled"]), int(status.get("numberReady", 0))
        case "Job" if not (snapshot.pods or any(status.get(key) for key in ("active", "failed", "succeeded"))):
            return 0, 0
    return None, 0


def _revised(workload: Manifest, desired: int) -> bool:
    """Whether as many pods are of the new revision as its update strategy wants to be for now."""
    strategy, status = workload.get("spec", {}).get("updateStrategy") or {}, workload.get("status", {})
    if strategy.get("type") == "OnDelete":
        return True  # somebody will delete the old ones when the time has come
    if workload.get("kind") == "DaemonSet":
        return int(status.get("updatedNumberScheduled", 0)) >= desired
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if partition:
        return int(status.get("updatedReplicas", 0)) >= desired - partition
    return bool(status.get("updateRevision") == status.get("currentRevision"))


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
    if workload.get("kind") == "Job":  # its pods may come one by one, with the controller's pauses between failures
        created += [
            timestamp(workload.get("status", {}).get("startTime")),
            timestamp(workload["metadata"].get("creationTimestamp")),
        ]
    if _made(snapshot)[0] == 0:
        allowed, created = UNMADE_SECONDS, [*created, timestamp(workload["metadata"].get("creationTimestamp"))]
    moments = [moment for moment in (*progress, *created) if moment is not None]
    if not moments or workload.get("spec", {}).get("paused"):  # while it is paused no time runs out
        moments = [snapshot.read_at]
    return after(max(moments), allowed / speed)
