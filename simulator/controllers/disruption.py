"""The status of PodDisruptionBudgets: how many pods may be evicted now.

After pkg/controller/disruption in Kubernetes v1.36. Percentages are of what the pods' controllers ask for.
"""

from datetime import datetime, timedelta
from typing import Any

from simulator.api_client import ApiError
from simulator.clock import parse_time
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.pods import is_ready
from simulator.controllers.selecting import matches
from simulator.controllers.workload_kinds import DISRUPTION_BUDGETS, STATEFUL_SETS
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, controller_of, key_of
from simulator.resources import DEPLOYMENTS, PODS, REPLICA_SETS

_SOURCE = EventSource("controllermanager")
_ALLOWED = "DisruptionAllowed"
_EVICTION = timedelta(minutes=2)


class DisruptionController(Controller):
    """PodDisruptionBudget → its status."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._budgets = self.caches.of(DISRUPTION_BUDGETS)
        self._pods = self.caches.of(PODS)
        self._sets = self.caches.of(REPLICA_SETS)
        self._scaled = {
            "Deployment": self.caches.of(DEPLOYMENTS),
            "StatefulSet": self.caches.of(STATEFUL_SETS),
        }
        self.watch_own(self._budgets)
        self._pods.on_change(self._pod_changed)
        for informer in (self._sets, *self._scaled.values()):
            informer.on_change(self._scale_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Count and write; a count that cannot be made allows no disruption and says why."""
        budget = self._budgets.get(namespace, name)
        if budget is None:
            return
        pods = self._selected(budget)
        if not pods:
            self.recorder.normal(_SOURCE, reference_to(budget), "NoPods", "No matching pods found")
        try:
            expected, desired, unmanaged = await self._expected(budget, pods)
        except ApiError as error:
            if error.code != 0:
                raise
            message = f"Failed to calculate the number of expected pods: {error.message}"
            self.recorder.warning(_SOURCE, reference_to(budget), "CalculateExpectedPodCountFailed", message)
            await self._fail(budget, error.message)
            return
        if unmanaged:
            self._warn_unmanaged(budget)
        await self._report(budget, pods, expected=expected, desired=desired)

    def _selected(self, budget: Object) -> list[Object]:
        selector = budget["spec"].get("selector")
        pods = self._pods.in_namespace(budget["metadata"]["namespace"])
        return [pod for pod in pods if matches(selector, pod["metadata"].get("labels"))]

    async def _expected(self, budget: Object, pods: list[Object]) -> tuple[int, int, bool]:
        """How many pods there should be, how many of them healthy, and whether some have no controller."""
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            expected, unmanaged = await self._scale(pods)
            return expected, max(0, expected - _scaled(spec["maxUnavailable"], expected)), unmanaged
        wanted = spec.get("minAvailable")
        if isinstance(wanted, str):
            expected, unmanaged = await self._scale(pods)
            return expected, _scaled(wanted, expected), unmanaged
        return len(pods), wanted or 0, False

    async def _scale(self, pods: list[Object]) -> tuple[int, bool]:
        scales: dict[str, int] = {}
        unmanaged = False
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                unmanaged = True
            elif reference["uid"] not in scales:
                uid, replicas = await self._scale_of(pod, reference)
                scales[uid] = replicas
                scales.setdefault(reference["uid"], 0)
        return sum(scales.values()), unmanaged

    async def _scale_of(self, pod: Object, reference: Object) -> tuple[str, int]:
        """The controller that is scaled, and to what; a Deployment rather than its ReplicaSets."""
        namespace = pod["metadata"]["namespace"]
        if reference["kind"] == "ReplicaSet":
            found = self._sets.get(namespace, reference["name"])
            above = controller_of(found) if found is not None else None
            if above is not None and above["kind"] == "Deployment":
                found = self._scaled["Deployment"].get(namespace, above["name"])
        elif reference["kind"] in self._scaled:
            found = self._scaled[reference["kind"]].get(namespace, reference["name"])
        else:
            found = await self._scale_subresource(namespace, reference)
        if found is None:
            raise ApiError(0, "NoController", f'found no controllers for pod "{pod["metadata"]["name"]}"')
        return found["metadata"]["uid"], found["spec"].get("replicas", 1)

    async def _scale_subresource(self, namespace: str, reference: Object) -> Object | None:
        resource = await self.discovery.find(reference["apiVersion"], reference["kind"])
        if resource is None:
            return None
        try:
            path = resource.path(namespace, reference["name"], "scale")
            found = await self.client.request("GET", path)
        except ApiError as error:
            if error.code != 404:
                raise
            known = "jobs.batch" if reference["kind"] == "Job" else f"{resource.plural}.{resource.group}"
            raise ApiError(0, "NoScale", f"{known} does not implement the scale subresource") from error
        return found if found["metadata"]["uid"] == reference["uid"] else None

    async def _report(self, budget: Object, pods: list[Object], *, expected: int, desired: int) -> None:
        now = self.clock.now()
        disrupted = self._disrupted(budget, pods, now)
        healthy = sum(
            is_ready(pod) and not is_deleting(pod) and pod["metadata"]["name"] not in disrupted for pod in pods
        )
        allowed = healthy - desired if expected > 0 and healthy > desired else 0
        generation = budget["metadata"].get("generation", 0)
        reason, status = ("SufficientPods", "True") if allowed else ("InsufficientPods", "False")
        counts: dict[str, Any] = {
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": self._conditions(budget, status=status, reason=reason, message="", generation=generation),
        }
        if disrupted:
            counts["disruptedPods"] = disrupted
        if counts != budget.get("status"):
            await self.update_status(DISRUPTION_BUDGETS, budget, counts)

    async def _fail(self, budget: Object, message: str) -> None:
        status = dict(budget.get("status") or {})
        generation = status.get("observedGeneration", 0)
        status["disruptionsAllowed"] = 0
        status["conditions"] = self._conditions(
            budget, status="False", reason="SyncFailed", message=message, generation=generation
        )
        for field in ("currentHealthy", "desiredHealthy", "expectedPods"):
            status.setdefault(field, 0)
        if status != budget.get("status"):
            await self.update_status(DISRUPTION_BUDGETS, budget, status)

    def _conditions(
        self, budget: Object, *, status: str, reason: str, message: str, generation: int
    ) -> list[dict[str, Any]]:
        present = (budget.get("status") or {}).get("conditions") or []
        before = next((item for item in present if item["type"] == _ALLOWED), None)
        same = before is not None and before["status"] == status
        since = before["lastTransitionTime"] if before is not None and same else self.clock.timestamp()
        wanted: dict[str, Any] = {
            "type": _ALLOWED,
            "status": status,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
        if generation:
            wanted["observedGeneration"] = generation
        return [item for item in present if item["type"] != _ALLOWED] + [wanted]

    def _disrupted(self, budget: Object, pods: list[Object], now: datetime) -> dict[str, str]:
        """The pods that were evicted a moment ago and have not begun to go."""
        noted: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
        found: dict[str, str] = {}
        for pod in pods:
            name = pod["metadata"]["name"]
            if is_deleting(pod) or name not in noted:
                continue
            left = _EVICTION.total_seconds() - self.clock.simulated_seconds(now - parse_time(noted[name]))
            if left > 0:
                found[name] = noted[name]
                self.queue.add_after(key_of(budget), left)
            else:
                namespace = budget["metadata"]["namespace"]
                message = f"Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't"
                self.recorder.warning(_SOURCE, reference_to(pod), "NotDeleted", message)
        return found

    def _warn_unmanaged(self, budget: Object) -> None:
        shown = _go_selector(budget["spec"].get("selector") or {})
        message = (
            f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. As a result, "
            "the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
            'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
        )
        self.recorder.warning(_SOURCE, reference_to(budget), "UnmanagedPods", message)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _health(old) == _health(new):
            return
        pod = new if new is not None else old
        if pod is None:
            return
        fitting = {key_of(budget): budget for item in (old, new) if item is not None for budget in self._over(item)}
        for key in fitting:
            self.queue.add(key)
        over = sorted(budget["metadata"]["name"] for budget in self._over(pod)) if new is not None else []
        if len(over) > 1:
            namespace, name = key_of(pod)
            message = (
                f'Pod "{namespace}"/"{name}" matches multiple PodDisruptionBudgets.  Chose "{over[0]}" arbitrarily.'
            )
            self.recorder.warning(_SOURCE, reference_to(pod), "MultiplePodDisruptionBudgets", message)

    def _over(self, pod: Object) -> list[Object]:
        """The budgets that speak of a pod; unlike the real controller, which takes one, all of them are counted."""
        budgets = self._budgets.in_namespace(pod["metadata"]["namespace"])
        return [item for item in budgets if matches(item["spec"].get("selector"), pod["metadata"].get("labels"))]

    def _scale_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or old["spec"].get("replicas") == new["spec"].get("replicas"):
            return
        for budget in self._budgets.in_namespace(new["metadata"]["namespace"]):
            self.queue.add(key_of(budget))


def _health(pod: Object) -> tuple[Any, ...]:
    return is_ready(pod), is_deleting(pod), pod["metadata"].get("labels"), pod["metadata"].get("ownerReferences")


def _scaled(value: int | str, total: int) -> int:
    if isinstance(value, int):
        return value
    return -(-int(value.removesuffix("%")) * total // 100)


def _go_selector(selector: dict[str, Any]) -> str:
    """A selector as Go prints the struct, which is what the real message carries."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{item['key']},Operator:{item['operator']},"
        f"Values:[{' '.join(item.get('values') or ())}],}},"
        for item in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
