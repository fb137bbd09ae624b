"""The status of a Job while it is worked on: conditions, counters, pods whose end is not counted yet.

A copy of the stored status that a reconcile changes and writes. Pods are counted by way of
``uncountedTerminatedPods``, so that none is counted twice or forgotten when the controller stops in between
(KEP-2307): first its uid is written there, then its finalizer is taken, then it is moved to the counter.
"""

from typing import Any

from simulator.clock import SimClock
from simulator.informer import Object

_ENDS = ("Complete", "Failed")


class JobStatus:
    """``fields`` is the status as it is to be written."""

    def __init__(self, job: Object, clock: SimClock) -> None:
        self._clock = clock
        self.before: dict[str, Any] = job.get("status") or {}
        self.fields: dict[str, Any] = dict(self.before)
        self.conditions: list[dict[str, Any]] = [dict(item) for item in self.before.get("conditions") or ()]
        listed = self.before.get("uncountedTerminatedPods") or {}
        self.uncounted: dict[str, list[str]] = {key: list(listed.get(key) or ()) for key in ("succeeded", "failed")}

    def rendered(self) -> dict[str, Any]:
        """The whole status; counters of zero are left out, as the real controller's are."""
        listed = {key: uids for key, uids in self.uncounted.items() if uids}
        whole = self.fields | {"uncountedTerminatedPods": listed}
        if self.conditions:
            whole["conditions"] = self.conditions
        return {key: value for key, value in whole.items() if value != 0 or key in ("ready", "terminating")}

    def changed(self) -> bool:
        """Whether writing would change anything."""
        return self.rendered() != self.before

    def count(self, field: str) -> int:
        """A counter."""
        return int(self.fields.get(field) or 0)

    def known(self, uid: str) -> bool:
        """Whether a pod's end is already written down."""
        return uid in self.uncounted["succeeded"] or uid in self.uncounted["failed"]

    def settle(self, still_tracked: set[str]) -> None:
        """Count the pods that have lost their finalizer."""
        for key, uids in self.uncounted.items():
            waiting = [uid for uid in uids if uid in still_tracked]
            if len(waiting) < len(uids):
                self.fields[key] = self.count(key) + len(uids) - len(waiting)
                self.uncounted[key] = waiting

    def condition(self, kind: str) -> dict[str, Any] | None:
        """The condition of that type if it is True."""
        return next((item for item in self.conditions if item["type"] == kind and item["status"] == "True"), None)

    def ensure(self, kind: str, status: str, reason: str, message: str) -> bool:
        """Set a condition; one that was never there is not added as False. True when something changed."""
        current = next((item for item in self.conditions if item["type"] == kind), None)
        if current is None and status == "False":
            return False
        if current is not None and [current["status"], current["reason"], current["message"]] == [
            status, reason, message,
        ]:  # fmt: skip
            return False
        now = self._clock.timestamp()
        wanted = {
            "type": kind,
            "status": status,
            "lastProbeTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        if current is None:
            self.conditions.append(wanted)
        else:
            self.conditions[self.conditions.index(current)] = wanted
        return True


def is_finished(job: Object) -> bool:
    """Whether a Job is Complete or Failed."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(item["type"] in _ENDS and item["status"] == "True" for item in conditions)


def ended_at(job: Object) -> str | None:
    """When a finished Job finished."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    ends = (item["lastTransitionTime"] for item in conditions if item["type"] in _ENDS and item["status"] == "True")
    return next(ends, None)
