"""Which start of a CronJob is due, and when to look again. Pure.

After pkg/controller/cronjob/utils.go (mostRecentScheduleTime) in Kubernetes v1.36: of several missed starts
only the latest is made up for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.clock import parse_time
from simulator.controllers.cron_schedule import Schedule, ScheduleError
from simulator.informer import Object

_MANY = 100
_PADDING = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Due:
    """The latest start that has not happened (None: none is due), counted from ``earliest``."""

    earliest: datetime
    start: datetime | None = None
    missed: int = 0

    @property
    def too_many(self) -> bool:
        """Whether so many were missed that something must be wrong."""
        return self.missed > _MANY


def latest_due(cron_job: Object, schedule: Schedule, now: datetime, *, with_deadline: bool = True) -> Due:
    """What is due now. Raises ScheduleError for a schedule that never comes."""
    last = (cron_job.get("status") or {}).get("lastScheduleTime")
    earliest = parse_time(last or cron_job["metadata"]["creationTimestamp"])
    deadline = cron_job["spec"].get("startingDeadlineSeconds")
    if with_deadline and deadline is not None:
        earliest = max(earliest, now - timedelta(seconds=deadline))
    first = schedule.next(earliest)
    second = schedule.next(first) if first is not None else None
    if first is None or second is None:
        raise ScheduleError("time difference between two schedules is less than 1 second")
    if now < first:
        return Due(earliest)
    if now < second:
        return Due(earliest, first)
    gap = int((second - first).total_seconds())
    missed = int((now - first).total_seconds()) // gap + 1
    found: datetime | None = None
    moment = schedule.next(first + timedelta(seconds=(missed - 2) * gap))
    while moment is not None and moment <= now:
        found = moment
        moment = schedule.next(moment)
    return Due(earliest, found, missed)


def until_next(cron_job: Object, schedule: Schedule, now: datetime) -> timedelta:
    """How long, in real time, until the next start has to be looked for."""
    try:
        due = latest_due(cron_job, schedule, now, with_deadline=False)
    except ScheduleError:
        return timedelta(days=1)
    base = due.start or (now if due.missed else due.earliest)
    following = schedule.next(base)
    return (following or now + timedelta(days=1)) + _PADDING - now
