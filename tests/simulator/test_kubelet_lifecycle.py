"""The life of a pod: init containers and sidecars in their order, hooks, last words, deadlines, changes in place."""

from typing import Any

import orjson

from simulator.api_client import STRATEGIC_MERGE_PATCH
from simulator.resources import PODS
from tests.simulator.world import NAMESPACE, World, alone, container, running_world

PROXY = "registry.example/shop/mesh-proxy:1.24.0"
WEB = "registry.example/shop/web:2.4.1"


def sidecar(**fields: Any) -> dict[str, Any]:
    return container(PROXY, restartPolicy="Always", **fields) | {"name": "proxy"}


def shell(name: str, script: str) -> dict[str, Any]:
    return container("busybox:1.37", command=["sh", "-c", script]) | {"name": name}


async def phase(world: World, wanted: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status = (await world.pod() or {}).get("status", {})
        return status if status.get("phase") == wanted else None

    return dict(await world.eventually(look))


async def until_ready(world: World) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        pod = await world.pod() or {}
        conditions = {item["type"]: item["status"] for item in pod.get("status", {}).get("conditions") or ()}
        return pod if conditions.get("Ready") == "True" else None

    return dict(await world.eventually(look))


async def moments(world: World, reason: str) -> list[str]:
    """The containers that the events of that reason are about, in order."""
    return [event["involvedObject"]["fieldPath"] for event in await world.events(reason)]


async def test_a_sidecar_starts_before_the_rest_and_runs_beside_it() -> None:
    async with running_world() as world:
        spec = {"initContainers": [sidecar(), shell("prepare", "sleep 1")], "containers": [container(WEB)]}
        await world.run_pod(spec)
        pod = await until_ready(world)
        proxy, prepare = pod["status"]["initContainerStatuses"]
        assert (proxy["started"], proxy["ready"], "running" in proxy["state"]) == (True, True, True)
        assert prepare["state"]["terminated"]["exitCode"] == 0
        expected = ["spec.initContainers{proxy}", "spec.initContainers{prepare}", "spec.containers{main}"]
        assert await moments(world, "Started") == expected


async def test_a_sidecar_that_does_not_start_keeps_the_pod_from_initializing() -> None:
    probe = {"httpGet": {"path": "/ready", "port": 15020}, "periodSeconds": 1, "failureThreshold": 2}
    async with running_world() as world:
        await world.run_pod({"initContainers": [sidecar(startupProbe=probe)], "containers": [container(WEB)]})
        await world.event("Killing", "Container proxy failed startup probe, will be restarted")
        status = await phase(world, "Pending")
        (condition,) = [item for item in status["conditions"] if item["type"] == "Initialized"]
        assert condition["message"] == "containers with incomplete status: [proxy]"


async def test_sidecars_end_after_the_work_is_done_and_do_not_count() -> None:
    async with running_world() as world:
        spec = {"initContainers": [sidecar()], "containers": [shell("main", "exit 0")], "restartPolicy": "Never"}
        await world.run_pod(spec)
        status = await phase(world, "Succeeded")
        assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


async def test_a_sidecar_is_stopped_last() -> None:
    slow = {"preStop": {"sleep": {"seconds": 2}}}
    async with running_world(speed=10) as world:
        await world.run_pod({"initContainers": [sidecar()], "containers": [container(WEB, lifecycle=slow)]})
        await until_ready(world)
        await world.client.delete(PODS, "pod", NAMESPACE)

        async def gone() -> bool:
            return await world.pod() is None

        await world.eventually(gone)
        assert set(await moments(world, "Killing")) == {"spec.containers{main}", "spec.initContainers{proxy}"}
        assert _ends(world) == [(True, False), (True, True)]


def _ends(world: World) -> list[tuple[bool, bool]]:
    """Whether main and proxy had ended, for every status written in which one of them had."""
    seen: dict[str, Any] = {}
    found = []
    for request in world.cluster.requests():
        if request.path.endswith("/pods/pod/status") and request.body:
            seen |= orjson.loads(request.body)["status"]
            parts = ("containerStatuses", "initContainerStatuses")
            main, proxy = ("terminated" in (seen.get(part) or [{"state": {}}])[0]["state"] for part in parts)
            if (main or proxy) and (main, proxy) not in found:
                found.append((main, proxy))
    return found


async def test_a_program_leaves_its_last_words_in_the_status() -> None:
    async with running_world() as world:
        spec = alone("registry.example/shop/migrate:7") | {"restartPolicy": "Never"}
        await world.run_pod(spec)
        ended = (await phase(world, "Failed"))["containerStatuses"][0]["state"]["terminated"]
        assert (ended["exitCode"], ended["message"]) == (3, "migration 0007 failed")


async def test_the_end_of_the_log_stands_in_for_last_words_where_that_is_asked_for() -> None:
    async with running_world() as world:
        fields = {
            "command": ["sh", "-c", "echo one; echo two; exit 1"],
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        await world.run_pod(alone("busybox:1.37", **fields) | {"restartPolicy": "Never"})
        ended = (await phase(world, "Failed"))["containerStatuses"][0]["state"]["terminated"]
        assert ended["message"] == "one\ntwo\n"


async def test_a_pod_that_is_active_for_too_long_fails_and_stays() -> None:
    async with running_world() as world:
        await world.run_pod(alone(WEB) | {"activeDeadlineSeconds": 5})
        status = await phase(world, "Failed")
        text = "Pod was active on the node longer than the specified deadline"
        assert (status["reason"], status["message"]) == ("DeadlineExceeded", text)
        event = await world.event("DeadlineExceeded")
        assert (event["type"], event["message"]) == ("Normal", text)


async def test_another_image_in_place_restarts_the_container() -> None:
    async with running_world() as world:
        await world.run_pod(alone(WEB))
        await until_ready(world)
        change = {"spec": {"containers": [{"name": "main", "image": "registry.example/shop/web:2.4.0"}]}}
        await world.client.patch(PODS, "pod", change, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH)
        await world.event("Killing", "Container main definition changed, will be restarted")

        async def runs_the_other() -> bool:
            status = await world.container()
            return bool(status.get("ready") and status["image"].endswith(":2.4.0") and status["restartCount"] == 1)

        await world.eventually(runs_the_other)


async def test_a_program_that_ends_without_its_upstream_runs_once_that_is_there() -> None:
    async with running_world() as world:
        await world.run_pod(alone("registry.example/shop/orders:1.1.0"))
        await world.waits("CrashLoopBackOff")
        await world.run_pod(alone("registry.example/shop/ledger-db:17.2"), name="db")
        await world.client.patch(PODS, "db", {"metadata": {"labels": {"app": "db"}}}, NAMESPACE)
        service = {"selector": {"app": "db"}, "ports": [{"port": 5432}]}
        metadata = {"name": "ledger-db", "namespace": NAMESPACE}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}
        await world.client.request("POST", f"/api/v1/namespaces/{NAMESPACE}/services", body=body)

        async def runs() -> bool:
            pod = await world.pod("pod") or {}
            return bool(pod["status"]["containerStatuses"][0]["ready"])

        await world.eventually(runs)


async def test_what_somebody_else_has_said_of_its_readiness_is_put_right() -> None:
    async with running_world() as world:
        await world.run_pod({"containers": [container(WEB)]})
        ready = next(item for item in (await until_ready(world))["status"]["conditions"] if item["type"] == "Ready")
        lost = {"status": {"conditions": [ready | {"status": "False", "reason": "SaidSo"}]}}
        name = (await world.pod() or {})["metadata"]["name"]
        changed = await world.client.patch(
            PODS, name, lost, NAMESPACE, subresource="status", content_type=STRATEGIC_MERGE_PATCH
        )
        assert "SaidSo" in orjson.dumps(changed).decode()
        again = await until_ready(world)
    assert "SaidSo" not in orjson.dumps(again).decode()
