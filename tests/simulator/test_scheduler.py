"""The scheduler: what fits goes somewhere, what does not is told why."""

from typing import Any

from simulator.api_client import Resource
from simulator.resources import NODES, PODS
from tests.simulator.world import NAMESPACE, alone, running_world

_PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
_HOPELESS = "no new claims to deallocate, preemption: 0/{0} nodes are available: {0} "


async def test_a_pod_that_asks_for_too_much_is_refused_in_the_real_words() -> None:
    async with running_world(nodes=3) as world:
        await world.run_pod(alone("nginx:1.27", resources={"requests": {"cpu": "64", "memory": "1Ti"}}))
        event = await world.event("FailedScheduling")
        assert event["message"] == (
            "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory. "
            + _HOPELESS.format(3)
            + "Preemption is not helpful for scheduling."
        )
        assert event["reportingComponent"] == "default-scheduler"
        (condition,) = await world.eventually(lambda: conditions(world))
        assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
        assert condition["message"] == event["message"]


async def conditions(world: Any) -> Any:
    return (await world.client.get(PODS, "pod", NAMESPACE))["status"].get("conditions")


async def test_a_full_node_frees_its_room_again() -> None:
    large = alone("nginx:1.27", resources={"requests": {"cpu": "5"}})
    async with running_world(nodes=1) as world:
        await world.run_pod(large, "first")
        await world.eventually(lambda: scheduled(world, "first"))
        await world.run_pod(large, "second")
        message = (await world.event("FailedScheduling"))["message"]
        assert message == (
            "0/1 nodes are available: 1 Insufficient cpu. "
            + _HOPELESS.format(1)
            + "No preemption victims found for incoming pod."
        )
        await world.client.delete(PODS, "first", NAMESPACE)
        await world.eventually(lambda: scheduled(world, "second"))


async def scheduled(world: Any, name: str) -> bool:
    pod = await world.client.get(PODS, name, NAMESPACE)
    return bool(pod["spec"].get("nodeName"))


async def test_a_cordoned_node_is_not_used_until_it_is_uncordoned() -> None:
    async with running_world(nodes=1) as world:
        await world.client.patch(NODES, "node-1", {"spec": {"unschedulable": True}})
        await world.run_pod(alone("nginx:1.27"))
        message = (await world.event("FailedScheduling"))["message"]
        assert "0/1 nodes are available: 1 node(s) were unschedulable." in message
        await world.client.patch(NODES, "node-1", {"spec": {"unschedulable": None}})
        await world.eventually(lambda: scheduled(world, "pod"))


async def test_pods_of_one_owner_are_spread() -> None:
    async with running_world(nodes=2) as world:
        await world.deploy()
        await world.rolled_out()
        assert {item["spec"]["nodeName"] for item in await world.all(PODS)} == {"node-1", "node-2"}


async def test_a_more_important_pod_takes_the_place_of_a_lesser_one() -> None:
    large = alone("nginx:1.27", resources={"requests": {"cpu": "5"}}) | {"terminationGracePeriodSeconds": 1}
    async with running_world(nodes=1) as world:
        body = {"metadata": {"name": "high"}, "value": 1000}
        await world.client.create(_PRIORITY_CLASSES, body)
        await world.run_pod(large, "lesser")
        await world.eventually(lambda: scheduled(world, "lesser"))
        await world.run_pod(large | {"priorityClassName": "high"}, "important")
        event = await world.event("Preempted")
        important = await world.client.get(PODS, "important", NAMESPACE)
        assert event["involvedObject"]["name"] == "lesser"
        assert event["message"] == f"Preempted by pod {important['metadata']['uid']} on node node-1"
        assert (await world.event("FailedScheduling"))["message"] == "0/1 nodes are available: 1 Insufficient cpu."
        await world.eventually(lambda: scheduled(world, "important"))


async def test_a_missing_claim_is_named_before_any_node_is_looked_at() -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "nope"}}]
    async with running_world(nodes=2) as world:
        await world.run_pod(alone("nginx:1.27") | {"volumes": volumes})
        message = (await world.event("FailedScheduling"))["message"]
        assert message == '0/2 nodes are available: persistentvolumeclaim "nope" not found. not found'
