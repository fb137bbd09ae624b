"""One look at one Job: what its pods amount to, what is to happen, and the counting afterwards.

The order is that of syncJob and trackJobStatusAndRemoveFinalizers in pkg/controller/job/job_controller.go of
Kubernetes v1.36: an outcome that was written down stands, failures are looked for before success, and the
outcome becomes final when every pod is counted and none is terminating.
"""

from dataclasses import dataclass, field

from simulator.clock import SimClock, parse_time
from simulator.controllers.controller import is_deleting
from simulator.controllers.job_failures import (
    Backoff,
    has_failed,
    index_has_failed,
    judge,
    replaces_only_failed,
    restarts,
)
from simulator.controllers.job_indexes import index_of, is_indexed, parse, render
from simulator.controllers.job_pods import is_tracked
from simulator.controllers.job_status import JobStatus
from simulator.controllers.pods import is_ready, is_terminal
from simulator.informer import Object

_MOST_UNCOUNTED = 500


@dataclass(frozen=True)
class Outcome:
    """How a Job ends: ``SuccessCriteriaMet`` or ``FailureTarget``, and why."""

    type: str
    reason: str
    message: str

    @property
    def final(self) -> str:
        """The condition that follows when everything is counted."""
        return "Complete" if self.type == "SuccessCriteriaMet" else "Failed"


@dataclass
class JobSync:
    """``pods`` are all the Job's pods; the status is changed in place."""

    job: Object
    pods: list[Object]
    clock: SimClock
    backoff: Backoff
    started_at: float | None = None
    """When the Job was started, by the cluster's clock, if that was seen."""
    status: JobStatus = field(init=False)

    def __post_init__(self) -> None:
        self.status = JobStatus(self.job, self.clock)
        spec = self.job["spec"]
        self.completions: int | None = spec.get("completions")
        self.indexed = is_indexed(self.job)
        self.per_index = spec.get("backoffLimitPerIndex") is not None
        self.active = [pod for pod in self.pods if not is_terminal(pod) and not is_deleting(pod)]
        self.ready = sum(is_ready(pod) for pod in self.active)
        self.terminating = sum(not is_terminal(pod) and is_deleting(pod) for pod in self.pods)
        self._count()

    @property
    def suspended(self) -> bool:
        """Whether the Job is asked to stand still."""
        return bool(self.job["spec"].get("suspend"))

    def _count(self) -> None:
        new = [pod for pod in self.pods if is_tracked(pod) and not self.status.known(_uid(pod)) and self._valid(pod)]
        ended = [pod for pod in new if pod.get("status", {}).get("phase") == "Succeeded"]
        broken = [pod for pod in new if has_failed(self.job, pod)]
        self.backoff = self.backoff.after(ended, broken, now=self.clock.monotonic())
        counted = sum(judge(self.job, pod).counts for pod in broken)
        self.succeeded = self.status.count("succeeded") + len(ended) + len(self.status.uncounted["succeeded"])
        self.failed = self.status.count("failed") + counted + len(self.status.uncounted["failed"])
        self.done_before: set[int] = set()
        self.done: set[int] = set()
        self.lost: set[int] = set()
        if self.indexed and self.completions is not None:
            self.done_before = parse(self.status.fields.get("completedIndexes", ""), self.completions)
            self.done = self.done_before | {index for pod in ended if (index := index_of(pod)) is not None}
            self.succeeded = len(self.done)
            if self.per_index:
                before = parse(self.status.fields.get("failedIndexes", ""), self.completions)
                failing = (pod for pod in self.pods if is_tracked(pod) and self._valid(pod))
                self.lost = before | {index_of(pod) or 0 for pod in failing if index_has_failed(self.job, pod)}

    def _valid(self, pod: Object) -> bool:
        index = index_of(pod)
        return not self.indexed or (index is not None and index < (self.completions or 0))

    def outcome(self) -> Outcome | None:
        """How the Job ends, if its end is decided by what has happened; success by count is looked at later."""
        decided = self.status.condition("SuccessCriteriaMet") or self.status.condition("FailureTarget")
        if decided is not None:
            return Outcome(decided["type"], decided["reason"], decided["message"])
        refused = next(
            (said for pod in self.pods if has_failed(self.job, pod) and (said := judge(self.job, pod).message)), ""
        )
        if refused:
            return Outcome("FailureTarget", "PodFailurePolicy", refused)
        spec = self.job["spec"]
        limit = spec.get("backoffLimit", 6)
        if self.failed > limit or self._restarted_too_often(limit):
            return Outcome("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        left = self.seconds_left()
        if left is not None and left <= 0:
            return Outcome("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
        return self._index_outcome()

    def _index_outcome(self) -> Outcome | None:
        if not self.indexed or self.completions is None:
            return None
        most = self.job["spec"].get("maxFailedIndexes")
        if most is not None and len(self.lost) > most:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return Outcome("FailureTarget", "MaxFailedIndexesExceeded", message)
        if self.lost and len(self.lost) + len(self.done) >= self.completions:
            return Outcome("FailureTarget", "FailedIndexes", "Job has failed indexes")
        for position, rule in enumerate((self.job["spec"].get("successPolicy") or {}).get("rules") or ()):
            if self.done and self._satisfies(rule):
                message = f"Matched rules at index {position}"
                return Outcome("SuccessCriteriaMet", "SuccessPolicy", message)
        return None

    def _satisfies(self, rule: Object) -> bool:
        wanted, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if wanted is None:
            return count is not None and len(self.done) >= count
        needed = parse(wanted, self.completions or 0)
        met = len(needed & self.done)
        return bool(needed) and (met == len(needed) or (count is not None and met >= count))

    def _restarted_too_often(self, limit: int) -> bool:
        if self.job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        return restarts(self.pods) >= max(limit, 1)

    def seconds_left(self) -> float | None:
        """Simulated seconds to the deadline; None without one, or while nothing runs against it."""
        allowed, since = self.job["spec"].get("activeDeadlineSeconds"), self.status.fields.get("startTime")
        if allowed is None or since is None or self.suspended:
            return None
        if self.started_at is not None:
            return float(allowed - (self.clock.monotonic() - self.started_at))
        return float(allowed - self.clock.simulated_seconds(self.clock.now() - parse_time(since)))

    def is_complete(self, active: int) -> bool:
        """Whether enough pods have succeeded and none is left running."""
        enough = self.succeeded > 0 if self.completions is None else self.succeeded >= self.completions
        return enough and active == 0

    def wanted_active(self) -> int:
        """How many pods should run now."""
        parallelism: int = self.job["spec"].get("parallelism", 1)
        if self.completions is None:
            return len(self.active) if self.succeeded > 0 else parallelism
        return max(0, min(self.completions - self.succeeded, parallelism))

    def taken_indexes(self) -> set[int]:
        """Indexes that need no new pod."""
        working = list(self.active)
        if replaces_only_failed(self.job):
            working += [pod for pod in self.pods if is_deleting(pod) and not is_terminal(pod)]
        return self.done | self.lost | {index for pod in working if (index := index_of(pod)) is not None}

    def waiting_for_replacement(self) -> dict[int, Object]:
        """By index, the last failed pod, whose failure count its replacement takes over (backoffLimitPerIndex)."""
        if not self.per_index:
            return {}
        settled = self.done | self.lost | {index_of(pod) for pod in self.active}
        found: dict[int, Object] = {}
        for pod in sorted(self.pods, key=lambda item: item["metadata"]["creationTimestamp"]):
            index = index_of(pod)
            if index is not None and index not in settled and is_tracked(pod) and has_failed(self.job, pod):
                found[index] = pod
        return found

    def write_down(self, outcome: Outcome | None) -> list[str]:
        """Note the pods that had ended when this look began; the uids of those whose finalizer may go then."""
        kept = {_uid(pod) for pod in self.waiting_for_replacement().values()}
        releasable = []
        for pod in self.pods:
            if not is_tracked(pod) or not self._may_release(pod, outcome, kept):
                continue
            if len(self.status.uncounted["succeeded"]) + len(self.status.uncounted["failed"]) >= _MOST_UNCOUNTED:
                break
            releasable.append(_uid(pod))
            self._note(pod, outcome)
        if self.indexed:
            self.status.fields["succeeded"] = len(self.done)
            self.status.fields["completedIndexes"] = render(self.done)
            if not self.done:
                self.status.fields.pop("completedIndexes")
            if self.per_index:
                self.status.fields["failedIndexes"] = render(self.lost)
        return releasable

    def _may_release(self, pod: Object, outcome: Outcome | None, kept: set[str]) -> bool:
        if is_deleting(self.job) or outcome is not None or pod.get("status", {}).get("phase") == "Succeeded":
            return True
        return has_failed(self.job, pod) and _uid(pod) not in kept

    def _note(self, pod: Object, outcome: Outcome | None) -> None:
        if self.status.known(_uid(pod)) or not self._valid(pod):
            return
        if pod.get("status", {}).get("phase") == "Succeeded":
            if not self.indexed:
                self.status.uncounted["succeeded"].append(_uid(pod))
            return
        failing = outcome is not None and outcome.type == "FailureTarget"
        if (failing or has_failed(self.job, pod)) and judge(self.job, pod).counts:
            self.status.uncounted["failed"].append(_uid(pod))


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])
