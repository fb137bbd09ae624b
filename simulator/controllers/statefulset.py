"""StatefulSet → pods with names and claims of their own, one after the other.

The order of steps is that of pkg/controller/statefulset/stateful_set_control.go in Kubernetes v1.36. One of them
surprises: an ordered set does not touch a pod that is not ready, so one whose new revision is broken stays
broken until somebody deletes that pod, even after the template has been put right.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.history import History, template_of
from simulator.controllers.pod_control import PodControl
from simulator.controllers.pods import is_ready, is_terminal, seconds_until_available
from simulator.controllers.statefulset_pods import (
    Members,
    has_identity,
    members,
    new_member,
    ordinal_of,
    ordinals,
    revision_of_pod,
)
from simulator.controllers.statefulset_writes import StatefulSetWrites
from simulator.controllers.workload_kinds import CLAIMS, CONTROLLER_REVISIONS, STATEFUL_SETS
from simulator.event_recorder import EventSource
from simulator.informer import Object
from simulator.resources import PODS

_SOURCE = EventSource("statefulset-controller")


class StatefulSetController(Controller):
    """StatefulSet → Pods, PersistentVolumeClaims and ControllerRevisions."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._sets = self.caches.of(STATEFUL_SETS)
        self._pods = self.caches.of(PODS)
        self.caches.of(CLAIMS)
        self.caches.of(CONTROLLER_REVISIONS)
        self._control = PodControl(context, _SOURCE)
        self._writes = StatefulSetWrites(context)
        self._history = History(context)
        self.watch_own(self._sets)
        self.watch_owned(self._pods, "StatefulSet")
        self.watch_orphans(self._pods, self._sets)

    async def reconcile(self, namespace: str, name: str) -> None:
        """One look: revisions, at most one step in order, then the status and the history."""
        stateful_set = self._sets.get(namespace, name)
        if stateful_set is None:
            return
        claimed = await self._control.claim(stateful_set, takes=lambda pod: ordinal_of(stateful_set, pod) >= 0)
        update, collisions = await self._history.for_template(stateful_set)
        current = self._current_revision(stateful_set, update)
        step = _Step(self, stateful_set, current, update)
        failure: ApiError | None = None
        if not is_deleting(stateful_set):
            try:
                await step.take(members(stateful_set, claimed))
            except ApiError as error:
                failure = error
        await self._report(stateful_set, current, update, collisions)
        live = {revision_of_pod(pod) for pod in self._control.owned_by(stateful_set)}
        await self._history.truncate(stateful_set, live | {_name(current), _name(update)})
        if failure is not None:
            raise failure

    def _current_revision(self, stateful_set: Object, update: Object) -> Object:
        wanted = (stateful_set.get("status") or {}).get("currentRevision")
        known = self._history.of(stateful_set)
        return next((item for item in known if _name(item) == wanted), update)

    def available(self, stateful_set: Object, pod: Object) -> bool:
        """Whether a pod has been ready long enough and stays."""
        wait = seconds_until_available(pod, stateful_set["spec"].get("minReadySeconds", 0), self.clock)
        if wait:
            metadata = stateful_set["metadata"]
            self.queue.add_after((metadata["namespace"], metadata["name"]), wait)
        return wait == 0

    @property
    def writes(self) -> StatefulSetWrites:
        """How pods and claims are written."""
        return self._writes

    async def _report(self, stateful_set: Object, current: Object, update: Object, collisions: int) -> None:
        status = self._status(stateful_set, current, update, collisions)
        before = stateful_set.get("status") or {}
        if {**before, "collisionCount": collisions} != status:
            await self.update_status(STATEFUL_SETS, stateful_set, status)

    def _status(self, stateful_set: Object, current: Object, update: Object, collisions: int) -> dict[str, Any]:
        pods = self._control.owned_by(stateful_set)
        present = [pod for pod in pods if ordinal_of(stateful_set, pod) >= 0]
        staying = [revision_of_pod(pod) for pod in present if not is_deleting(pod)]
        running = [pod for pod in present if pod.get("status", {}).get("phase") == "Running" and is_ready(pod)]
        counts = {
            "readyReplicas": len(running),
            "currentReplicas": staying.count(_name(current)),
            "updatedReplicas": staying.count(_name(update)),
        }
        current_name, wanted = _name(current), stateful_set["spec"].get("replicas", 1)
        rolling = stateful_set["spec"].get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate"
        if rolling and [counts["updatedReplicas"], len(running), len(present)] == [wanted] * 3:
            counts["currentReplicas"], current_name = counts["updatedReplicas"], _name(update)
        status: dict[str, Any] = {
            "observedGeneration": stateful_set["metadata"].get("generation", 0),
            "replicas": len(present),
            **{key: value for key, value in counts.items() if value},
            "currentRevision": current_name,
            "updateRevision": _name(update),
            "collisionCount": collisions,
            "availableReplicas": sum(self.available(stateful_set, pod) for pod in running),
        }
        return status


class _Step:
    """One pass over the pods in their order; in an ordered set it ends at the first that has to be waited for."""

    def __init__(self, controller: StatefulSetController, owner: Object, current: Object, update: Object) -> None:
        self._controller = controller
        self._writes = controller.writes
        self._owner = owner
        self._current = current
        self._update = update
        self._ordered = owner["spec"].get("podManagementPolicy", "OrderedReady") != "Parallel"

    async def take(self, found: Members) -> None:
        """Create and keep what is wanted, then delete what is beyond, then update one pod."""
        pods: list[Object | None] = [found.wanted.get(ordinal) for ordinal in ordinals(self._owner)]
        for position, ordinal in enumerate(ordinals(self._owner)):
            pods[position], blocked = await self._keep(found.wanted.get(ordinal), ordinal)
            if blocked and self._ordered:
                return
        for pod in found.condemned:
            await self._writes.own_claims(self._owner, pod)
        if await self._scale_down([pod for pod in pods if pod is not None], found.condemned):
            return
        await self._roll(pods)

    async def _keep(self, pod: Object | None, ordinal: int) -> tuple[Object | None, bool]:
        """The pod as it is afterwards, and whether an ordered set has to wait for it."""
        if pod is None:
            new = self._new_pod(ordinal)
            if self._writes.waits_for_claim(self._owner, new):
                return None, True
            return await self._writes.create(self._owner, new), True
        if is_terminal(pod):
            if not is_deleting(pod):
                await self._writes.delete(self._owner, pod)
            return pod, True
        if pod.get("status", {}).get("phase") == "Pending":
            await self._writes.create_claims(self._owner, pod)
        if self._ordered and not self._is_well(pod):
            return pod, True
        await self._writes.own_claims(self._owner, pod)
        if not has_identity(self._owner, pod):
            labels = self._new_pod(ordinal)["metadata"]["labels"] | {"controller-revision-hash": revision_of_pod(pod)}
            await self._writes.relabel(self._owner, pod, labels)
        return pod, False

    async def _scale_down(self, kept: list[Object], condemned: list[Object]) -> bool:
        """Delete from the highest ordinal down; in an ordered set one at a time. True when it goes no further."""
        unwell = [pod for pod in [*kept, *reversed(condemned)] if not self._is_well(pod)]
        for pod in condemned:
            if is_deleting(pod):
                if self._ordered:
                    return True
                continue
            if self._ordered and not self._is_well(pod) and pod is not unwell[0]:
                return True
            await self._writes.delete(self._owner, pod)
            if self._ordered:
                return True
        return False

    async def _roll(self, pods: list[Object | None]) -> None:
        """Delete the highest pod of another revision, unless a higher one is still being waited for."""
        strategy = self._owner["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        lowest = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        for position in range(len(pods) - 1, lowest - 1, -1):
            pod = pods[position]
            if pod is None:
                return
            if revision_of_pod(pod) != _name(self._update) and not is_deleting(pod):
                await self._writes.delete(self._owner, pod)
                return
            if not self._is_well(pod):
                return

    def _is_well(self, pod: Object) -> bool:
        running = pod.get("status", {}).get("phase") == "Running"
        return running and not is_deleting(pod) and self._controller.available(self._owner, pod)

    def _new_pod(self, ordinal: int) -> Object:
        chosen = self._current if self._keeps_current(ordinal) else self._update
        return new_member(self._owner, ordinal, template=template_of(chosen), revision=_name(chosen))

    def _keeps_current(self, ordinal: int) -> bool:
        """Whether a new pod of this ordinal is still made from the old revision."""
        strategy = self._owner["spec"].get("updateStrategy") or {}
        start = ordinals(self._owner).start
        rolling = strategy.get("rollingUpdate")
        if rolling is not None:
            return bool(ordinal < start + rolling.get("partition", 0))
        replicas = (self._owner.get("status") or {}).get("currentReplicas", 0)
        return bool(strategy.get("type") == "RollingUpdate" and ordinal < start + replicas)


def _name(revision: Object) -> str:
    return str(revision["metadata"]["name"])
