"""CronJobs: reading schedules, which start is due, and what is started or kept."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from simulator.clock import format_time
from simulator.controllers.cron_schedule import ScheduleError, parse, zone_of
from simulator.controllers.cron_times import latest_due, until_next
from simulator.controllers.workload_kinds import CRON_JOBS, JOBS
from tests.simulator.workloads import cron_job
from tests.simulator.world import NAMESPACE, World, running_world

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


def starts(text: str, *, after: datetime = NOON, count: int = 2, zone: str | None = None) -> list[str]:
    schedule, found = parse(text, zone_of(zone)), []
    moment: datetime | None = after
    for _ in range(count):
        assert moment is not None
        moment = schedule.next(moment)
        found.append(f"{moment:%m-%d %H:%M}" if moment else "never")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", ["03-04 12:01", "03-04 12:02"]),
        ("*/20 * * * *", ["03-04 12:20", "03-04 12:40"]),
        ("5,35 8-10/2 * * *", ["03-05 08:05", "03-05 08:35"]),
        ("0 0 1 * *", ["04-01 00:00", "05-01 00:00"]),
        ("0 9 * * mon-fri", ["03-05 09:00", "03-06 09:00"]),
        ("0 0 13 * FRI", ["03-06 00:00", "03-13 00:00"]),
        ("0 0 29 feb ?", ["02-29 00:00", "02-29 00:00"]),
        ("10/25 * * * *", ["03-04 12:10", "03-04 12:35"]),
        ("@hourly", ["03-04 13:00", "03-04 14:00"]),
        ("@weekly", ["03-08 00:00", "03-15 00:00"]),
        ("@every 90m", ["03-04 13:30", "03-04 15:00"]),
    ],
)
def test_a_schedule_says_when_it_comes(text: str, expected: list[str]) -> None:
    assert starts(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("60 * * * *", "end of range (60) above maximum (59)"),
        ("* * 0 * *", "beginning of range (0) below minimum (1)"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1)"),
        ("a * * * *", "failed to parse int from a"),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", "failed to parse duration"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_wrong_part(text: str, part: str) -> None:
    with pytest.raises(ScheduleError, match=part.replace("(", r"\(").replace(")", r"\)")):
        parse(text)


def test_times_of_day_are_those_of_the_zone_and_skipped_ones_do_not_happen() -> None:
    assert starts("30 2 * * *", zone="America/New_York", count=1) == ["03-05 07:30"]
    before = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
    schedule = parse("30 2 * * *", ZoneInfo("America/New_York"))
    found = schedule.next(before)
    assert found is not None
    assert f"{found:%m-%d %H:%M}" == "03-09 06:30"  # on the 8th the clocks go from 2 to 3
    with pytest.raises(ScheduleError, match="unknown time zone Moon/Base"):
        zone_of("Moon/Base")


def described(last: timedelta, **spec: Any) -> dict[str, Any]:
    body = cron_job(**{"schedule": "0 * * * *"} | spec)
    body["metadata"]["creationTimestamp"] = format_time(NOON - timedelta(days=30))
    return body | {"status": {"lastScheduleTime": format_time(NOON - last)}}


def test_of_several_missed_starts_the_latest_is_made_up_for() -> None:
    schedule = parse("0 * * * *")
    now = NOON + timedelta(minutes=30)
    assert latest_due(described(timedelta(0)), schedule, now).start is None
    assert latest_due(described(timedelta(hours=1)), schedule, now).start == NOON
    due = latest_due(described(timedelta(hours=8)), schedule, now)
    assert (due.start, due.too_many) == (NOON, False)
    assert latest_due(described(timedelta(days=9)), schedule, now).too_many
    late = described(timedelta(hours=8), startingDeadlineSeconds=60)
    assert latest_due(late, schedule, now).start is None
    assert until_next(described(timedelta(hours=8)), schedule, now) == timedelta(minutes=30, milliseconds=100)


async def due_now(world: World) -> None:
    """Pretend that the last start was two hours ago."""
    last = format_time(datetime.now(UTC) - timedelta(hours=2))
    body = {"status": {"lastScheduleTime": last}}
    await world.client.patch(CRON_JOBS, "web", body, NAMESPACE, subresource="status")


async def test_a_due_start_becomes_a_job_and_its_end_is_seen() -> None:
    async with running_world() as world:
        await world.client.create(CRON_JOBS, cron_job())
        await due_now(world)
        event = await world.event("SawCompletedJob")
        (job,) = await world.all(JOBS)
        name = job["metadata"]["name"]
        assert event["message"] == f"Saw completed job: {name}, condition: Complete"
        assert (await world.event("SuccessfulCreate", "Created job"))["message"] == f"Created job {name}"
        assert "batch.kubernetes.io/cronjob-scheduled-timestamp" in job["metadata"]["annotations"]
        status = (await world.client.get(CRON_JOBS, "web", NAMESPACE))["status"]
        assert status.keys() == {"lastScheduleTime", "lastSuccessfulTime"}
        start = int(name.rpartition("-")[2]) * 60
        assert status["lastScheduleTime"] == format_time(datetime.fromtimestamp(start, UTC))


async def test_a_run_that_goes_on_forbids_the_next_or_is_replaced_by_it() -> None:
    async with running_world() as world:
        body = cron_job("sleep 100000", schedule="* * * * *", concurrencyPolicy="Forbid")
        await world.client.create(CRON_JOBS, body)
        await world.client.patch(CRON_JOBS, "web", {"spec": {"suspend": True}}, NAMESPACE)
        old = {"metadata": {"name": "web-old", "namespace": NAMESPACE}, **body["spec"]["jobTemplate"]}
        owner = await world.client.get(CRON_JOBS, "web", NAMESPACE)
        reference = {key: owner[key] for key in ("apiVersion", "kind")} | {"name": "web", "controller": True}
        old["metadata"]["ownerReferences"] = [reference | {"uid": owner["metadata"]["uid"]}]
        created = await world.client.create(JOBS, old | {"apiVersion": "batch/v1", "kind": "Job"})
        active = {"apiVersion": "batch/v1", "kind": "Job", "name": "web-old", "namespace": NAMESPACE}
        last = format_time(datetime.now(UTC) - timedelta(minutes=10))
        status = {"active": [active | {"uid": created["metadata"]["uid"]}], "lastScheduleTime": last}
        await world.client.patch(CRON_JOBS, "web", {"status": status}, NAMESPACE, subresource="status")
        await world.client.patch(CRON_JOBS, "web", {"spec": {"suspend": False}}, NAMESPACE)
        await world.event("JobAlreadyActive", "concurrency policy is Forbid")
        await world.client.patch(CRON_JOBS, "web", {"spec": {"concurrencyPolicy": "Replace"}}, NAMESPACE)
        assert (await world.event("SuccessfulDelete", "web-old"))["message"] == "Deleted job web-old"
        await world.event("SuccessfulCreate", "Created job web-")


async def test_old_jobs_are_dropped_beyond_the_history_limit() -> None:
    async with running_world() as world:
        await world.client.create(CRON_JOBS, cron_job(successfulJobsHistoryLimit=0))
        await due_now(world)
        await world.event("SuccessfulDelete", "Deleted job web-")
        assert await world.all(JOBS) == []
