"""Jobs: completions, indexes, limits, policies, suspension, and what is counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.clock import SimClock, format_time
from simulator.controllers.job_failures import Backoff, judge
from simulator.controllers.job_indexes import first_missing, parse, render
from simulator.controllers.workload_kinds import JOBS
from simulator.resources import PODS
from tests.simulator.workloads import job
from tests.simulator.world import NAMESPACE, World, running_world


async def ended(world: World, kind: str) -> dict[str, Any]:
    """The Job once it has that condition."""

    async def look() -> dict[str, Any] | None:
        found = await world.client.get(JOBS, "web", NAMESPACE)
        conditions = (found.get("status") or {}).get("conditions") or []
        return found if any(item["type"] == kind and item["status"] == "True" for item in conditions) else None

    return dict(await world.eventually(look))


def said(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["type"], item["reason"], item["message"]) for item in found["status"]["conditions"]]


async def test_a_job_completes_and_its_pods_are_counted_and_let_go() -> None:
    async with running_world() as world:
        body = job(completions=3, parallelism=2, completionMode="Indexed")
        await world.client.create(JOBS, body)
        found = await ended(world, "Complete")
        message = "Reached expected number of succeeded pods"
        assert said(found) == [(kind, "CompletionsReached", message) for kind in ("SuccessCriteriaMet", "Complete")]
        status = found["status"]
        assert (status["succeeded"], status["completedIndexes"], status["ready"]) == (3, "0-2", 0)
        assert status["uncountedTerminatedPods"] == {}
        pods = await world.all(PODS)
        assert not any(pod["metadata"].get("finalizers") for pod in pods)
        indexes = sorted(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods)
        assert indexes == ["0", "1", "2"]
        assert pods[0]["spec"]["containers"][0]["env"][-1]["name"] == "JOB_COMPLETION_INDEX"
        assert (await world.event("Completed"))["message"] == "Job completed"


async def test_a_job_that_fails_too_often_gives_up_after_waiting_in_between() -> None:
    async with running_world() as world:
        await world.client.create(JOBS, job("exit 3", backoffLimit=1))
        found = await ended(world, "Failed")
        reason, message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        assert said(found) == [(kind, reason, message) for kind in ("FailureTarget", "Failed")]
        assert found["status"]["failed"] == 2
        assert (await world.event(reason))["type"] == "Warning"


async def test_a_deadline_ends_a_job_and_what_it_runs() -> None:
    async with running_world() as world:
        await world.client.create(JOBS, job("sleep 100000", activeDeadlineSeconds=60))
        found = await ended(world, "Failed")
        assert said(found)[-1][1:] == ("DeadlineExceeded", "Job was active longer than specified deadline")
        assert found["status"]["failed"] == 1
        assert await world.all(PODS) == []


async def test_a_suspended_job_stops_without_counting_a_failure_and_goes_on_later() -> None:
    async with running_world() as world:
        await world.client.create(JOBS, job("sleep 100000"))
        await world.event("Started")
        await world.client.patch(JOBS, "web", {"spec": {"suspend": True}}, NAMESPACE)
        found = await ended(world, "Suspended")
        assert "startTime" not in found["status"]
        assert found["status"].get("failed", 0) == 0
        await world.client.patch(JOBS, "web", {"spec": {"suspend": False}}, NAMESPACE)
        assert (await world.event("Resumed"))["message"] == "Job resumed"


async def test_a_policy_fails_the_job_on_an_exit_code() -> None:
    async with running_world() as world:
        rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
        await world.client.create(JOBS, job("exit 42", podFailurePolicy={"rules": [rule]}))
        found = await ended(world, "Failed")
        (pod,) = await world.all(PODS)
        name = pod["metadata"]["name"]
        message = f"Container main for pod shop/{name} failed with exit code 42 matching FailJob rule at index 0"
        assert said(found)[-1] == ("Failed", "PodFailurePolicy", message)


async def test_an_index_may_fail_on_its_own_account() -> None:
    async with running_world() as world:
        body = job("exit 1", completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
        await world.client.create(JOBS, body)
        found = await ended(world, "Failed")
        assert said(found)[-1] == ("Failed", "FailedIndexes", "Job has failed indexes")
        assert (found["status"]["failedIndexes"], found["status"]["failed"]) == ("0,1", 4)


async def test_a_finished_job_goes_when_its_time_is_over_and_its_pods_with_it() -> None:
    async with running_world() as world:
        await world.client.create(JOBS, job(ttlSecondsAfterFinished=20))
        await world.event("Completed")

        async def gone() -> bool:
            return not await world.all(JOBS) and not await world.all(PODS)

        await world.eventually(gone)


def test_indexes_are_written_as_runs_and_read_back() -> None:
    assert render({0, 1, 2, 5, 7, 8}) == "0-2,5,7,8"
    assert parse("0-2,5,7,8", 10) == {0, 1, 2, 5, 7, 8}
    assert parse("3-99,x", 5) == {3, 4}
    assert first_missing(2, 5, {0, 2}) == [1, 3]


def a_pod(code: int, minutes: int = 0) -> dict[str, Any]:
    end = format_time(datetime.now(UTC) - timedelta(minutes=minutes))
    terminated = {"terminated": {"exitCode": code, "finishedAt": end}}
    statuses = [{"name": "main", "state": terminated}]
    conditions = [{"type": "DisruptionTarget", "status": "True"}] if code == 137 else []
    status = {"phase": "Failed", "containerStatuses": statuses, "conditions": conditions}
    return {"metadata": {"name": "web-x", "namespace": "shop"}, "status": status}


@pytest.mark.parametrize(("code", "action"), [(1, None), (3, "Ignore"), (42, "FailJob"), (137, "Count")])
def test_the_first_rule_that_fits_a_failed_pod_decides(code: int, action: str | None) -> None:
    rules = [
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3]}},
        {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [1, 3, 137]}},
    ]
    verdict = judge(job(podFailurePolicy={"rules": rules}), a_pod(code))
    assert verdict.action == action
    assert verdict.counts == (action != "Ignore")
    assert bool(verdict.message) == (action == "FailJob")


def test_the_pause_doubles_with_every_failure_and_a_success_ends_it() -> None:
    clock = SimClock()
    now = clock.monotonic()
    once = Backoff().after([], [a_pod(1)], now=now)
    assert once.failures == 1
    assert 8 <= once.remaining(clock) <= 10
    assert 70 <= Backoff(3, now).after([], [a_pod(1)], now=now).remaining(clock) <= 80
    assert Backoff(30, now).remaining(clock) <= 600
    assert once.after([a_pod(0)], [a_pod(1, minutes=5)], now=now) == Backoff()
