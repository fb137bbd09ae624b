"""What a node does for itself: it rejects, evicts, reports pressure, and resizes pods where they are."""

from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH
from simulator.resources import NODES, PODS
from tests.simulator.world import NAMESPACE, World, alone, container, running_world

RECORDER = "registry.example/shop/recorder:2.2.0"
ANALYTICS = "registry.example/shop/analytics:1.0.0"
CACHE = "registry.example/shop/cache:5.1.0"


async def failed(world: World, name: str = "pod") -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status = (await world.pod(name) or {}).get("status", {})
        return status if status.get("phase") == "Failed" else None

    return dict(await world.eventually(look))


async def test_a_pod_that_writes_more_than_its_limit_is_evicted() -> None:
    limits = {"limits": {"ephemeral-storage": "32Mi"}}
    async with running_world() as world:
        await world.run_pod(alone(RECORDER, resources=limits))
        status = await failed(world)
        text = "Pod ephemeral local storage usage exceeds the total limit of containers 32Mi. "
        assert (status["reason"], status["message"]) == ("Evicted", text)
        assert (await world.event("Evicted"))["message"] == text
        assert not [item for item in status["conditions"] if item["type"] == "DisruptionTarget"]


async def test_an_empty_dir_has_a_limit_of_its_own() -> None:
    mounts = [{"name": "spool", "mountPath": "/var/lib/recorder"}]
    volumes = [{"name": "spool", "emptyDir": {"sizeLimit": "16Mi"}}]
    async with running_world() as world:
        await world.run_pod({"containers": [container(RECORDER, volumeMounts=mounts)], "volumes": volumes})
        assert (await failed(world))["message"] == 'Usage of EmptyDir volume "spool" exceeds the limit "16Mi". '


async def test_a_node_that_runs_out_of_memory_says_so_and_evicts_who_took_more_than_asked() -> None:
    async with running_world(nodes=1) as world:
        for name in ("one", "two", "three"):
            asked = {"requests": {"memory": "6200Mi" if name == "one" else "1Gi"}}
            await world.run_pod(alone(ANALYTICS, resources=asked), name=name)
        event = await world.event("Evicted")
        assert event["message"].startswith(
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: "
        )
        assert event["message"].endswith(
            "Container main was using 6000Mi, request is 1Gi, has larger consumption of memory. "
        )
        assert event["involvedObject"]["name"] in ("two", "three")
        status = await failed(world, event["involvedObject"]["name"])
        (condition,) = [item for item in status["conditions"] if item["type"] == "DisruptionTarget"]
        assert (condition["status"], condition["reason"]) == ("True", "TerminationByKubelet")

        async def pressed() -> bool:
            node = await world.client.get(NODES, "node-1")
            found = {item["type"]: item for item in node["status"]["conditions"]}
            return bool(found["MemoryPressure"]["reason"] == "KubeletHasInsufficientMemory")

        await world.eventually(pressed)


async def test_a_pod_that_names_its_node_is_rejected_where_it_does_not_fit() -> None:
    wanted = alone("nginx:1.28", resources={"requests": {"cpu": "9"}}) | {"nodeName": "node-1"}
    async with running_world(nodes=1) as world:
        await world.run_pod(wanted)
        status = await failed(world)
        text = "Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 8000"
        assert (status["reason"], status["message"]) == ("OutOfcpu", f"Pod was rejected: {text}")
        assert (await world.event("OutOfcpu"))["message"] == text


async def resize(world: World, **memory: str) -> None:
    change = {
        "spec": {"containers": [{"name": "main", "resources": {part: {"memory": memory[part]} for part in memory}}]}
    }
    await world.client.patch(PODS, "pod", change, NAMESPACE, subresource="resize", content_type=STRATEGIC_MERGE_PATCH)


async def running(world: World) -> bool:
    pod = await world.pod("pod") or {}
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return "running" in statuses[0].get("state", {})


async def test_more_memory_is_given_in_place_and_the_program_lives_longer() -> None:
    async with running_world() as world:
        limits = {"requests": {"memory": "64Mi"}, "limits": {"memory": "512Mi"}}
        await world.run_pod(alone(CACHE, resources=limits))
        await world.eventually(lambda: running(world))
        await resize(world, limits="2Gi")

        async def given() -> bool:
            status = await world.container()
            return bool(status.get("resources", {}).get("limits") == {"memory": "2Gi"})

        await world.eventually(given)
        status = await world.container()
        assert (status["restartCount"], status["allocatedResources"]) == (0, {"memory": "64Mi"})
        assert (await world.event("ResizeStarted"))["message"].startswith(
            'Pod resize started: {"containers":[{"name":"main"'
        )
        await world.event("ResizeCompleted")


async def test_a_resize_that_does_not_fit_is_deferred_until_there_is_room() -> None:
    async with running_world(nodes=1) as world:
        await world.run_pod(alone("nginx:1.28", resources={"requests": {"memory": "64Mi"}}))
        await world.run_pod(alone("nginx:1.28", resources={"requests": {"memory": "10Gi"}}), name="other")
        await world.eventually(lambda: running(world))
        await resize(world, requests="8Gi")
        event = await world.event("ResizeDeferred")
        numbers = "requested: 8589934592, used: 10737418240, capacity: 16106127360"
        text = f"Node didn't have enough resource: memory, {numbers}"
        assert event["type"] == "Warning"
        assert event["message"].startswith("Pod resize OutOfmemory: ")
        assert text in event["message"]
        condition = await world.eventually(lambda: pending(world))
        assert (condition["reason"], condition["message"]) == ("Deferred", text)
        await world.client.delete(PODS, "other", NAMESPACE)
        await world.event("ResizeCompleted")

        async def done() -> bool:
            return await pending(world) is None

        await world.eventually(done)


async def pending(world: World) -> dict[str, Any] | None:
    conditions = (await world.pod("pod") or {})["status"]["conditions"]
    return next((item for item in conditions if item["type"] == "PodResizePending"), None)
