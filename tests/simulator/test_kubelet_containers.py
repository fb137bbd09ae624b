"""Containers: configuration, crashes, memory, probes, the end of a pod."""

from pathlib import Path

import httpx
import pytest

from simulator.api_client import ApiError
from simulator.clock import SimClock
from simulator.kubelet.catalogue import Catalogue, CatalogueError, Exit, Program, load_catalogue
from simulator.kubelet.execution import StartError, Surroundings, plan
from simulator.kubelet.process import Process
from simulator.kubelet.programs import Needs, Upstream
from simulator.resources import CONFIG_MAPS, PODS
from tests.simulator.world import NAMESPACE, World, alone, container, running_world


async def ready(world: World) -> bool:
    return bool((await world.container()).get("ready"))


async def logs(world: World, **query: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=world.cluster.server) as http:
        headers = {"Authorization": f"Bearer {world.cluster.token('admin')}"}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/pod/log"
        return await http.get(path, params=query, headers=headers)


@pytest.mark.parametrize(
    ("image", "ages"),
    [("panorama:1.6.0", {0: 0, 2: 48, 10: 112, 900: 112}), ("sniffer:0.8.0", {2: 96, 10: 480, 900: 43_200})],
)
def test_a_program_writes_until_it_has_all_that_it_needs_or_without_end(image: str, ages: dict[float, float]) -> None:
    program = load_catalogue().program(f"registry.example/shop/{image.split(':')[0]}", image.split(":")[1])
    assert program is not None
    execution = plan(program, {}, Surroundings())
    assert {age: execution.disk_mebibytes(age) for age in ages} == ages


async def test_a_missing_config_map_key_blocks_the_container_until_it_is_there() -> None:
    variable = {"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "api", "key": "url"}}}
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", env=[variable]))
        waiting = await world.waits("CreateContainerConfigError")
        assert waiting["message"] == 'configmap "api" not found'
        assert (await world.event("Failed"))["message"] == 'Error: configmap "api" not found'
        body = {"metadata": {"name": "api", "namespace": NAMESPACE}, "data": {"other": "1"}}
        await world.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap"} | body)
        await world.event("Failed", "couldn't find key url in ConfigMap shop/api")
        await world.client.patch(CONFIG_MAPS, "api", {"data": {"url": "x"}}, NAMESPACE)
        await world.eventually(lambda: ready(world))


async def test_a_missing_volume_keeps_the_pod_creating() -> None:
    volumes = [{"name": "config", "configMap": {"name": "app-config"}}]
    mounts = [{"name": "config", "mountPath": "/etc/app"}]
    async with running_world() as world:
        await world.run_pod({"containers": [container("nginx:1.27", volumeMounts=mounts)], "volumes": volumes})
        event = await world.event("FailedMount")
        assert event["message"] == 'MountVolume.SetUp failed for volume "config" : configmap "app-config" not found'
        assert "fieldPath" not in event["involvedObject"]
        await world.waits("ContainerCreating")


async def test_a_program_that_crashes_is_restarted_with_the_real_back_off() -> None:
    async with running_world() as world:
        pod = await world.run_pod(alone("registry.example/shop/reconciler:0.4.0"))
        name = f"pod_{NAMESPACE}({pod['metadata']['uid']})"
        waiting = await world.waits("CrashLoopBackOff")
        assert waiting["message"] == f"back-off 10s restarting failed container=main pod={name}"
        status = await world.container()
        ended = status["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"], status["restartCount"]) == (1, "Error", 1)
        event = await world.event("BackOff")
        assert event["message"] == f"Back-off restarting failed container main in pod {name}"
        assert (event["type"], event["source"]["component"]) == ("Warning", "kubelet")
        await world.eventually(lambda: second_back_off(world))


async def second_back_off(world: World) -> bool:
    state = (await world.container()).get("state", {})
    return "back-off 20s" in state.get("waiting", {}).get("message", "")


async def test_memory_beyond_the_limit_is_a_kill_that_leaves_no_event() -> None:
    limits = {"limits": {"memory": "64Mi"}}
    async with running_world() as world:
        await world.run_pod(alone("registry.example/shop/worker:3.2.0", resources=limits))
        await world.waits("CrashLoopBackOff")
        ended = (await world.container())["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
        assert {event["reason"] for event in await world.events() if event["type"] == "Warning"} <= {"BackOff"}


async def test_twice_the_limit_is_enough_for_the_same_program() -> None:
    resources = {"limits": {"memory": "128Mi"}}
    catalogue = load_catalogue()
    program = catalogue.program("registry.example/shop/worker", "3.2.0")
    assert program is not None
    assert plan(program, {"resources": resources}, Surroundings()).end is None


@pytest.mark.parametrize(("limit", "within"), [("64Mi", 15), ("128Mi", 15), ("256Mi", 45), ("512Mi", 45)])
def test_the_leak_is_killed_at_every_limit_that_a_repair_may_try(limit: str, within: float) -> None:
    program = load_catalogue().program("registry.example/shop/cache", "5.1.0")
    assert program is not None
    container = {"resources": {"limits": {"memory": limit}}}
    end = plan(program, container, Surroundings()).ends(container)
    assert end is not None
    assert (end.code, end.reason) == (137, "OOMKilled")
    assert end.after_seconds < within


async def test_readiness_follows_what_the_program_answers() -> None:
    probe = {"httpGet": {"path": "/nothing", "port": 80}, "periodSeconds": 1}
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", readinessProbe=probe))
        event = await world.event("Unhealthy", "404")
        assert event["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 404"
        status = await world.container()
        assert (status["ready"], status["started"], status["restartCount"]) == (False, True, 0)
        conditions = {item["type"]: item for item in (await world.pod() or {})["status"]["conditions"]}
        assert conditions["Ready"]["message"] == "containers with unready status: [main]"


async def test_a_failed_liveness_probe_kills_and_restarts() -> None:
    probe = {"tcpSocket": {"port": 81}, "periodSeconds": 1, "failureThreshold": 2}
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", livenessProbe=probe))
        event = await world.event("Killing")
        assert event["message"] == "Container main failed liveness probe, will be restarted"
        failed = (await world.event("Unhealthy"))["message"]
        assert failed.startswith("Liveness probe failed: dial tcp 10.244.")
        assert failed.endswith(":81: connect: connection refused")

        async def restarted() -> bool:
            return bool((await world.container()).get("restartCount"))

        await world.eventually(restarted)


async def test_a_startup_probe_holds_the_others_back() -> None:
    fields = {
        "startupProbe": {
            "httpGet": {"path": "/ready", "port": 9200},
            "periodSeconds": 5,
            "failureThreshold": 30,
        },
        "livenessProbe": {"httpGet": {"path": "/", "port": 9200}, "periodSeconds": 1, "failureThreshold": 1},
    }
    async with running_world() as world:
        await world.run_pod(alone("registry.example/shop/search:4.3.0", **fields))
        assert "Startup probe failed: Get " in (await world.event("Unhealthy"))["message"]
        await world.eventually(lambda: ready(world))
        assert (await world.container())["restartCount"] == 0
        assert not [event for event in await world.events("Unhealthy") if "Liveness" in event["message"]]


async def test_a_command_that_does_not_exist_fails_to_start() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", command=["ngnix"]))
        await world.waits("CrashLoopBackOff")
        ended = (await world.container())["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
        assert 'exec: "ngnix": executable file not found in $PATH' in ended["message"]
        assert (await world.event("Failed", "Error: failed to create containerd task"))["type"] == "Warning"


async def test_run_as_non_root_refuses_an_image_that_runs_as_root() -> None:
    async with running_world() as world:
        pod = await world.run_pod(alone("nginx:1.27", securityContext={"runAsNonRoot": True}))
        waiting = await world.waits("CreateContainerConfigError")
        name = f"pod_{NAMESPACE}({pod['metadata']['uid']})"
        expected = f'container has runAsNonRoot and image will run as root (pod: "{name}", container: main)'
        assert waiting["message"] == expected


async def test_init_containers_come_first_and_one_that_fails_holds_the_rest() -> None:
    async with running_world() as world:
        first = container("busybox:1.36", command=["sh", "-c", "exit 3"]) | {"name": "first"}
        await world.run_pod({"initContainers": [first], "containers": [container("nginx:1.27")]})
        await world.event("BackOff", "container first")
        pod = await world.pod() or {}
        assert pod["status"]["phase"] == "Pending"
        assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
        assert pod["status"]["initContainerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3


@pytest.mark.parametrize(("script", "phase"), [("exit 0", "Succeeded"), ("exit 2", "Failed")])
async def test_a_pod_that_is_never_restarted_ends_as_its_program_did(script: str, phase: str) -> None:
    async with running_world() as world:
        spec = alone("busybox:1.36", command=["sh", "-c", script]) | {"restartPolicy": "Never"}
        await world.run_pod(spec)

        async def ended() -> bool:
            return bool((await world.pod() or {})["status"].get("phase") == phase)

        await world.eventually(ended)


async def test_a_deleted_pod_is_stopped_and_then_removed() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27"))
        await world.eventually(lambda: ready(world))
        await world.client.delete(PODS, "pod", NAMESPACE)

        async def gone() -> bool:
            return await world.pod() is None

        await world.eventually(gone)
        assert (await world.event("Killing"))["message"] == "Stopping container main"


async def test_logs_are_those_of_the_run_that_is_asked_for() -> None:
    async with running_world(speed=10) as world:
        await world.run_pod(alone("registry.example/shop/reconciler:0.4.0"))
        await world.waits("CrashLoopBackOff")
        present, previous = await logs(world), await logs(world, previous="true")
        assert present.text.splitlines()[-1].endswith("reconciler stopped")
        assert present.text == previous.text
        assert len((await logs(world, tailLines="1")).text.splitlines()) == 1


async def test_there_are_no_logs_before_the_first_run() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.72"))
        await world.waits("ImagePullBackOff")
        answer = await logs(world)
        assert answer.status_code == 400
        why = {"trying and failing to pull image", "image can't be pulled"}  # it goes from one to the other and back
        where = 'container "main" in pod "pod" is waiting to start: '
        assert answer.json()["message"] in {where + words for words in why}


async def test_the_pods_of_a_node_report_only_what_has_changed() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27"))
        await world.eventually(lambda: ready(world))
        writes = [item for item in world.cluster.requests() if item.path.endswith("/pods/pod/status")]
        assert 1 <= len(writes) <= 4


def test_needs_that_are_not_met_end_the_program_with_the_line_that_says_so() -> None:
    program = load_catalogue().program("registry.example/shop/api", "1.9.0")
    assert program is not None
    end = plan(program, {}, Surroundings()).end
    assert end is not None
    assert end.logs == ("fatal: required environment variable DATABASE_URL is not set",)
    assert plan(program, {}, Surroundings(variables={"DATABASE_URL"})).end is None


def test_a_port_that_another_container_of_the_pod_listens_on_is_in_use() -> None:
    program = Program(ports={8080: {}})
    end = plan(program, {}, Surroundings(bound={8080})).end
    assert end is not None
    assert end.logs == ("fatal: listen tcp :8080: bind: address already in use",)
    assert plan(program, {}, Surroundings(bound={9090})).end is None


async def test_a_program_logs_each_new_reason_for_which_it_reaches_nobody() -> None:
    reasons: list[str | None] = ["connection refused", "connection refused", None, "i/o timeout"]

    async def reach(upstream: Upstream) -> str | None:
        return reasons.pop(0)

    needs = Needs(upstreams=(Upstream("catalog", 80, "unready"),))
    told: list[str] = []
    execution = plan(Program(needs=needs), {}, Surroundings())
    process = Process(execution, SimClock(), 0.0, reach=reach, log=told.extend)
    assert [await process.lacks_upstream() for _ in range(4)] == [True, True, False, True]
    assert told == [f"{{time}} ERROR cannot reach catalog:80: {why}" for why in ("connection refused", "i/o timeout")]


def test_an_unknown_command_is_a_start_error_and_the_entry_point_is_not() -> None:
    program = Program(entrypoint=("/app/web",), exits=Exit(1, 0))
    with pytest.raises(StartError):
        plan(program, {"command": ["/app/wbe"]}, Surroundings())
    assert plan(program, {"command": ["/app/web"]}, Surroundings()).end is not None


def test_the_catalogue_refuses_a_field_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("images: {web: {program: {prots: {}}, tags: {'1': {}}}}", encoding="utf-8")
    with pytest.raises(CatalogueError, match="unknown field 'prots'"):
        load_catalogue(path)


def test_the_catalogue_knows_a_plausible_world() -> None:
    catalogue: Catalogue = load_catalogue()
    assert {"1.25", "1.27", "1.29", "latest", "alpine"} <= set(catalogue.tags("docker.io/library/nginx"))
    assert catalogue.program("docker.io/library/nginx", "1.72") is None


async def test_an_unknown_pod_has_no_logs() -> None:
    async with running_world() as world:
        with pytest.raises(ApiError) as caught:
            await world.client.get(PODS, "none", NAMESPACE)
        assert caught.value.code == 404
