"""What is wrong with one pod, container by container: the states that the kubelet of Kubernetes v1.36 writes.

Durations that come from Kubernetes are divided by ``speed``, which is 1 everywhere but on an embedded cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from incidents.objects import Manifest
from incidents.signals import clean
from incidents.snapshot import Snapshot, is_ready
from incidents.symptoms import Symptom

RESTART_MEMORY_SECONDS = 600  # the kubelet forgets a crash back-off after ten minutes of running
FLAPPING_RESTARTS = 2  # one restart is a transient; two within the memory are a pattern
SELDOM_SECONDS = 3600  # between two ends: whoever restarts more often than hourly, for days, is not well
DATED_SECONDS = 1.0  # moments are written in whole seconds, whatever the speed
EVICTIONS = 3  # of each pod that is wanted: one goes with a full node, the third in a row is the workload's own doing
EVICTION_MEMORY_SECONDS = 3600  # the disk or memory that a program fills up takes it a while
UNSEEN_SECONDS = 20  # a kubelet takes up a pod within a second or two; after 40 s one of a missing node is removed
INIT_SECONDS = 600  # an init container may take as long as a Deployment may take to make progress

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
    "RemoveContainerError": Symptom.RUN_ERROR,
    "CreatePodSandboxError": Symptom.SANDBOX_FAILING,
    "ConfigPodSandboxError": Symptom.SANDBOX_FAILING,
    "KillPodSandboxError": Symptom.SANDBOX_FAILING,
}
_BEGINNING = frozenset({"", "ContainerCreating", "PodInitializing"})  # what every container waits with at first
_DERIVED = frozenset({"", "ContainersNotReady", "ContainersNotInitialized", "Unschedulable"})  # said elsewhere, better
# A reason that no version known here has, and that is an error by its own name: nothing that has to be waited for.
_AN_ERROR = re.compile(r"^(?:Err|Invalid|Failed|Unable)[A-Z]|(?:Error|Err|Failed|Failure|BackOff|Denied|Expired)$")
_REJECTED = "Pod was rejected"  # pkg/kubelet/kubelet.go, rejectPod

_NEVER_BEGUN = frozenset({Symptom.IMAGE_PULL, Symptom.CONFIG_ERROR, Symptom.SANDBOX_FAILING})


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where: pod and container are empty for a finding about the workload.

    ``lacks``: the certificate that it is about, as the snapshot names what is missing; ``detail`` may be masked.
    """

    symptom: Symptom
    detail: str
    pod: str = ""
    container: str = ""
    lacks: str = ""


def pod_findings(pod: Manifest, now: datetime, speed: float = 1.0) -> Iterator[Finding]:
    """What is wrong with one pod, container by container."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield Finding(Symptom.UNSCHEDULABLE, clean(condition.get("message"), 300), name)
    if status.get("phase") == "Failed":
        yield Finding(_failed_as(status), _failed_because(status), name)
    for container in container_statuses(pod):
        finding = _container_finding(pod, container, now, speed)
        if finding is not None:
            yield finding
    yield from _hanging(pod, now, speed)
    yield from _unseen(pod, now, speed)


def _failed_as(status: Manifest) -> Symptom:
    """How a pod that is over has failed: the kubelet names a reason only where no container failed by itself."""
    reason = str(status.get("reason") or "")
    if str(status.get("message") or "").startswith(_REJECTED):
        return Symptom.UNSCHEDULABLE  # the kubelet's own look at what the scheduler has looked at
    return {"": Symptom.CRASH_LOOP, "Evicted": Symptom.EVICTED}.get(reason, Symptom.OTHER)


def _failed_because(status: Manifest) -> str:
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    known = reason in ("", "Evicted") or not message
    return clean((message or reason or "the pod has failed") if known else f"{reason}: {message}", 300)


def stalled(pod: Manifest) -> str:
    """What a pod waits with that is no finding, in the words of its status; empty where they say no more than that.

    For states of a Kubernetes that is newer than this program: whoever is told has their reason and their message.
    """
    waits = [(one.get("name"), (one.get("state") or {}).get("waiting") or {}) for one in container_statuses(pod)]
    conditions = [one for one in pod.get("status", {}).get("conditions") or () if one.get("status") == "False"]
    said = [
        f"{name} waits: {_reason_and_message(state)}"
        for name, state in waits
        if str(state.get("reason") or "") not in _BEGINNING | _WAITING.keys()
    ] + [
        f"{one.get('type')} is False: {_reason_and_message(one)}"
        for one in conditions
        if str(one.get("reason") or "") not in _DERIVED
    ]
    return clean("; ".join(dict.fromkeys(said)), 300)


def _reason_and_message(state: Manifest) -> str:
    return ": ".join(str(part) for part in (state.get("reason"), state.get("message")) if part)


def _unseen(pod: Manifest, now: datetime, speed: float) -> Iterator[Finding]:
    """A pod whose template names its node, and of which no kubelet has said anything.

    Nothing else tells: no scheduler has looked at it, no event is written, and pkg/controller/podgc removes it before
    it has been late for long; the next one counts as progress of the rollout.
    """
    node, made = pod.get("spec", {}).get("nodeName"), timestamp(pod["metadata"].get("creationTimestamp"))
    status: Manifest = pod.get("status", {})
    if not node or made is None or status.get("conditions") or status.get("startTime"):
        return
    if status.get("phase", "Pending") == "Pending" and now - made >= timedelta(seconds=UNSEEN_SECONDS / speed):
        yield Finding(
            Symptom.NOT_READY, f"no kubelet of node {clean(node, 100)} has taken it up", pod["metadata"]["name"]
        )


def _hanging(pod: Manifest, now: datetime, speed: float) -> Iterator[Finding]:
    """Init containers that run and run. A sidecar is one by its place in the spec, and is meant to."""
    sidecars = {
        container.get("name")
        for container in pod.get("spec", {}).get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for container in pod.get("status", {}).get("initContainerStatuses") or ():
        running = (container.get("state") or {}).get("running") or {}
        since = timestamp(running.get("startedAt"))
        if container.get("name") in sidecars or since is None:
            continue
        if now - since > timedelta(seconds=INIT_SECONDS / speed):
            detail = f"the init container has been running since {since:%Y-%m-%dT%H:%M:%SZ}"
            yield Finding(Symptom.INIT_HANGING, detail, pod["metadata"]["name"], container.get("name", ""))


def left_behind_findings(snapshot: Snapshot, now: datetime, speed: float = 1.0) -> Iterator[Finding]:
    """A workload whose pods are evicted again and again, however well the present ones may be; or rejected by nodes.

    Known by the pods that were left behind. A StatefulSet's and a DaemonSet's controller clears those away.
    """
    since = now - timedelta(seconds=EVICTION_MEMORY_SECONDS / speed)
    late = [pod for pod in snapshot.current_failed_pods if (end := ended_at(pod)) is not None and end > since]
    for symptom, what in ((Symptom.EVICTED, "evicted"), (Symptom.UNSCHEDULABLE, "rejected by their nodes")):
        if symptom is Symptom.UNSCHEDULABLE and snapshot.ready >= snapshot.desired:
            continue  # a node that comes back rejects what does not fit any more, and others have taken that
        gone = [pod for pod in late if _failed_as(pod["status"]) is symptom]
        if len(gone) >= EVICTIONS * max(1, snapshot.desired):
            last = max(gone, key=lambda pod: str(ended_at(pod)))
            said = clean(last["status"].get("message") or "", 200)
            yield Finding(symptom, f"{len(gone)} pods were {what} within the hour: {said}", last["metadata"]["name"])


def ended_at(pod: Manifest) -> datetime | None:
    """When a pod has ended, as far as its containers tell; else when it was made."""
    ends = [(status.get("state") or {}).get("terminated") or {} for status in container_statuses(pod)]
    moments = [timestamp(end.get("finishedAt")) for end in ends] + [timestamp(pod["metadata"].get("creationTimestamp"))]
    return max((moment for moment in moments if moment is not None), default=None)


def steady(snapshot: Snapshot, now: datetime, speed: float = 1.0) -> int:
    """How many live pods are steady."""
    return sum(is_steady(pod, now, speed) for pod in snapshot.live_pods)


def is_steady(pod: Manifest, now: datetime, speed: float = 1.0) -> bool:
    """Whether a pod is Ready and no container of it has failed or been started again lately.

    A container that is killed again and again is Ready in between, and that speaks for nothing: with whatever code it
    ends, for a program that is killed by a probe may know how to.
    """
    return is_ready(pod) and not _failed_lately(pod, now, speed)


def _failed_lately(pod: Manifest, now: datetime, speed: float) -> bool:
    if next(pod_findings(pod, now, speed), None) is not None:
        return True
    statuses = [container for container in container_statuses(pod) if not _came_to_its_end(container)]
    ends = [(container.get("lastState") or {}).get("terminated") or {} for container in statuses]
    moments = [timestamp(end.get("finishedAt")) for end in ends]
    memory = timedelta(seconds=RESTART_MEMORY_SECONDS / speed)
    return any(moment is not None and now - moment <= memory for moment in moments)


def may_have_log(pod: Manifest, container: str, *, previous: bool) -> bool:
    """Whether a container can have written a log: one whose image never came has not, and the kubelet says so."""
    for status in container_statuses(pod):
        if status.get("name") != container:
            continue
        ran_before = bool(status.get("restartCount") or (status.get("lastState") or {}).get("terminated"))
        waits_for = _WAITING.get(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))
        return ran_before or not (previous or waits_for in _NEVER_BEGUN)
    return True


def container_statuses(pod: Manifest) -> list[dict[str, Any]]:
    """Statuses of init and ordinary containers, in the order in which they run."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def outdated(pod: Manifest) -> bool:
    """Whether a container is told to wait for another image than the spec has by now.

    A Pod's image may be changed in place; until its kubelet has tried again it repeats what it said of the one before,
    under the new image's name. Every such message names the image that it is about.
    """
    spec = pod.get("spec", {})
    specs = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    images = {one.get("name"): str(one.get("image", "")).rpartition("/")[2] for one in specs}
    waits = [(one.get("name"), (one.get("state") or {}).get("waiting") or {}) for one in container_statuses(pod)]
    return any(
        _WAITING.get(state.get("reason", "")) is Symptom.IMAGE_PULL
        and bool(state.get("message"))
        and images.get(name, "") not in state["message"]
        for name, state in waits
    )


def restarts(pod: Manifest) -> int:
    """How often the pod's containers have been restarted."""
    return sum(int(container.get("restartCount") or 0) for container in container_statuses(pod))


def has_begun(pod: Manifest) -> bool:
    """Whether a container of the pod was ever started, so that it may have written something somewhere."""
    return any(
        one.get("restartCount") or any((one.get(key) or {}).keys() & {"running", "terminated"} for key in _STATES)
        for one in container_statuses(pod)
    )


_STATES = ("state", "lastState")


def was_oom_killed(container: Manifest) -> bool:
    """Whether the container's present or last end was an OOM kill: Kubernetes tells it nowhere else."""
    ends = [(container.get(which) or {}).get("terminated") or {} for which in ("state", "lastState")]
    return any(end.get("reason") == "OOMKilled" for end in ends)


def has_failed(pod: Manifest) -> bool:
    """Whether a container of the pod has ended with an error, now or before its last start."""
    ends = [
        (status.get(which) or {}).get("terminated") or {} for status in container_statuses(pod) for which in _STATES
    ]
    return any(end.get("exitCode") for end in ends)


def _container_finding(of: Manifest, container: Manifest, now: datetime, speed: float) -> Finding | None:
    pod = str(of["metadata"]["name"])
    if _came_to_its_end(container):
        return None
    state = container.get("state") or {}
    name = container.get("name", "")
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting:
        symptom = _WAITING.get(waiting.get("reason", ""))
        if symptom is None:
            unknown = _AN_ERROR.search(str(waiting.get("reason") or ""))
            return Finding(Symptom.OTHER, clean(_reason_and_message(waiting)), pod, name) if unknown else None
        if symptom is Symptom.CRASH_LOOP and was_oom_killed(container):
            symptom = Symptom.OOM_KILLED
        # A pull's message names the image four times before it says why.
        return Finding(symptom, clean(waiting.get("message") or waiting.get("reason")), pod, name)
    count = int(container.get("restartCount") or 0)
    again = count >= 1 and not _lives_long(of, terminated or {}, ends=count + 1, speed=speed)
    if terminated and again and terminated.get("exitCode"):
        symptom = Symptom.OOM_KILLED if was_oom_killed(container) else Symptom.CRASH_LOOP
        return Finding(symptom, f"ended with exit code {terminated.get('exitCode')} again", pod, name)
    return _flapping(of, container, now, speed)


def _came_to_its_end(container: Manifest) -> bool:
    """Whether it has done what it was for: an init container that had to wait for something fails a few times first."""
    terminated = (container.get("state") or {}).get("terminated")
    return terminated is not None and not terminated.get("exitCode")


def _flapping(of: Manifest, container: Manifest, now: datetime, speed: float) -> Finding | None:
    """A container that runs now but has died at least twice within the kubelet's memory of it, or does so all day.

    Restarts are counted for the pod's whole life: it is the length of the last run that says when the one before ended.
    """
    last = (container.get("lastState") or {}).get("terminated") or {}
    count = int(container.get("restartCount") or 0)
    if count < FLAPPING_RESTARTS or not last.get("exitCode"):
        return None
    ended = timestamp(last.get("finishedAt"))
    if ended is None or now - ended > timedelta(seconds=RESTART_MEMORY_SECONDS / speed):
        return None
    if _lives_long(of, last, ends=count, speed=speed):
        return None
    symptom = Symptom.OOM_KILLED if was_oom_killed(container) else Symptom.CRASH_LOOP
    detail = f"restarted {count} times, last exit code {last.get('exitCode')}"
    return Finding(symptom, detail, str(of["metadata"]["name"]), container.get("name", ""))


def _lives_long(of: Manifest, end: Manifest, *, ends: int, speed: float) -> bool:
    """Whether the run that ended so was longer than the kubelet remembers the end before it, and they mostly are long.

    What has run for weeks and dies once has not died again; what dies every quarter of an hour has. Without the
    moments nobody knows, and it counts as short.
    """
    began, ended = timestamp(end.get("startedAt")), timestamp(end.get("finishedAt"))
    if began is None or ended is None or ended - began <= remembered(speed):
        return False
    first = begun_at(of)
    return first is None or (ended - first) / ends > timedelta(seconds=SELDOM_SECONDS / speed)


def remembered(speed: float) -> timedelta:
    """How long a run surely is that outlasts the kubelet's memory of the end before it."""
    return timedelta(seconds=RESTART_MEMORY_SECONDS / speed + DATED_SECONDS)


def begun_at(pod: Manifest) -> datetime | None:
    """When a kubelet has taken up a pod; when it was made, where none has said."""
    return timestamp(pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp"))


def timestamp(value: object) -> datetime | None:
    """An API timestamp, or None where there is none that can be read; without a zone it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
