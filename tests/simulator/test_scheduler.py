"""The scheduler: what fits goes somewhere, what does not is told why."""

from typing import Any

import pytest

from simulator.node_fit import PodRequests, refusal, requests_of
from simulator.resources import NODES, PODS
from tests.simulator.world import NAMESPACE, alone, running_world


async def test_a_pod_that_asks_for_too_much_is_refused_in_the_real_words() -> None:
    async with running_world(nodes=3) as world:
        await world.run_pod(alone("nginx:1.27", resources={"requests": {"cpu": "64", "memory": "1Ti"}}))
        event = await world.event("FailedScheduling")
        assert event["message"] == (
            "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory. preemption: 0/3 nodes are "
            "available: 3 Preemption is not helpful for scheduling."
        )
        assert event["reportingComponent"] == "default-scheduler"
        pod = await world.client.get(PODS, "pod", NAMESPACE)
        (condition,) = pod["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")


async def test_a_full_node_frees_its_room_again() -> None:
    large = alone("nginx:1.27", resources={"requests": {"cpu": "5"}})
    async with running_world(nodes=1) as world:
        await world.run_pod(large, "first")
        await world.eventually(lambda: scheduled(world, "first"))
        await world.run_pod(large, "second")
        message = (await world.event("FailedScheduling"))["message"]
        assert message == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 No preemption victims found for incoming pod."
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


def node(**spec: Any) -> dict[str, Any]:
    room = {"cpu": "2", "memory": "1Gi", "pods": "2"}
    return {
        "metadata": {"name": "n", "labels": {"disk": "ssd"}},
        "spec": spec,
        "status": {"allocatable": room},
    }


def pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c"}], **fields}}


@pytest.mark.parametrize(
    ("wanted", "where", "reasons"),
    [
        (pod(nodeSelector={"disk": "hdd"}), node(), ("node(s) didn't match Pod's node affinity/selector",)),
        (pod(nodeSelector={"disk": "ssd"}), node(), ()),
        (pod(), node(taints=[{"key": "a", "effect": "NoSchedule"}]), ("node(s) had untolerated taint(s)",)),
        (pod(), node(taints=[{"key": "a", "effect": "PreferNoSchedule"}]), ()),
        (
            pod(tolerations=[{"key": "a", "operator": "Exists"}]),
            node(taints=[{"key": "a", "value": "b", "effect": "NoSchedule"}]),
            (),
        ),
        (
            pod(tolerations=[{"key": "a", "value": "c"}]),
            node(taints=[{"key": "a", "value": "b", "effect": "NoSchedule"}]),
            ("node(s) had untolerated taint(s)",),
        ),
    ],
)
def test_the_first_filter_that_refuses_gives_the_reason(wanted: Any, where: Any, reasons: Any) -> None:
    assert refusal(wanted, requests_of(wanted), where, None).reasons == reasons


def test_a_node_takes_only_as_many_pods_as_it_says() -> None:
    assert refusal(pod(), PodRequests(pods=1), node(), PodRequests(pods=2)).reasons == ("Too many pods",)


def test_init_containers_count_by_their_largest() -> None:
    def asking(cpu: str) -> dict[str, Any]:
        return {"name": cpu, "resources": {"requests": {"cpu": cpu}}}

    wanted = {"spec": {"containers": [asking("100m"), asking("200m")], "initContainers": [asking("1")]}}
    assert requests_of(wanted).millicores == 1000
