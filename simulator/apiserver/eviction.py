"""The eviction subresource: a deletion that asks the pod's disruption budget first.

As `pkg/registry/core/pod/storage/eviction.go` of Kubernetes v1.36: a budget that allows no disruption answers
429 with the cause DisruptionBudget, one that does counts one less and remembers the pod until its controller
has seen it go.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulator.apiserver import status_errors
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.kind import Kind
from simulator.apiserver.kinds import POD, find
from simulator.apiserver.objects import Object, at, copy_of, items_at, metadata, name_of, timestamp
from simulator.apiserver.resources import Resources
from simulator.apiserver.selectors import LabelSelector
from simulator.apiserver.store import Store
from simulator.apiserver.wire_form import decode

_EVICTION = Kind("policy", "v1", "Eviction", "evictions")
_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_PROCESSING_SECONDS = 10


class Evictions:
    """Raises StatusError 400, 404, 409, 429 or 500."""

    def __init__(self, store: Store, resources: Resources, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._resources = resources
        self._now = now

    async def evict(self, call: Call) -> Answer:
        body = decode(_EVICTION, call.body, call.content_type)
        if name_of(body) not in ("", call.target.name):
            raise status_errors.bad_request("name in URL does not match name in Eviction object")
        pod = self._resources.get(POD, call.target.namespace, call.target.name)
        options = DeleteOptions.read(body.get("deleteOptions"), call.query)
        budget = None if _harms_nobody(pod) else self._budget(pod)
        if budget is not None and not _is_free(pod, budget):
            self._take(pod, budget, dry_run=options.dry_run or call.dry_run)
        self._resources.delete(POD, pod, options)
        return Answer.of({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    def _budget(self, pod: Object) -> Object | None:
        """The budget that selects the pod."""
        labels = metadata(pod).get("labels")
        chosen = []
        for _, stored in self._store.of(_budgets()).entries(metadata(pod)["namespace"]):
            selector = at(stored.body, "spec.selector")
            if selector is not None and LabelSelector.of_object(selector).matches(labels):
                chosen.append(stored.body)
        if len(chosen) > 1:
            raise status_errors.StatusError(500, "", _SEVERAL)
        return chosen[0] if chosen else None

    def _take(self, pod: Object, budget: Object, *, dry_run: bool) -> None:
        """One disruption less. Raises StatusError 429."""
        status, name = budget.get("status") or {}, name_of(budget)
        if status.get("observedGeneration", 0) < metadata(budget).get("generation", 0):
            why = f"The disruption budget {name} is still being processed by the server."
            raise _too_many(why, _PROCESSING_SECONDS)
        allowed = status.get("disruptionsAllowed", 0)
        if allowed <= 0:
            wanted, found = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
            raise _too_many(f"The disruption budget {name} needs {wanted} healthy pods and has {found} currently", 0)
        if dry_run:
            return
        new = copy_of(budget)
        left = new["status"]
        left["disruptionsAllowed"] = allowed - 1
        left["disruptedPods"] = (left.get("disruptedPods") or {}) | {name_of(pod): timestamp(self._now())}
        for condition in left.get("conditions") or ():
            if condition.get("type") == "DisruptionAllowed" and allowed == 1:
                changed = {
                    "status": "False",
                    "reason": "InsufficientPods",
                    "lastTransitionTime": timestamp(self._now()),
                }
                condition.update(changed)
        self._resources.replace_unchecked(_budgets(), new, dry_run=False)


def _budgets() -> Kind:
    kind = find("policy", "v1", "poddisruptionbudgets")
    if kind is None:
        raise LookupError("poddisruptionbudgets are not served")
    return kind


def _harms_nobody(pod: Object) -> bool:
    return at(pod, "status.phase") in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in metadata(pod)


def _is_free(pod: Object, budget: Object) -> bool:
    """A pod that is not ready is no loss: always by one policy, by the other while the budget is kept."""
    if any(one.get("type") == "Ready" and one.get("status") == "True" for one in items_at(pod, "status.conditions")):
        return False
    if at(budget, "spec.unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    wanted, found = at(budget, "status.desiredHealthy") or 0, at(budget, "status.currentHealthy") or 0
    return bool(found >= wanted > 0)


def _too_many(why: str, seconds: int) -> status_errors.StatusError:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if seconds:
        details["retryAfterSeconds"] = seconds
    headers = {"Retry-After": str(seconds)} if seconds else {}
    return status_errors.StatusError(429, "TooManyRequests", _REFUSAL, details=details, headers=headers)
