"""When a pod of a Job counts as failed, what the Job's policy makes of it, and how long to wait then. Pure.

After pkg/controller/job/pod_failure_policy.go and backoff_utils.go in Kubernetes v1.36.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator.clock import SimClock, parse_time
from simulator.controllers.controller import is_deleting
from simulator.controllers.pods import condition
from simulator.informer import Object

FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
_FIRST_BACKOFF_SECONDS = 10.0
_LONGEST_BACKOFF_SECONDS = 600.0


@dataclass(frozen=True)
class Verdict:
    """What the pod failure policy says: the rule's action (None: no rule fits) and the reason to fail the Job."""

    action: str | None = None
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether the failure counts towards the back-off limits."""
        return self.action != "Ignore"


@dataclass(frozen=True)
class Backoff:
    """Failures since the last success, and when the latest was noticed, by the cluster's clock.

    Timestamps would not do: in whole real seconds they are too coarse for a clock that runs fast.
    """

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: list[Object], failed: list[Object], *, now: float) -> "Backoff":
        """With pods that have ended meanwhile."""
        if not succeeded:
            return Backoff(self.failures + len(failed), now) if failed else self
        success = max(finished_at(pod) for pod in succeeded)
        later = [pod for pod in failed if finished_at(pod) > success]
        return Backoff(len(later), now) if later else Backoff()

    def remaining(self, clock: SimClock) -> float:
        """Simulated seconds until a pod may be created again: 10 s, doubled by every failure, at most 600."""
        if not self.failures:
            return 0.0
        pause = min(_FIRST_BACKOFF_SECONDS * 2 ** min(self.failures - 1, 10), _LONGEST_BACKOFF_SECONDS)
        return float(max(0.0, pause - (clock.monotonic() - self.last)))


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod that is merely terminating is not replaced yet."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy"))


def has_failed(job: Object, pod: Object) -> bool:
    """Whether a pod counts as failed; one that is deleted before it ends does as well."""
    phase = pod.get("status", {}).get("phase")
    if phase == "Failed":
        return True
    return not replaces_only_failed(job) and is_deleting(pod) and phase != "Succeeded"


def judge(job: Object, pod: Object) -> Verdict:
    """The first rule of the pod failure policy that fits a failed pod."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for position, rule in enumerate(rules):
        ending = f"matching {rule['action']} rule at index {position}"
        if rule.get("onExitCodes") is not None:
            status = _exit(pod, rule["onExitCodes"])
            if status is not None:
                code = status["state"]["terminated"]["exitCode"]
                said = f"Container {status['name']} for pod {name} failed with exit code {code} {ending}"
                return Verdict(rule["action"], said if rule["action"] == "FailJob" else "")
        else:
            found = _condition(pod, rule.get("onPodConditions") or ())
            if found is not None:
                said = f"Pod {name} has condition {found} {ending}"
                return Verdict(rule["action"], said if rule["action"] == "FailJob" else "")
    return Verdict()


def index_has_failed(job: Object, pod: Object) -> bool:
    """Whether a pod's failure is the last that its index is allowed (backoffLimitPerIndex)."""
    if not has_failed(job, pod):
        return False
    verdict = judge(job, pod)
    if verdict.action == "FailIndex":
        return True
    return verdict.counts and failure_counts(pod)[0] >= job["spec"]["backoffLimitPerIndex"]


def failure_counts(pod: Object) -> tuple[int, int]:
    """How often its index had failed before this pod: counted, and ignored by the policy."""
    annotations = pod["metadata"].get("annotations") or {}
    return int(annotations.get(FAILURE_COUNT, 0)), int(annotations.get(IGNORED_COUNT, 0))


def finished_at(pod: Object) -> datetime:
    """When a pod ended: its containers' end, else its Ready condition, its deletion, its creation."""
    ends = [
        str((status.get("state", {}).get("terminated") or {}).get("finishedAt") or "")
        for status in pod.get("status", {}).get("containerStatuses") or ()
    ]
    if ends and all(ends):
        return max(parse_time(end) for end in ends)
    ready = condition(pod, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
        return parse_time(metadata["deletionTimestamp"]) - grace
    return parse_time(metadata["creationTimestamp"])


def restarts(pods: Iterable[Object]) -> int:
    """How often containers of pods that are not at their end were restarted."""
    return sum(
        status.get("restartCount", 0)
        for pod in pods
        if pod.get("status", {}).get("phase") in ("Running", "Pending")
        for field in ("initContainerStatuses", "containerStatuses")
        for status in pod["status"].get(field) or ()
    )


def _exit(pod: Object, wanted: dict[str, Any]) -> dict[str, Any] | None:
    for field in ("containerStatuses", "initContainerStatuses"):
        for status in pod.get("status", {}).get(field) or ():
            ended = status.get("state", {}).get("terminated")
            named = wanted.get("containerName") in (None, status["name"])
            if ended is None or not named or ended["exitCode"] == 0:
                continue
            if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
                return dict(status)
    return None


def _condition(pod: Object, patterns: Iterable[dict[str, Any]]) -> str | None:
    for found in pod.get("status", {}).get("conditions") or ():
        if any(item["type"] == found["type"] and item.get("status", "True") == found["status"] for item in patterns):
            return str(found["type"])
    return None
