"""Deletes finished Jobs when their ttlSecondsAfterFinished is over, with what they own.

After pkg/controller/ttlafterfinished in Kubernetes v1.36.
"""

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.job_status import ended_at
from simulator.controllers.workload_kinds import JOBS
from simulator.informer import Object


class JobTtlController(Controller):
    """Finished Job → gone."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._jobs = self.caches.of(JOBS)
        self._ended: dict[str, float] = {}
        """By uid, when a Job was first seen finished, by the cluster's clock: timestamps are too coarse for it."""
        self.watch_own(self._jobs)
        self._jobs.on_change(self._job_gone)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Delete a Job whose time is over; look at any other again when it will be."""
        job = self._jobs.get(namespace, name)
        left = self._seconds_left(job) if job is not None else None
        if left is None:
            return
        if left > 0:
            self.queue.add_after((namespace, name), left)
            return
        fresh = await self._live(namespace, name)
        left = self._seconds_left(fresh) if fresh is not None else None
        if fresh is not None and left is not None and left <= 0:
            uid = fresh["metadata"]["uid"]
            await self.client.delete(JOBS, name, namespace, uid=uid, propagation_policy="Foreground")

    def _seconds_left(self, job: Object) -> float | None:
        ttl, ended = job["spec"].get("ttlSecondsAfterFinished"), ended_at(job)
        if ttl is None or ended is None or is_deleting(job):
            return None
        now = self.clock.monotonic()
        return float(ttl - (now - self._ended.setdefault(job["metadata"]["uid"], now)))

    def _job_gone(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._ended.pop(old["metadata"]["uid"], None)

    async def _live(self, namespace: str, name: str) -> Object | None:
        try:
            return await self.client.get(JOBS, name, namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return None
