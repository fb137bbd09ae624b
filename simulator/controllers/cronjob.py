"""CronJob → a Job at every start of its schedule, and the end of old ones.

After pkg/controller/cronjob/cronjob_controllerv2.go in Kubernetes v1.36. A schedule speaks of the time of day, so the
cluster's ``speed`` does not apply to it: ``* * * * *`` starts a Job every real minute whatever the speed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from simulator.api_client import ApiError
from simulator.clock import format_time, parse_time
from simulator.controllers.controller import Controller, ControllerContext, controller_reference, is_deleting
from simulator.controllers.cron_schedule import Schedule, ScheduleError, parse, zone_of
from simulator.controllers.cron_times import latest_due, until_next
from simulator.controllers.job_status import is_finished
from simulator.controllers.pod_control import is_namespace_ending
from simulator.controllers.workload_kinds import CRON_JOBS, JOBS
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, controller_of, key_of

_SOURCE = EventSource("cronjob-controller")
_SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class CronJobController(Controller):
    """CronJob → Jobs. ``now`` is the wall clock, for tests to set."""

    def __init__(self, context: ControllerContext, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(context)
        self._cron_jobs = self.caches.of(CRON_JOBS)
        self._jobs = self.caches.of(JOBS)
        self._now = now
        self.watch_own(self._cron_jobs)
        self.watch_owned(self._jobs, "CronJob")

    async def reconcile(self, namespace: str, name: str) -> None:
        """Tidy up, see what has ended, start what is due, write the status once."""
        stored = self._cron_jobs.get(namespace, name)
        if stored is None:
            return
        cron_job = stored | {"status": dict(stored.get("status") or {})}
        jobs = self._owned(cron_job)
        failure: ApiError | None = None
        try:
            await self._drop_oldest(cron_job, jobs)
            await self._see_ended(cron_job, jobs)
            if not is_deleting(cron_job):
                await self._start_due(cron_job)
        except ApiError as error:
            failure = error
        status = {key: value for key, value in cron_job["status"].items() if value}
        if status != (stored.get("status") or {}):
            await self.update_status(CRON_JOBS, stored, status)
        if failure is not None:
            raise failure

    def _owned(self, cron_job: Object) -> list[Object]:
        uid = cron_job["metadata"]["uid"]
        return [job for job in self._jobs.owned_by(uid) if (controller_of(job) or {}).get("uid") == uid]

    async def _drop_oldest(self, cron_job: Object, jobs: list[Object]) -> None:
        for kind, limit, usual in (
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ):
            ended = sorted((job for job in jobs if _ended_as(job) == kind), key=_started)
            for job in ended[: max(0, len(ended) - cron_job["spec"].get(limit, usual))]:
                if await self._delete(cron_job, job):
                    jobs.remove(job)

    async def _see_ended(self, cron_job: Object, jobs: list[Object]) -> None:
        status = cron_job["status"]
        active = {item["uid"]: item["name"] for item in status.get("active") or ()}
        for job in jobs:
            uid, name = job["metadata"]["uid"], job["metadata"]["name"]
            if not is_finished(job):
                if uid not in active:
                    message = f"Saw a job that the controller did not create or forgot: {name}"
                    self.recorder.warning(_SOURCE, reference_to(cron_job), "UnexpectedJob", message)
                continue
            if uid in active:
                _forget(cron_job, uid)
                message = f"Saw completed job: {name}, condition: {_ended_as(job)}"
                self._say(cron_job, "SawCompletedJob", message)
            completed = (job.get("status") or {}).get("completionTime")
            if _ended_as(job) == "Complete" and completed and completed > status.get("lastSuccessfulTime", ""):
                status["lastSuccessfulTime"] = completed
        for uid in active.keys() - {job["metadata"]["uid"] for job in jobs}:
            if await self._is_missing(cron_job, active[uid]):
                self._say(cron_job, "MissingJob", f"Active job went missing: {active[uid]}")
                _forget(cron_job, uid)

    async def _is_missing(self, cron_job: Object, name: str) -> bool:
        try:
            await self.client.get(JOBS, name, cron_job["metadata"]["namespace"])
        except ApiError as error:
            if error.code != 404:
                raise
            return True
        return False

    async def _start_due(self, cron_job: Object) -> None:
        schedule = self._schedule(cron_job)
        if schedule is None:
            return
        now = self._now()
        try:
            due = latest_due(cron_job, schedule, now)
        except ScheduleError as error:
            self._warn(cron_job, "InvalidSchedule", f"invalid schedule: {cron_job['spec']['schedule']} : {error}")
            return
        if due.too_many:
            message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._warn(cron_job, "TooManyMissedTimes", message)
        if due.start is not None:
            await self._start(cron_job, due.start, now)
        pause = self.clock.simulated_seconds(until_next(cron_job, schedule, self._now()))
        self.queue.add_after(key_of(cron_job), max(pause, 0.0))

    def _schedule(self, cron_job: Object) -> Schedule | None:
        """What the spec asks for; None when it is suspended or cannot be read, which an event says."""
        spec = cron_job["spec"]
        try:
            zone = zone_of(spec.get("timeZone"))
        except ScheduleError as error:
            self._warn(cron_job, "UnknownTimeZone", f'invalid timeZone: "{spec["timeZone"]}": {error}')
            return None
        if spec.get("suspend"):
            return None
        try:
            return parse(spec["schedule"], zone)
        except ScheduleError as error:
            self._warn(cron_job, "UnparseableSchedule", f'unparseable schedule: "{spec["schedule"]}" : {error}')
            return None

    async def _start(self, cron_job: Object, start: datetime, now: datetime) -> None:
        spec, status = cron_job["spec"], cron_job["status"]
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and start + timedelta(seconds=deadline) < now:
            shown = format_datetime(start)
            self._warn(cron_job, "MissSchedule", f"Missed scheduled time to start a job: {shown}")
            return
        active = status.get("active") or []
        name = _job_name(cron_job, start)
        if any(item["name"] == name for item in active) or status.get("lastScheduleTime") == format_time(start):
            return
        if spec.get("concurrencyPolicy") == "Forbid" and active:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._say(cron_job, "JobAlreadyActive", message)
            return
        if spec.get("concurrencyPolicy") == "Replace":
            await self._replace(cron_job, active)
        job = await self._create(cron_job, start)
        if job is not None:
            status["active"] = [*(status.get("active") or []), reference_to(job)]
            status["lastScheduleTime"] = format_time(start)

    async def _replace(self, cron_job: Object, active: list[dict[str, Any]]) -> None:
        for item in active:
            try:
                job = await self.client.get(JOBS, item["name"], cron_job["metadata"]["namespace"])
            except ApiError as error:
                self._warn(cron_job, "FailedGet", f"Get job: {error.message}")
                raise
            if not await self._delete(cron_job, job):
                raise ApiError(500, "InternalError", f"could not replace job {item['name']}")

    async def _create(self, cron_job: Object, start: datetime) -> Object | None:
        """The Job of one start; None when somebody else's has the name."""
        body = _job(cron_job, start)
        try:
            job = await self.client.create(JOBS, body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return await self._existing(cron_job, body)
            if not is_namespace_ending(error):
                self._warn(cron_job, "FailedCreate", f"Error creating job: {error.message}")
            raise
        self._jobs.observe(job)
        self._say(cron_job, "SuccessfulCreate", f"Created job {job['metadata']['name']}")
        return job

    async def _existing(self, cron_job: Object, body: Object) -> Object | None:
        metadata = body["metadata"]
        job = await self.client.get(JOBS, metadata["name"], metadata["namespace"])
        own = (controller_of(job) or {}).get("uid") == cron_job["metadata"]["uid"]
        known = any(item["uid"] == job["metadata"]["uid"] for item in cron_job["status"].get("active") or ())
        return job if own and not known else None

    async def _delete(self, cron_job: Object, job: Object) -> bool:
        metadata = job["metadata"]
        try:
            await self.client.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"], propagation_policy="Background"
            )
        except ApiError as error:
            self._warn(cron_job, "FailedDelete", f"Deleted job: {error.message}")
            return False
        self._jobs.forget(job)
        _forget(cron_job, metadata["uid"])
        self._say(cron_job, "SuccessfulDelete", f"Deleted job {metadata['name']}")
        return True

    def _say(self, cron_job: Object, reason: str, message: str) -> None:
        self.recorder.normal(_SOURCE, reference_to(cron_job), reason, message)

    def _warn(self, cron_job: Object, reason: str, message: str) -> None:
        self.recorder.warning(_SOURCE, reference_to(cron_job), reason, message)


def _job(cron_job: Object, start: datetime) -> Object:
    template, metadata = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    described = template.get("metadata") or {}
    shown = start.astimezone(zone_of(cron_job["spec"].get("timeZone"))).isoformat().replace("+00:00", "Z")
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": _job_name(cron_job, start),
            "namespace": metadata["namespace"],
            "labels": described.get("labels") or {},
            "annotations": (described.get("annotations") or {}) | {_SCHEDULED_AT: shown},
            "ownerReferences": [controller_reference(cron_job)],
        },
        "spec": template["spec"],
    }


def _job_name(cron_job: Object, start: datetime) -> str:
    return f"{cron_job['metadata']['name']}-{int(start.timestamp()) // 60}"


def _forget(cron_job: Object, uid: str) -> None:
    active = cron_job["status"].get("active") or []
    cron_job["status"]["active"] = [item for item in active if item["uid"] != uid]


def _ended_as(job: Object) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    ends = (item["type"] for item in conditions if item["type"] in ("Complete", "Failed") and item["status"] == "True")
    return next(ends, "")


def _started(job: Object) -> tuple[bool, datetime, str]:
    since = (job.get("status") or {}).get("startTime")
    return since is None, parse_time(since or job["metadata"]["creationTimestamp"]), job["metadata"]["name"]
