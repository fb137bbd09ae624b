"""Job → pods that run to their end, as many as it asks for, with a limit to how often they may fail.

After pkg/controller/job in Kubernetes v1.36; ``job_sync`` decides, this writes. Every pod carries a finalizer until
its end is counted, so that a pod which is deleted early still counts. ``managedBy`` hands a Job to somebody else.
"""

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.job_failures import Backoff, failure_counts, replaces_only_failed
from simulator.controllers.job_indexes import first_missing
from simulator.controllers.job_pods import FINALIZER, is_tracked, job_pod, to_remove
from simulator.controllers.job_status import is_finished
from simulator.controllers.job_sync import JobSync, Outcome
from simulator.controllers.pod_control import PodControl
from simulator.controllers.pods import is_ready
from simulator.controllers.workload_kinds import JOBS
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, controller_of, key_of
from simulator.resources import PODS

_SOURCE = EventSource("job-controller")
_OWN_NAME = "kubernetes.io/job-controller"
_POD_PREFIX = "pod/"
_BURST = 500


class JobController(Controller):
    """Job → Pods. A key ``pod/NAME`` asks to let go of a pod whose Job is gone."""

    first_retry_seconds = 1.0
    longest_retry_seconds = 60.0

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._jobs = self.caches.of(JOBS)
        self._pods = self.caches.of(PODS)
        self._control = PodControl(context, _SOURCE)
        self._backoffs: dict[str, Backoff] = {}
        self._started: dict[str, float] = {}
        self._noticed: dict[str, float] = {}
        """By uid and the cluster's clock: when a Job was started, when a pod's failure was first seen."""
        self.watch_own(self._jobs)
        self.watch_owned(self._pods, "Job")
        self.watch_orphans(self._pods, self._jobs)
        self._pods.on_change(self._pod_changed)
        self._jobs.on_change(self._job_gone)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Create or delete pods, decide about the end, count what has ended."""
        if name.startswith(_POD_PREFIX):
            await self._let_go(namespace, name.removeprefix(_POD_PREFIX))
            return
        job = self._jobs.get(namespace, name)
        if job is None or job["spec"].get("managedBy") not in (None, _OWN_NAME):
            return
        if is_finished(job):
            self._forget(job)
            for pod in self._control.owned_by(job):
                if is_tracked(pod):
                    await self._untrack(pod)
            return
        uid = job["metadata"]["uid"]
        pods = await self._control.claim(job, finalizer=FINALIZER)
        sync = JobSync(job, pods, self.clock, self._backoffs.get(uid, Backoff()), self._started.get(uid))
        failure = await self._step(sync)
        if failure is not None:
            raise failure

    async def _step(self, sync: JobSync) -> ApiError | None:
        if "startTime" not in sync.status.fields and not sync.suspended:
            self._start(sync)
        outcome, active, failure = sync.outcome(), len(sync.active), None
        left = sync.seconds_left()
        if left is not None and left > 0:
            self.queue.add_after(key_of(sync.job), left)
        if outcome is not None:
            active, failure = await self._remove(sync, sync.active, untrack=False)
            if active:
                outcome = None
        elif not is_deleting(sync.job):
            active, failure = await self._manage(sync)
            if sync.is_complete(active):
                message = "Reached expected number of succeeded pods"
                outcome = Outcome("SuccessCriteriaMet", "CompletionsReached", message)
            else:
                self._note_suspension(sync)
        sync.status.fields |= {"active": active, "ready": sync.ready, "terminating": sync.terminating}
        await self._track(sync, outcome)
        return failure

    async def _manage(self, sync: JobSync) -> tuple[int, ApiError | None]:
        """Bring the number of active pods to what is wanted; how many are active then."""
        active = len(sync.active)
        if sync.suspended:
            return await self._remove(sync, to_remove(sync.job, sync.active, active), untrack=True)
        wanted = sync.wanted_active()
        surplus = to_remove(sync.job, sync.active, max(0, active - wanted))
        if surplus:
            return await self._remove(sync, surplus[:_BURST], untrack=True)
        missing = wanted - active - (sync.terminating if replaces_only_failed(sync.job) else 0)
        bodies = self._bodies(sync, min(missing, _BURST)) if missing > 0 else []
        try:
            created = await self._control.create_all(sync.job, bodies)
        except ApiError as error:
            present = {pod["metadata"]["uid"] for pod in sync.pods}
            now = [pod for pod in self._control.owned_by(sync.job) if pod["metadata"]["uid"] not in present]
            return active + len(now), error
        return active + len(created), None

    def _bodies(self, sync: JobSync, missing: int) -> list[Object]:
        if not sync.per_index:
            pause = sync.backoff.remaining(self.clock)
            if pause > 0:
                self.queue.add_after(key_of(sync.job), pause)
                return []
        if not sync.indexed or sync.completions is None:
            return [job_pod(sync.job)] * missing
        bodies, pauses = [], []
        replaced = sync.waiting_for_replacement()
        for index in first_missing(missing, sync.completions, sync.taken_indexes()):
            failed = replaced.get(index)
            pause = self._index_backoff(failed).remaining(self.clock)
            if pause > 0:
                pauses.append(pause)
            else:
                bodies.append(job_pod(sync.job, index, replaced=failed))
        if pauses:
            self.queue.add_after(key_of(sync.job), min(pauses))
        return bodies

    def _index_backoff(self, failed: Object | None) -> Backoff:
        """The back-off of one index, whose failures the failed pod's annotations count."""
        if failed is None:
            return Backoff()
        noticed = self._noticed.setdefault(failed["metadata"]["uid"], self.clock.monotonic())
        return Backoff(sum(failure_counts(failed)) + 1, noticed)

    async def _remove(self, sync: JobSync, pods: list[Object], *, untrack: bool) -> tuple[int, ApiError | None]:
        """Delete pods; ``untrack`` also takes their finalizer, so that they do not count as failed."""
        failure: ApiError | None = None
        active = len(sync.active)
        for pod in pods:
            current: Object | None = pod
            try:
                if untrack:
                    current = await self._untrack(pod)
                if current is not None:
                    await self._control.delete(sync.job, current)
            except ApiError as error:
                failure = error
                continue
            active -= 1
            sync.terminating += 1
            sync.ready -= is_ready(pod)
        return active, failure

    def _note_suspension(self, sync: JobSync) -> None:
        if sync.suspended:
            if sync.status.ensure("Suspended", "True", "JobSuspended", "Job suspended"):
                sync.status.fields.pop("startTime", None)
                self.recorder.normal(_SOURCE, reference_to(sync.job), "Suspended", "Job suspended")
        elif sync.status.ensure("Suspended", "False", "JobResumed", "Job resumed"):
            self._start(sync)
            self.recorder.normal(_SOURCE, reference_to(sync.job), "Resumed", "Job resumed")

    def _start(self, sync: JobSync) -> None:
        sync.status.fields["startTime"] = self.clock.timestamp()
        sync.started_at = self._started[sync.job["metadata"]["uid"]] = self.clock.monotonic()

    def _forget(self, job: Object) -> None:
        uid = job["metadata"]["uid"]
        self._backoffs.pop(uid, None)
        self._started.pop(uid, None)
        for pod in self._pods.owned_by(uid):
            self._noticed.pop(pod["metadata"]["uid"], None)

    async def _track(self, sync: JobSync, outcome: Outcome | None) -> None:
        """Write down, release, count; then make the outcome final if nothing is left to wait for."""
        current = {pod["metadata"]["uid"]: pod for pod in self._control.owned_by(sync.job)}
        tracked = {uid for uid, pod in current.items() if is_tracked(pod)}
        sync.status.settle(tracked)
        releasable = [current[uid] for uid in sync.write_down(outcome) if uid in tracked]
        if outcome is not None:
            sync.status.ensure(outcome.type, "True", outcome.reason, outcome.message)
        job = await self._store(sync, sync.job)
        self._backoffs[job["metadata"]["uid"]] = sync.backoff
        for pod in releasable:
            await self._untrack(pod)
            tracked.discard(pod["metadata"]["uid"])
        sync.status.settle(tracked)
        finished = outcome is not None and not any(sync.status.uncounted.values()) and not sync.terminating
        if outcome is not None and finished:
            sync.status.ensure(outcome.final, "True", outcome.reason, outcome.message)
            if outcome.final == "Complete":
                sync.status.fields["completionTime"] = self.clock.timestamp()
        await self._store(sync, job)
        if outcome is not None and finished:
            self._announce(sync, outcome)

    async def _store(self, sync: JobSync, job: Object) -> Object:
        if not sync.status.changed():
            return job
        stored = await self.update_status(JOBS, job, sync.status.rendered())
        sync.status.before = stored.get("status") or {}
        return stored

    def _announce(self, sync: JobSync, outcome: Outcome) -> None:
        involved = reference_to(sync.job)
        if outcome.final == "Failed":
            self.recorder.warning(_SOURCE, involved, outcome.reason, outcome.message)
            return
        if sync.completions is not None and sync.status.count("succeeded") > sync.completions:
            message = "Too many succeeded pods running after completion count reached"
            self.recorder.warning(_SOURCE, involved, "TooManySucceededPods", message)
        self.recorder.normal(_SOURCE, involved, "Completed", "Job completed")

    async def _untrack(self, pod: Object) -> Object | None:
        """Take the tracking finalizer; None when the pod is gone."""
        if not is_tracked(pod):
            return pod
        kept = [item for item in pod["metadata"]["finalizers"] if item != FINALIZER]
        return await self._control.patch(pod, {"finalizers": kept or None})

    async def _let_go(self, namespace: str, name: str) -> None:
        pod = self._pods.get(namespace, name)
        if pod is None or not is_tracked(pod) or self._job_of(pod) is not None:
            return
        await self._untrack(pod)

    def _job_of(self, pod: Object) -> Object | None:
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "Job":
            return None
        job = self._jobs.get(pod["metadata"]["namespace"], reference["name"])
        return job if job is not None and job["metadata"]["uid"] == reference["uid"] else None

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_tracked(new) and self._jobs.synced.is_set() and self._job_of(new) is None:
            namespace, name = key_of(new)
            self.queue.add((namespace, f"{_POD_PREFIX}{name}"))

    def _job_gone(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._forget(old)
            for pod in self._pods.owned_by(old["metadata"]["uid"]):
                namespace, name = key_of(pod)
                self.queue.add((namespace, f"{_POD_PREFIX}{name}"))
