"""DaemonSet → one pod on every node that fits, replaced node by node when the template changes.

After pkg/controller/daemon in Kubernetes v1.36; ``daemon_placement`` knows the nodes, ``daemon_rollout`` decides.
"""

from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.daemon_placement import HASH_LABEL, daemon_pod, is_updated, node_of, should_run
from simulator.controllers.daemon_rollout import Plan, View, by_age, manage, roll
from simulator.controllers.history import History
from simulator.controllers.pod_control import PodControl
from simulator.controllers.pods import is_ready, is_terminal, seconds_until_available
from simulator.controllers.workload_kinds import CONTROLLER_REVISIONS, DAEMON_SETS
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, key_of
from simulator.resources import NODES, PODS

_SOURCE = EventSource("daemonset-controller")
_BURST = 250
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 900.0


class DaemonSetController(Controller):
    """DaemonSet → Pods and ControllerRevisions."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._sets = self.caches.of(DAEMON_SETS)
        self._nodes = self.caches.of(NODES)
        self._pods = self.caches.of(PODS)
        self.caches.of(CONTROLLER_REVISIONS)
        self._control = PodControl(context, _SOURCE)
        self._history = History(context, hash_label=HASH_LABEL)
        self._failed: dict[tuple[str, int, str], tuple[float, float]] = {}
        self.watch_own(self._sets)
        self.watch_owned(self._pods, "DaemonSet")
        self.watch_orphans(self._pods, self._sets)
        self._nodes.on_change(self._node_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Put pods where they belong, move a rollout on by one step, then report."""
        daemon_set = self._sets.get(namespace, name)
        if daemon_set is None or is_deleting(daemon_set):
            return
        revision, collisions = await self._history.for_template(daemon_set)
        digest = str(revision["metadata"]["labels"][HASH_LABEL])
        await self._control.claim(daemon_set)
        failure: ApiError | None = None
        try:
            await self._step(daemon_set, digest)
        except ApiError as error:
            failure = error
        await self._report(daemon_set, digest, collisions)
        live = {(pod["metadata"].get("labels") or {}).get(HASH_LABEL) for pod in self._control.owned_by(daemon_set)}
        known = self._history.of(daemon_set)
        names = {item["metadata"]["name"] for item in known if item["metadata"]["labels"].get(HASH_LABEL) in live}
        await self._history.truncate(daemon_set, names | {revision["metadata"]["name"]})
        if failure is not None:
            raise failure

    async def _step(self, daemon_set: Object, digest: str) -> None:
        plan = manage(self._look(daemon_set, digest))
        plan.delete += [pod for pod in plan.ended if self._may_replace(daemon_set, pod)]
        await self._carry_out(daemon_set, plan, digest)
        if daemon_set["spec"].get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate":
            await self._carry_out(daemon_set, roll(self._look(daemon_set, digest)), digest)

    async def _carry_out(self, daemon_set: Object, plan: Plan, digest: str) -> None:
        bodies = [daemon_pod(daemon_set, node, digest) for node in plan.create[:_BURST]]
        failure: ApiError | None = None
        try:
            await self._control.create_all(daemon_set, bodies)
        except ApiError as error:
            failure = error
        for pod in plan.delete[:_BURST]:
            await self._control.delete(daemon_set, pod)
        if failure is not None:
            raise failure

    def _look(self, daemon_set: Object, digest: str) -> View:
        pods: dict[str, list[Object]] = {}
        for pod in self._control.owned_by(daemon_set):
            if not (is_terminal(pod) and is_deleting(pod)) and node_of(pod):
                pods.setdefault(node_of(pod), []).append(pod)
        nodes = sorted(self._nodes.all(), key=key_of)
        return View(daemon_set, nodes, pods, digest, lambda pod: self._is_available(daemon_set, pod))

    def _is_available(self, daemon_set: Object, pod: Object) -> bool:
        wait = seconds_until_available(pod, daemon_set["spec"].get("minReadySeconds", 0), self.clock)
        if wait:
            self.queue.add_after(key_of(daemon_set), wait)
        return wait == 0

    def _may_replace(self, daemon_set: Object, pod: Object) -> bool:
        """Says so in an event; failed pods of one node are replaced at growing intervals (1 s to 15 min)."""
        metadata = pod["metadata"]
        text = f"daemon pod {metadata['namespace']}/{metadata['name']} on node {node_of(pod)}, will try to"
        if pod["status"]["phase"] == "Succeeded":
            message = f"Found succeeded {text} delete it"
            self.recorder.normal(_SOURCE, reference_to(daemon_set), "SucceededDaemonPod", message)
            return True
        now = self.clock.monotonic()
        key = (
            daemon_set["metadata"]["uid"],
            (daemon_set.get("status") or {}).get("observedGeneration", 0),
            node_of(pod),
        )
        since, pause = self._failed.get(key, (0.0, 0.0))
        if pause and now - since > 2 * _LONGEST_BACKOFF_SECONDS:
            pause = 0.0
        if pause and now - since < pause:
            self.queue.add_after(key_of(daemon_set), pause - (now - since))
            return False
        self._failed[key] = now, min(pause * 2, _LONGEST_BACKOFF_SECONDS) if pause else _FIRST_BACKOFF_SECONDS
        self.recorder.warning(_SOURCE, reference_to(daemon_set), "FailedDaemonPod", f"Found failed {text} kill it")
        return True

    async def _report(self, daemon_set: Object, digest: str, collisions: int) -> None:
        status = self._status(daemon_set, digest)
        if collisions:
            status["collisionCount"] = collisions
        before = daemon_set.get("status") or {}
        if {key: value for key, value in before.items() if key != "conditions"} != status:
            await self.update_status(DAEMON_SETS, daemon_set, status)

    def _status(self, daemon_set: Object, digest: str) -> dict[str, Any]:
        view = self._look(daemon_set, digest)
        desired = [node["metadata"]["name"] for node in view.nodes if should_run(daemon_set, node)[0]]
        running = [by_age(view.pods[name])[0] for name in desired if view.pods.get(name)]
        ready = [pod for pod in running if is_ready(pod)]
        available = sum(view.available(pod) for pod in ready)
        elsewhere = [name for name in view.pods if name not in desired and self._nodes.get("", name) is not None]
        optional = {
            "updatedNumberScheduled": sum(is_updated(daemon_set, pod, digest) for pod in running),
            "numberAvailable": available,
            "numberUnavailable": len(desired) - available,
        }
        return {
            "currentNumberScheduled": len(running),
            "numberMisscheduled": len(elsewhere),
            "desiredNumberScheduled": len(desired),
            "numberReady": len(ready),
            "observedGeneration": daemon_set["metadata"].get("generation", 0),
            **{key: value for key, value in optional.items() if value},
        }

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _placing(old) == _placing(new):
            return
        for daemon_set in self._sets.all():
            self.queue.add(key_of(daemon_set))


def _placing(node: Object) -> tuple[Any, Any]:
    """What decides about daemon pods: labels and taints."""
    return node["metadata"].get("labels"), node.get("spec", {}).get("taints")
