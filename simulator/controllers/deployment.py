"""Deployment → ReplicaSets: rolling updates, recreation, scaling, pausing, the progress deadline.

The order of steps is that of pkg/controller/deployment (deployment_controller.go, sync.go, rolling.go,
recreate.go, progress.go) in Kubernetes v1.36; the arithmetic is in ``rollout_math``, the status in
``deployment_status``, the writes in ``rollout``.
"""

from simulator.controllers.adoption import claim
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.deployment_status import (
    Condition,
    add_progress,
    add_replica_failure,
    calculate,
    has_deadline,
    is_complete,
    seconds_to_deadline,
    set_condition,
)
from simulator.controllers.pods import condition, is_terminal
from simulator.controllers.revisions import DESIRED_REPLICAS, annotations_of, by_age
from simulator.controllers.rollout import SOURCE, Rollout
from simulator.controllers.rollout_math import (
    active,
    healthy_cut,
    is_rolling,
    new_set_size,
    old_set_budget,
    proportional_sizes,
    spec_replicas,
    status_count,
    unhealthy_cut,
)
from simulator.event_recorder import reference_to
from simulator.informer import Object, controller_of
from simulator.resources import DEPLOYMENTS, PODS, REPLICA_SETS


class DeploymentController(Controller):
    """Deployment → ReplicaSet."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._deployments = self.caches.of(DEPLOYMENTS)
        self._sets = self.caches.of(REPLICA_SETS)
        self._pods = self.caches.of(PODS)
        self.watch_own(self._deployments)
        self.watch_owned(self._sets, "Deployment")
        self.watch_orphans(self._sets, self._deployments)
        self._pods.on_change(self._pod_gone)

    async def reconcile(self, namespace: str, name: str) -> None:
        """One look, at most one step of the rollout, then the status."""
        deployment = self._deployments.get(namespace, name)
        if deployment is None:
            return
        if deployment["spec"]["selector"]:
            await claim(self.client, REPLICA_SETS, self._sets, deployment)
        rollout = self._look_at(deployment)
        if not deployment["spec"]["selector"]:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self.recorder.warning(SOURCE, reference_to(deployment), "SelectingAll", message)
        elif is_deleting(deployment):
            await self._report_counts(rollout)
        else:
            await self._step(rollout)

    async def _step(self, rollout: Rollout) -> None:
        await self._note_pause(rollout)
        if await rollout.sync_revision():
            self._again(rollout)
            return
        if rollout.deployment["spec"].get("paused") or self._was_scaled(rollout):
            await self._resize(rollout)
            await self._report_counts(rollout)
            return
        finished = await (self._roll(rollout) if is_rolling(rollout.deployment) else self._recreate(rollout))
        if finished and is_complete(rollout.deployment, rollout.deployment.get("status", {})):
            await rollout.drop_history()
        await self._report_rollout(rollout)

    async def _roll(self, rollout: Rollout) -> bool:
        """Scale up if there is room, else down if there is enough; False when either happened."""
        if rollout.new is None:
            await rollout.create_new()
        new = rollout.new
        if new is None:
            return False
        size, wanted = new["spec"]["replicas"], rollout.deployment["spec"]["replicas"]
        target = wanted if size > wanted else new_set_size(rollout.deployment, rollout.all, size)
        if size != wanted and await rollout.scale(new, target):
            return False
        return not await self._shrink_old(rollout)

    async def _shrink_old(self, rollout: Rollout) -> bool:
        new = rollout.new
        old = active(rollout.old)
        if new is None or not old:
            return False
        budget = old_set_budget(rollout.deployment, old, new)
        if budget <= 0:
            return False
        cleaned = await rollout.scale_all(unhealthy_cut(old, budget))
        healthy = healthy_cut(rollout.deployment, active(rollout.old), new)
        return await rollout.scale_all(healthy) or cleaned

    async def _recreate(self, rollout: Rollout) -> bool:
        """Everything old goes before anything new comes; False while that is so."""
        old = active(rollout.old)
        if await rollout.scale_all({item["metadata"]["name"]: 0 for item in old}):
            return False
        if self._old_pods_run(rollout):
            return False
        if rollout.new is None:
            await rollout.create_new()
        if rollout.new is not None:
            await rollout.scale(rollout.new, rollout.deployment["spec"]["replicas"])
        return True

    async def _resize(self, rollout: Rollout) -> None:
        """Follow a change of ``replicas``, in proportion when a rollout is under way; as ``scale``."""
        deployment, wanted = rollout.deployment, rollout.deployment["spec"]["replicas"]
        current = active(rollout.all)
        if len(current) <= 1:
            newest = [rollout.new] if rollout.new is not None else by_age(rollout.old)[-1:]
            for item in current or newest:
                await rollout.scale(item, wanted)
        elif self._is_saturated(rollout):
            await rollout.scale_all({item["metadata"]["name"]: 0 for item in active(rollout.old)})
        elif is_rolling(deployment):
            await rollout.scale_all(proportional_sizes(deployment, current), force=True)
        if deployment["spec"].get("paused"):
            await rollout.drop_history()

    async def _report_counts(self, rollout: Rollout) -> None:
        status = calculate(rollout.deployment, rollout.old, rollout.new, self.clock.timestamp())
        if status != rollout.deployment.get("status"):
            await rollout.write_status(status)

    async def _report_rollout(self, rollout: Rollout) -> None:
        status = calculate(rollout.deployment, rollout.old, rollout.new, self.clock.timestamp())
        add_progress(rollout.deployment, status, new=rollout.new, clock=self.clock)
        add_replica_failure(status, rollout.old, rollout.new)
        if status != rollout.deployment.get("status"):
            await rollout.write_status(status)
        elif self._may_time_out(rollout.deployment):
            left = seconds_to_deadline(rollout.deployment, self.clock)
            self.queue.add_after(self._key(rollout), max(left, 0.0) + 1.0)

    async def _note_pause(self, rollout: Rollout) -> None:
        deployment = rollout.deployment
        progress = condition(deployment, "Progressing")
        reason = progress["reason"] if progress is not None else ""
        paused = bool(deployment["spec"].get("paused"))
        known = reason == "DeploymentPaused"
        if not has_deadline(deployment) or reason == "ProgressDeadlineExceeded" or paused == known:
            return
        wanted = (
            Condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
            if paused
            else Condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        )
        status = dict(deployment.get("status") or {})
        status["conditions"] = list(status.get("conditions") or [])
        set_condition(status, wanted, self.clock.timestamp())
        await rollout.write_status(status)

    def _may_time_out(self, deployment: Object) -> bool:
        progress = condition(deployment, "Progressing")
        if not has_deadline(deployment) or progress is None:
            return False
        complete = is_complete(deployment, deployment.get("status", {}))
        return not complete and bool(progress["reason"] != "ProgressDeadlineExceeded")

    def _was_scaled(self, rollout: Rollout) -> bool:
        wanted = str(rollout.deployment["spec"]["replicas"])
        marks = [annotations_of(item).get(DESIRED_REPLICAS, wanted) for item in active(rollout.all)]
        return any(mark != wanted for mark in marks)

    def _is_saturated(self, rollout: Rollout) -> bool:
        new, wanted = rollout.new, rollout.deployment["spec"]["replicas"]
        if new is None or annotations_of(new).get(DESIRED_REPLICAS) != str(wanted):
            return False
        return spec_replicas([new]) == status_count([new], "availableReplicas") == int(wanted)

    def _old_pods_run(self, rollout: Rollout) -> bool:
        if status_count(rollout.old, "replicas") > 0:
            return True
        pods = [pod for item in rollout.old for pod in self._pods.owned_by(item["metadata"]["uid"])]
        return any(not is_terminal(pod) for pod in pods)

    def _look_at(self, deployment: Object) -> Rollout:
        return Rollout(
            self.client,
            self.clock,
            self.recorder,
            self._deployments,
            self._sets,
            deployment,
            self._sets.owned_by(deployment["metadata"]["uid"]),
        )

    def _again(self, rollout: Rollout) -> None:
        self.queue.add(self._key(rollout))

    def _key(self, rollout: Rollout) -> tuple[str, str]:
        metadata = rollout.deployment["metadata"]
        return metadata["namespace"], metadata["name"]

    def _pod_gone(self, old: Object | None, new: Object | None) -> None:
        """A Recreate waits for the last old pod, which no count of a ReplicaSet tells about."""
        if new is not None or old is None:
            return
        reference = controller_of(old)
        namespace = old["metadata"]["namespace"]
        owner = self._sets.get(namespace, reference["name"]) if reference is not None else None
        above = controller_of(owner) if owner is not None else None
        if above is not None and above["kind"] == "Deployment":
            self.queue.add((namespace, above["name"]))
