"""Nodes that fall silent, taints, eviction, and pods that nobody else would remove."""

from typing import Any

from simulator.controllers.taints import tolerates, untolerated
from simulator.resources import EVENTS, NODES, PODS
from tests.simulator.workloads import template
from tests.simulator.world import NAMESPACE, World, running_world

TAINT = {"key": "broken", "effect": "NoExecute"}


async def ghost(world: World) -> None:
    """A node that was ready once and has nobody to speak for it."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    body = {"metadata": {"name": "ghost"}, "status": {"conditions": [ready]}}
    await world.client.create(NODES, {"apiVersion": "v1", "kind": "Node", **body})


async def bound(world: World, name: str, node: str, *tolerations: dict[str, Any]) -> None:
    spec = template()["spec"] | {"nodeName": node, "tolerations": list(tolerations)}
    await world.run_pod(spec, name)


async def gone(world: World, name: str) -> None:
    async def look() -> bool:
        pod = await world.pod(name)
        return pod is None or "deletionTimestamp" in pod["metadata"]

    await world.eventually(look)


async def node(world: World, name: str) -> dict[str, Any]:
    return await world.client.get(NODES, name)


async def test_a_silent_node_becomes_unknown_is_tainted_and_loses_its_pods() -> None:
    async with running_world() as world:
        await ghost(world)
        brief = {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 5,
        }
        await bound(world, "brief", "ghost", brief)
        await bound(world, "patient", "ghost", {"operator": "Exists"})
        ready = {"type": "Ready", "status": "True"}
        status = {"status": {"phase": "Running", "conditions": [ready]}}
        await world.client.patch(PODS, "patient", status, NAMESPACE, subresource="status")
        event = await world.event("NodeNotReady")
        assert (event["involvedObject"]["name"], event["message"]) == ("patient", "Node is not ready")
        lost = await node(world, "ghost")
        listed = {item["type"]: item for item in lost["status"]["conditions"]}
        assert (listed["Ready"]["status"], listed["Ready"]["reason"]) == ("Unknown", "NodeStatusUnknown")
        assert listed["PIDPressure"]["reason"] == "NodeStatusNeverUpdated"
        await gone(world, "brief")
        marks = {(item["key"], item["effect"]) for item in (await node(world, "ghost"))["spec"]["taints"]}
        assert marks == {("node.kubernetes.io/unreachable", effect) for effect in ("NoSchedule", "NoExecute")}
        told = await world.event("TaintManagerEviction")
        assert told["message"] == "Marking for deletion Pod shop/brief"
        patient = await world.pod("patient")
        assert patient is not None
        assert patient["status"]["conditions"][0]["status"] == "False"
        assert "deletionTimestamp" not in patient["metadata"]


async def test_a_cordon_is_a_taint_and_is_lifted_again() -> None:
    async with running_world() as world:

        async def marks() -> list[str]:
            return [item["key"] for item in (await node(world, "node-1"))["spec"].get("taints") or ()]

        async def cordoned() -> bool:
            return await marks() == ["node.kubernetes.io/unschedulable"]

        async def free() -> bool:
            return await marks() == []

        await world.client.patch(NODES, "node-1", {"spec": {"unschedulable": True}})
        await world.eventually(cordoned)
        await world.client.patch(NODES, "node-1", {"spec": {"unschedulable": None}})
        await world.eventually(free)


async def test_a_planned_eviction_is_called_off_when_the_taint_goes() -> None:
    async with running_world() as world:
        a_day = {"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 100_000}
        await bound(world, "pod", "node-1", a_day)
        await world.client.patch(NODES, "node-1", {"spec": {"taints": [TAINT]}})
        await bound(world, "other", "node-1")
        await world.event("TaintManagerEviction", "Marking for deletion Pod shop/other")
        await world.client.patch(NODES, "node-1", {"spec": {"taints": None}})
        await world.event("TaintManagerEviction", "Cancelling deletion of Pod shop/pod")


async def test_pods_of_a_node_that_is_gone_are_removed() -> None:
    async with running_world() as world:
        await ghost(world)
        await bound(world, "pod", "ghost", {"operator": "Exists"})

        async def told(message: str) -> bool:
            found = (await world.client.list(EVENTS, "default"))["items"]
            return f"Node ghost event: {message}" in {item["message"] for item in found}

        await world.eventually(lambda: told("Registered Node ghost in Controller"))
        await world.client.delete(NODES, "ghost")

        async def removed() -> bool:
            return await world.pod("pod") is None

        await world.eventually(removed)
        await world.eventually(lambda: told("Removing Node ghost from Controller"))


def test_a_toleration_covers_what_it_names_and_leaving_out_means_all() -> None:
    taint = TAINT | {"value": "yes"}
    assert tolerates({"operator": "Exists"}, taint)
    assert tolerates({"key": "broken", "value": "yes"}, taint)
    assert not tolerates({"key": "broken", "value": "no"}, taint)
    assert not tolerates({"key": "broken", "operator": "Exists", "effect": "NoSchedule"}, taint)
    assert not tolerates({"value": "yes"}, taint)
    assert untolerated([taint], [], effects=("NoExecute",)) == [taint]
    assert untolerated([taint], [], effects=("NoSchedule",)) == []
