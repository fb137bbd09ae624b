"""The HorizontalPodAutoscaler controller: every 15 s it asks the metrics API and sets the scale of its target.

After pkg/controller/podautoscaler/horizontal.go in Kubernetes v1.36, with its conditions, events and limits; what
`spec.behavior` states is followed in `behavior`. Metrics of pods, objects and the outside world fail as they do in a
cluster without an adapter.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiError, Resource
from simulator.autoscaling.behavior import (
    LONGEST_PERIOD_SECONDS,
    WITHIN_RANGE,
    Behavior,
    Moment,
    behavior_of,
    limited,
    stabilized,
)
from simulator.autoscaling.metrics import MetricsError, pod_usage
from simulator.autoscaling.replicas import propose
from simulator.autoscaling.wording import (
    FAILED_REASONS,
    current_value,
    metric_name,
    no_adapter,
    prefix_of,
    target_of,
)
from simulator.controllers.controller import Controller, ControllerContext
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, ObjectKey, key_of
from simulator.resources import PODS

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
_SOURCE = EventSource("horizontal-pod-autoscaler")
_SYNC_SECONDS = 15.0
_STABILIZATION_SECONDS = 300.0
_LONGEST_WINDOW_SECONDS = 3600.0
_CONFLICTS = 4
"""How often a scale that somebody else has changed meanwhile is read again."""
_FAILED_SCALE = "the HPA controller was unable to get the target's current scale: "
_GOT_SCALE = "the HPA controller was able to get the target's current scale"


@dataclass
class _Round:
    """One look at one autoscaler: what its status becomes."""

    autoscaler: Object
    scale: Object
    conditions: list[dict[str, Any]]
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def current(self) -> int:
        return int((self.scale.get("spec") or {}).get("replicas", 0))

    @property
    def bounds(self) -> tuple[int, int]:
        spec = self.autoscaler["spec"]
        return int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])


class HorizontalPodAutoscalers(Controller):
    """Remembers what it recommended lately, so that it does not scale down on a short lull."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._autoscalers = self.caches.of(AUTOSCALERS)
        self._recommended: dict[ObjectKey, list[Moment]] = {}
        self._rescaled: dict[ObjectKey, list[Moment]] = {}
        self._selected: dict[ObjectKey, frozenset[str]] = {}
        """The pods that each autoscaler has found to be its own."""
        self._autoscalers.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._recommended.pop(key_of(old), None)
            self._rescaled.pop(key_of(old), None)
            self._selected.pop(key_of(old), None)
        elif new is not None and (old is None or old["spec"] != new["spec"]):
            self.queue.add(key_of(new))

    async def reconcile(self, namespace: str, name: str) -> None:
        autoscaler = self._autoscalers.get(namespace, name)
        if autoscaler is None:
            return
        self.queue.add_after((namespace, name), _SYNC_SECONDS)
        conditions = [dict(item) for item in (autoscaler.get("status") or {}).get("conditions") or ()]
        look = _Round(autoscaler, {}, conditions)
        try:
            look.scale = await self._scale(autoscaler)
        except ApiError as error:
            self._warn(autoscaler, "FailedGetScale", error.message)
            self._set(look, "AbleToScale", False, "FailedGetScale", _FAILED_SCALE + error.message)
            await self._write(look, None, rescaled=False)
            return
        self._set(look, "AbleToScale", True, "SucceededGetScale", _GOT_SCALE)
        history = self._recommended.setdefault((namespace, name), [])
        if not history:
            history.append((self.clock.monotonic(), look.current))
        await self._decide(look)

    async def _decide(self, look: _Round) -> None:
        least, most = look.bounds
        current = look.current
        wanted, reason = current, ""
        if current == 0 and least != 0:
            said = "scaling is disabled since the replica count of the target is zero"
            self._set(look, "ScalingActive", False, "ScalingDisabled", said)
        elif current > most:
            wanted, reason = most, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            wanted, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            try:
                proposed, metric = await self._proposed(look)
            except MetricsError as error:
                self._warn(look.autoscaler, "FailedComputeMetricsReplicas", str(error))
                await self._write(look, None, rescaled=False)
                return
            reason = f"{metric} above target" if proposed > current else "All metrics below target"
            wanted = self._normalized(look, proposed)
        rescaled = wanted != current and await self._rescale(look, wanted, reason)
        await self._write(look, wanted if rescaled or wanted == current else None, rescaled=rescaled)

    async def _proposed(self, look: _Round) -> tuple[int, str]:
        """The most that a metric calls for, and which one that is. Raises MetricsError."""
        selector = (look.scale.get("status") or {}).get("selector") or ""
        pods = await self._selected_pods(look, selector)
        found: list[tuple[int, str]] = []
        failed: list[tuple[str, str, str]] = []
        metrics = look.autoscaler["spec"].get("metrics") or []
        look.metrics = [{"type": ""} for _ in metrics]
        for index, metric in enumerate(metrics):
            try:
                proposal, look.metrics[index] = await self._of_metric(look, metric, selector, pods)
                found.append(proposal)
            except MetricsError as error:
                failed.append((FAILED_REASONS[metric["type"]], str(error), prefix_of(metric)))
        best = max(found, key=lambda item: item[0], default=(0, ""))
        for reason, why, _ in failed:
            self._warn(look.autoscaler, reason, why)
        if failed and (not found or best[0] < look.current):
            reason, why, prefix = failed[0]
            said = f"the HPA was unable to compute the replica count: {why}"
            self._set(look, "ScalingActive", False, reason, said)
            count = f"{len(failed)} invalid out of {len(metrics)}"
            raise MetricsError(f"invalid metrics ({count}), first error is: {prefix}: {why}")
        said = f"the HPA was able to successfully calculate a replica count from {best[1]}"
        self._set(look, "ScalingActive", True, "ValidMetricFound", said)
        return best

    async def _selected_pods(self, look: _Round, selector: str) -> list[Object]:
        """Raises MetricsError when there is no selector, or another autoscaler has the same pods."""
        if not selector:
            self._warn(look.autoscaler, "SelectorRequired", "selector is required")
            said = "the HPA target's scale is missing a selector"
            self._set(look, "ScalingActive", False, "InvalidSelector", said)
            raise MetricsError("selector is required")
        key = key_of(look.autoscaler)
        namespace = key[0]
        pods: list[Object] = (await self.client.list(PODS, namespace, label_selector=selector))["items"]
        own = self._selected[key] = frozenset(pod["metadata"]["uid"] for pod in pods)
        rivals = [other for other, theirs in self._selected.items() if other[0] == namespace and own & theirs]
        if len(rivals) > 1:
            listed = " ".join(f"{namespace}/{name}" for _, name in sorted(rivals))
            said = f"pods by selector {selector} are controlled by multiple HPAs: [{listed}]"
            self._warn(look.autoscaler, "AmbiguousSelector", said)
            self._set(look, "ScalingActive", False, "AmbiguousSelector", said)
            raise MetricsError(said)
        return pods

    async def _of_metric(
        self, look: _Round, metric: dict[str, Any], selector: str, pods: list[Object]
    ) -> tuple[tuple[int, str], dict[str, Any]]:
        """The count that one metric calls for with its name, and its status."""
        source = {"Resource": "resource", "ContainerResource": "containerResource"}.get(metric["type"])
        if source is None:
            raise MetricsError(no_adapter(metric, look.autoscaler["metadata"]["namespace"]))
        stated = metric[source]
        target = target_of(stated)
        kind = "usage" if target.utilization is None else "utilization"
        namespace = look.autoscaler["metadata"]["namespace"]
        try:
            usages = await pod_usage(self.client, namespace, selector, target.resource, target.container)
            proposal = propose(pods, usages, target, look.current, self.clock)
        except MetricsError as error:
            raise MetricsError(f"failed to get {target.resource} {kind}: {error}") from error
        named = {key: stated[key] for key in ("name", "container") if key in stated}
        status = {"type": metric["type"], source: named | {"current": current_value(target, proposal)}}
        return (proposal.replicas, metric_name(target)), status

    def _normalized(self, look: _Round, proposed: int) -> int:
        """Not down on a short lull, not up too fast, not beyond the bounds."""
        behavior = behavior_of(look.autoscaler["spec"])
        if behavior is not None:
            return self._behaved(look, proposed, behavior)
        least, most = look.bounds
        stable = self._stabilized(look, proposed)
        if stable != proposed:
            said = "recent recommendations were higher than current one, applying the highest recent recommendation"
            self._set(look, "AbleToScale", True, "ScaleDownStabilized", said)
        else:
            self._set(look, "AbleToScale", True, "ReadyForNewScale", "recommended size matches current size")
        ceiling = max(2 * look.current, 4)
        allowed, reason, said = stable, "DesiredWithinRange", "the desired count is within the acceptable range"
        if stable < least:
            allowed, reason = least, "TooFewReplicas"
            said = "the desired replica count is less than the minimum replica count"
        elif stable > min(most, ceiling):
            allowed, reason = min(most, ceiling), "ScaleUpLimit" if most > ceiling else "TooManyReplicas"
            said = "the desired replica count is more than the maximum replica count"
            if most > ceiling:
                said = "the desired replica count is increasing faster than the maximum scale rate"
        self._set(look, "ScalingLimited", allowed != stable, reason, said)
        return allowed

    def _behaved(self, look: _Round, proposed: int, behavior: Behavior) -> int:
        """As the rules of the spec allow."""
        now, key, current = self.clock.monotonic(), key_of(look.autoscaler), look.current
        held = stabilized(proposed, current, self._remembered(key, proposed, now), now=now, behavior=behavior)
        self._set(look, "AbleToScale", True, held.reason, held.message)
        changes = self._rescaled.get(key, [])
        allowed = limited(held.replicas, current, look.bounds, changes, now=now, behavior=behavior)
        self._set(look, "ScalingLimited", allowed.reason != WITHIN_RANGE, allowed.reason, allowed.message)
        return allowed.replicas

    def _stabilized(self, look: _Round, proposed: int) -> int:
        now = self.clock.monotonic()
        recent = self._remembered(key_of(look.autoscaler), proposed, now)
        return max([proposed, *(count for at, count in recent if at >= now - _STABILIZATION_SECONDS)])

    def _remembered(self, key: ObjectKey, proposed: int, now: float) -> list[Moment]:
        """What was recommended before; from now on `proposed` too."""
        recent = [item for item in self._recommended.get(key, []) if item[0] >= now - _LONGEST_WINDOW_SECONDS]
        self._recommended[key] = [*recent, (now, proposed)]
        return recent

    async def _scale(self, autoscaler: Object) -> Object:
        return await self.client.request("GET", await self._scale_path(autoscaler))

    async def _scale_path(self, autoscaler: Object) -> str:
        """Raises ApiError for a kind that is not served."""
        target = autoscaler["spec"]["scaleTargetRef"]
        group, _, _ = target.get("apiVersion", "").rpartition("/")
        resource = await self.discovery.find(target.get("apiVersion", ""), target["kind"])
        if resource is None:
            shown = f"{target['kind']}.{group}" if group else target["kind"]
            raise ApiError(404, "NotFound", f'no matches for kind "{target["kind"]}" in group "{group or shown}"')
        return resource.path(autoscaler["metadata"]["namespace"], target["name"], "scale")

    async def _rescale(self, look: _Round, wanted: int, reason: str) -> bool:
        try:
            await self._put_scale(look, wanted)
        except ApiError as error:
            why = error.message
            self._warn(look.autoscaler, "FailedRescale", f"New size: {wanted}; reason: {reason}; error: {why}")
            said = f"the HPA controller was unable to update the target scale: {why}"
            self._set(look, "AbleToScale", False, "FailedUpdateScale", said)
            return False
        now, key = self.clock.monotonic(), key_of(look.autoscaler)
        before = [item for item in self._rescaled.get(key, []) if item[0] > now - LONGEST_PERIOD_SECONDS]
        self._rescaled[key] = [*before, (now, wanted - look.current)]
        said = f"the HPA controller was able to update the target scale to {wanted}"
        self._set(look, "AbleToScale", True, "SucceededRescale", said)
        told = f"New size: {wanted}; reason: {reason}"
        self.recorder.normal(_SOURCE, reference_to(look.autoscaler), "SuccessfulRescale", told)
        return True

    async def _put_scale(self, look: _Round, wanted: int) -> None:
        path = await self._scale_path(look.autoscaler)
        for _ in range(_CONFLICTS):
            try:
                await self.client.request("PUT", path, body=look.scale | {"spec": {"replicas": wanted}})
            except ApiError as error:
                if error.code != 409:
                    raise
                look.scale = await self.client.request("GET", path)
            else:
                return
        await self.client.request("PUT", path, body=look.scale | {"spec": {"replicas": wanted}})

    async def _write(self, look: _Round, wanted: int | None, *, rescaled: bool) -> None:
        old = look.autoscaler.get("status") or {}
        status = {
            **old,
            "conditions": look.conditions,
            "currentMetrics": look.metrics or None,
            "desiredReplicas": old.get("desiredReplicas", 0) if wanted is None else wanted,
        }
        if look.scale:
            status["currentReplicas"] = look.current
        if rescaled:
            status["lastScaleTime"] = self.clock.timestamp()
        if status != old:
            await self.update_status(AUTOSCALERS, look.autoscaler, status)

    def _set(self, look: _Round, kind: str, is_true: bool, reason: str, message: str) -> None:
        status = "True" if is_true else "False"
        old = next((item for item in look.conditions if item["type"] == kind), None)
        condition = old if old is not None else {"type": kind, "status": ""}
        if condition["status"] != status:
            condition["lastTransitionTime"] = self.clock.timestamp()
        condition.update(status=status, reason=reason, message=message)
        if old is None:
            look.conditions.append(condition)

    def _warn(self, autoscaler: Object, reason: str, message: str) -> None:
        self.recorder.warning(_SOURCE, reference_to(autoscaler), reason, message)
