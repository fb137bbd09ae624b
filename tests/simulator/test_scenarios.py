"""Scenarios: every file loads, breaks as it says, and is well again after the repair that it calls for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from simulator import EmbeddedCluster
from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, Connection
from simulator.expectations import at_pointer, parse_expectations, problems_of
from simulator.resources import DEPLOYMENTS, EVENTS, PODS
from simulator.scenario import (
    Scenario,
    ScenarioError,
    apply_break,
    apply_setup,
    check,
    demo_scenarios,
    load_scenario,
    load_scenarios,
    missing_signs,
    read_scenario,
    settled,
)
from tests.prove.sample import one_per_family, seed
from tests.simulator.world import World

DEMO = ["ambiguous", "crash-after-rollout", "image-typo", "leak", "oom", "slow-starter"]
FAMILIES = {
    "image", "crash", "command", "memory", "probes", "references", "scheduling", "admission", "storage", "service",
    "rollout", "jobs", "autoscaling", "permissions", "network", "security", "init", "node", "healthy", "transient",
    "decoy",
}  # fmt: skip
OUTCOMES = {"resolved", "rolled_back", "escalated", "left_alone"}
MINIMAL = """
name: a
family: image
title: t
namespace: shop-a
setup: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}]
settled: [{exists: {name: web}}]
check: [{available: {name: web, replicas: 1}}]
"""


class Stage:
    """One scenario on a cluster of its own."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.scenario = scenario

    async def breaks(self) -> None:
        await apply_setup(self.world.client, self.scenario)
        await self.world.eventually(lambda: settled(self.world.client, self.scenario))
        await apply_break(self.world.client, self.scenario)

    async def ends_well(self) -> None:
        async def well() -> bool:
            return not await check(self.world.client, self.scenario)

        await self.world.eventually(well)

    async def patch(self, name: str, container: dict[str, Any]) -> None:
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        await self.world.client.patch(
            DEPLOYMENTS, name, patch, self.scenario.namespace, content_type=STRATEGIC_MERGE_PATCH
        )

    async def shows(self, reason: str, text: str = "") -> None:
        async def seen() -> bool:
            events = await self.world.client.list(EVENTS, self.scenario.namespace)
            return any(item["reason"] == reason and text in item["message"] for item in events["items"])

        await self.world.eventually(seen)


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> Any:
    with EmbeddedCluster(nodes=2, speed=40) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.token("admin"))) as client:
            yield Stage(World(cluster, client), load_scenario(request.param))


def test_all_scenarios_load_and_say_what_should_become_of_them() -> None:
    scenarios = load_scenarios()
    assert len(scenarios) >= 90
    left = [scenario for scenario in scenarios if scenario.expected["outcome"] != "resolved"]
    assert len(left) * 3 >= len(scenarios), "a third is to be handed over or left alone"
    assert {scenario.family for scenario in scenarios} == FAMILIES
    assert {scenario.expected["outcome"] for scenario in scenarios} <= OUTCOMES
    assert all(scenario.check for scenario in scenarios)
    assert 5 <= sum(not scenario.shows for scenario in scenarios) <= 30, "some emit no event, and most do"


def test_the_demonstration_has_six_of_them() -> None:
    assert [scenario.name for scenario in demo_scenarios()] == DEMO


def test_a_repair_is_allowed_to_change_something_and_nobody_else_is() -> None:
    for scenario in load_scenarios():
        may_change = scenario.expected["outcome"] in ("resolved", "rolled_back")
        assert scenario.allow or not may_change, scenario.name
        assert may_change or not scenario.allow or len(scenario.setup) > 1, "what is for a person is not changed"


def test_what_is_for_a_person_says_which_cause_it_has() -> None:
    for scenario in load_scenarios():
        if scenario.expected["outcome"] == "escalated":
            assert scenario.expected["cause"], scenario.name


def test_a_known_gap_is_of_a_repair_and_what_is_untold_of_a_hand_over() -> None:
    for scenario in load_scenarios():
        repairable = scenario.expected["outcome"] == "resolved"
        assert not scenario.gap or repairable, scenario.name
        assert not scenario.untold or not repairable, scenario.name


@pytest.mark.conformance  # a cluster's seconds for each of more than twenty families
async def test_one_of_each_family_breaks_as_it_says_and_what_is_well_becomes_well() -> None:
    """Drawn by the commit; `make scenarios` has them all, and the program at work on them."""
    with EmbeddedCluster(nodes=3, speed=40) as cluster:
        async with (
            ApiClient(Connection(cluster.server, cluster.token("admin"))) as client,
            asyncio.timeout(60),
            asyncio.TaskGroup() as group,
        ):
            for scenario in one_per_family(load_scenarios(), seed=seed()):
                group.create_task(_breaks_as_it_says(client, scenario))


async def _breaks_as_it_says(client: ApiClient, scenario: Scenario) -> None:
    await apply_setup(client, scenario)
    if scenario.breaks:
        await _until(lambda: settled(client, scenario))
    await apply_break(client, scenario)
    await _until(lambda: _nothing(missing_signs(client, scenario)))
    if scenario.expected["outcome"] == "left_alone":
        await _until(lambda: _nothing(check(client, scenario)))


async def _nothing(found: Awaitable[Sequence[object]]) -> bool:
    return not await found


async def _until(look: Callable[[], Awaitable[bool]]) -> None:
    """The caller's timeout is the deadline; what is waited for is another process's doing."""
    for _ in range(100_000):
        if await look():
            return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("stage", ["image-typo"], indirect=True)
async def test_the_image_typo_is_well_again_with_the_tag_that_was_meant(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("Failed", "nginx:1.27-alpnie: not found")
    assert await check(stage.world.client, stage.scenario)
    await stage.patch("web", {"name": "nginx", "image": "nginx:1.27-alpine"})
    await stage.ends_well()


@pytest.mark.parametrize("stage", ["oom"], indirect=True)
async def test_the_small_limit_is_well_at_twice_its_size(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("BackOff")
    assert await check(stage.world.client, stage.scenario)
    await stage.patch("worker", {"name": "worker", "resources": {"limits": {"memory": "128Mi"}}})
    await stage.ends_well()


@pytest.mark.parametrize("stage", ["crash-after-rollout"], indirect=True)
async def test_the_bad_version_is_well_after_going_back(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("BackOff")
    status = (await stage.world.client.get(DEPLOYMENTS, "checkout", stage.scenario.namespace))["status"]
    assert status["readyReplicas"] == 2
    await stage.patch("checkout", {"name": "checkout", "image": "registry.example/shop/checkout:1.1.0"})
    await stage.ends_well()


@pytest.mark.parametrize("stage", ["leak"], indirect=True)
async def test_the_leak_is_killed_again_at_a_higher_limit(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("BackOff")
    await stage.patch("cache", {"name": "cache", "resources": {"limits": {"memory": "256Mi"}}})
    assert await check(stage.world.client, stage.scenario)

    async def killed_again() -> bool:
        pods = await stage.world.client.list(PODS, stage.scenario.namespace)
        return any(_limit(pod) == "256Mi" and _was_killed(pod) for pod in pods["items"])

    await stage.world.eventually(killed_again)


def _limit(pod: dict[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])


def _was_killed(pod: dict[str, Any]) -> bool:
    (status,) = pod["status"].get("containerStatuses") or [{}]
    return bool((status.get("lastState") or {}).get("terminated", {}).get("reason") == "OOMKilled")


@pytest.mark.parametrize("stage", ["ambiguous"], indirect=True)
async def test_the_ambiguous_one_crashes_and_ends_well_untouched(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("BackOff")
    assert await check(stage.world.client, stage.scenario) == []
    await stage.patch("reconciler", {"name": "reconciler", "env": [{"name": "A", "value": "b"}]})
    assert await check(stage.world.client, stage.scenario)


@pytest.mark.parametrize("stage", ["slow-starter"], indirect=True)
async def test_the_slow_starter_warns_and_then_becomes_well_by_itself(stage: Stage) -> None:
    await stage.breaks()
    await stage.shows("Unhealthy", "connection refused")
    assert await check(stage.world.client, stage.scenario)
    await stage.ends_well()


def test_an_unknown_scenario_is_named_with_those_there_are() -> None:
    with pytest.raises(ScenarioError, match="no scenario 'typo'; known are ambiguous"):
        load_scenario("typo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("name: a\n", "field 'name' is missing; add it"),
        ("+color: red\n", "unknown field 'color'"),
        ("+break: [{kind: Deploy, name: web, patch: {}}]\n", "kind 'Deploy' is not known"),
        ("+break: [{kind: Deployment, patch: {}}]\n", "field 'name' is missing in an entry"),
        ("+shows: [{kind: Pod}]\n", "field 'reason' is missing in an entry"),
        ("+allow: [{kind: Deployment, name: web, paths: [spec]}]\n", "must be a JSON pointer"),
    ],
)
def test_a_bad_file_is_refused_with_its_field(tmp_path: Path, change: str, message: str) -> None:
    text = MINIMAL + change[1:] if change.startswith("+") else MINIMAL.replace(change, "")
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        read_scenario(path)


def test_an_object_without_a_namespace_has_to_carry_the_scenarios_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    node = "{apiVersion: v1, kind: Node, metadata: {name: big}}"
    path.write_text(MINIMAL.replace("setup: [", f"setup: [{node}, "), encoding="utf-8")
    with pytest.raises(ScenarioError, match="Node 'big' has no namespace; begin its name with 'shop-a'"):
        read_scenario(path)


def test_a_warning_that_comes_and_goes_has_to_say_why(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(f"{MINIMAL}sometimes: [{{reason: Unhealthy}}]", encoding="utf-8")
    with pytest.raises(ScenarioError, match="field 'because' is missing"):
        read_scenario(path)
    path.write_text(f"{MINIMAL}sometimes: [{{reason: Unhealthy, because: who knows}}]", encoding="utf-8")
    assert [(item.reason, item.because) for item in read_scenario(path).sometimes] == [("Unhealthy", "who knows")]


def test_a_good_file_is_read_with_its_namespace_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    assert read_scenario(path).setup[0]["metadata"]["namespace"] == "shop-a"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "must be a list with at least one"),
        ([{"healthy": {}}], "must be a mapping with one key of"),
        ([{"exists": {"name": "a", "size": 1}}], "unknown field 'size'"),
        ([{"field": {"name": "a", "path": "/x"}}], "one of equals, matches, original"),
        ([{"exists": {}}], "name is missing"),
    ],
)
def test_an_expectation_that_says_nothing_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_expectations(raw, "check")


def test_a_deployment_with_a_pod_of_an_old_revision_left_is_not_yet_available() -> None:
    (wanted,) = parse_expectations([{"available": {"name": "web", "replicas": 2}}], "check")
    status = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    live = {
        "metadata": {"generation": 1},
        "spec": {"template": {"spec": {"containers": [{"image": "nginx:1.27"}]}}},
        "status": status | {"replicas": 3},
    }
    assert problems_of(wanted, live, []) == ["Deployment web: replicas is 3, not 2"]
    assert problems_of(wanted, None, []) == ["Deployment web does not exist"]


def test_pointers_lead_into_lists_and_past_escapes() -> None:
    document = {"a/b": [{"c": 1}]}
    assert at_pointer(document, "/a~1b/0/c") == 1
    assert at_pointer(document, "/a~1b/1/c") != at_pointer(document, "/a~1b/0/c")
