"""The autoscaler: how many replicas the metrics call for, and what it says when there are none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.autoscaling.behavior import Behavior, behavior_of, limited, stabilized
from simulator.autoscaling.horizontal import AUTOSCALERS
from simulator.autoscaling.metrics import MetricsError, Usage
from simulator.autoscaling.replicas import Target, propose
from simulator.clock import SimClock, format_time
from tests.simulator.world import NAMESPACE, World, running_world

_CPU = Target("cpu", utilization=50)


def pod(name: str, cpu: str | None = "100m", phase: str = "Running") -> dict[str, Any]:
    past = format_time(datetime.now(UTC) - timedelta(hours=1))
    requests = {} if cpu is None else {"cpu": cpu}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "resources": {"requests": requests}}]},
        "status": {
            "phase": phase,
            "startTime": past,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": past}],
        },
    }


def usage(**milli: int) -> dict[str, Usage]:
    return {name: Usage(value, datetime.now(UTC), 15.0) for name, value in milli.items()}


@pytest.mark.parametrize(
    ("used", "replicas", "percent"),
    [
        ({"a": 100, "b": 100}, 4, 100),
        ({"a": 52, "b": 52}, 2, 52),
        ({"a": 10, "b": 10}, 1, 10),
        ({"a": 100}, 2, 100),  # the silent one dampens: with nothing of it the ratio is 1
        ({"a": 10}, 2, 10),  # and is taken to be busy when the other is idle
    ],
)
def test_use_against_the_target_gives_the_count(used: dict[str, int], replicas: int, percent: int) -> None:
    found = propose([pod("a"), pod("b")], usage(**used), _CPU, 2, SimClock())
    assert (found.replicas, found.utilization) == (replicas, percent)


def test_absolute_targets_need_no_requests() -> None:
    found = propose([pod("a", None)], usage(a=300), Target("cpu", average_milli=100), 1, SimClock())
    assert (found.replicas, found.utilization, found.average_milli) == (3, None, 300)


def test_a_missing_request_is_named() -> None:
    with pytest.raises(MetricsError, match="missing request for cpu in container main of Pod a"):
        propose([pod("a", None)], usage(a=1), _CPU, 1, SimClock())


def test_pods_that_are_not_ready_give_nothing_to_go_by() -> None:
    with pytest.raises(MetricsError, match="did not receive metrics for targeted pods"):
        propose([pod("a", phase="Pending")], usage(a=1), _CPU, 1, SimClock())


async def scaled(world: World) -> bool:
    return bool((await world.deployment())["spec"]["replicas"] == 3)


async def test_a_target_below_the_least_is_scaled_at_once() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    body = {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec}
    async with running_world() as world:
        await world.deploy()
        await world.client.create(AUTOSCALERS, body)
        event = await world.event("SuccessfulRescale")
        assert event["message"] == "New size: 3; reason: Current number of replicas below Spec.MinReplicas"
        await world.eventually(lambda: scaled(world))


async def test_a_missing_target_is_reported_as_a_condition() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
    body = {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": {"scaleTargetRef": target, "maxReplicas": 5}}
    async with running_world(nodes=0) as world:
        await world.client.create(AUTOSCALERS, body)
        event = await world.event("FailedGetScale")
        assert event["message"] == 'deployments.apps "nobody" not found'

        async def condition() -> Any:
            found = await world.client.get(AUTOSCALERS, "web", NAMESPACE)
            return (found.get("status") or {}).get("conditions")

        (stated,) = await world.eventually(condition)
        assert (stated["type"], stated["status"], stated["reason"]) == ("AbleToScale", "False", "FailedGetScale")


def behaving(**spec: Any) -> Behavior:
    found = behavior_of({"behavior": spec})
    assert found is not None
    return found


def pace(wanted: int, current: int, changes: list[tuple[float, int]], **spec: Any) -> tuple[int, str]:
    found = limited(wanted, current, (1, 20), changes, now=1000.0, behavior=behaving(**spec))
    return found.replicas, found.reason


def test_without_behavior_there_are_no_rules_and_stated_ones_are_filled_up() -> None:
    assert behavior_of({}) is None
    found = behaving(scaleUp={"selectPolicy": "Min"})
    assert (found.up.select, found.up.window_seconds, found.down.window_seconds) == ("Min", 0.0, 300.0)
    assert found.down.policies == (("Percent", 100, 15.0),)


def test_a_policy_counts_what_was_changed_in_its_period() -> None:
    rules = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    assert pace(9, 3, [], **rules) == (5, "ScaleUpLimit")
    assert pace(9, 5, [(990.0, 2)], **rules) == (5, "ScaleUpLimit")
    assert pace(9, 5, [(900.0, 2)], **rules) == (7, "ScaleUpLimit")
    assert pace(30, 19, [], **rules) == (20, "TooManyReplicas")


def test_the_largest_or_the_smallest_policy_is_followed_or_none() -> None:
    policies = [
        {"type": "Pods", "value": 1, "periodSeconds": 60},
        {"type": "Percent", "value": 50, "periodSeconds": 60},
    ]
    assert pace(2, 10, [], scaleDown={"policies": policies}) == (5, "ScaleDownLimit")
    assert pace(2, 10, [], scaleDown={"policies": policies, "selectPolicy": "Min"}) == (9, "ScaleDownLimit")
    assert pace(2, 10, [], scaleDown={"selectPolicy": "Disabled"}) == (10, "ScaleDownLimit")
    assert pace(20, 10, [], scaleUp={"selectPolicy": "Disabled"}) == (10, "ScaleUpLimit")
    assert pace(0, 10, []) == (1, "TooFewReplicas")


def test_windows_hold_back_what_was_not_wanted_before() -> None:
    recent = [(950.0, 4), (100.0, 9)]
    held = stabilized(2, 5, recent, now=1000.0, behavior=behaving())
    assert (held.replicas, held.reason) == (4, "ScaleDownStabilized")
    rules = behaving(scaleUp={"stabilizationWindowSeconds": 60})
    held = stabilized(8, 3, recent, now=1000.0, behavior=rules)
    assert (held.replicas, held.reason) == (4, "ScaleUpStabilized")
    held = stabilized(8, 3, recent, now=1000.0, behavior=behaving())
    assert (held.replicas, held.reason) == (8, "ReadyForNewScale")
