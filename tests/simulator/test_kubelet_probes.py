"""Probes and hooks against what a program answers: scheme, port, gRPC, commands, patience."""

import asyncio
from typing import Any

import pytest

from simulator.clock import SimClock
from simulator.kubelet.answers import Found, Target, check, run_hook
from simulator.kubelet.catalogue import Program, load_catalogue
from simulator.kubelet.execution import Surroundings, plan
from simulator.kubelet.process import Process
from simulator.kubelet.programs import GRPC, Answer, Upstream
from tests.simulator.world import World, alone, running_world

IP = "10.244.1.2"
STREAMS, FEED, GATEWAY = (f"registry.example/shop/{name}" for name in ("streams", "feed", "gateway"))


def program(repository: str, tag: str = "1.0.0") -> Program:
    found = load_catalogue().program(repository, tag)
    assert found is not None
    return found


def target(found: Program, *, age: float = 20.0, away: bool = False, ports: Any = ()) -> Target:
    clock = SimClock()

    async def reach(_: Upstream) -> str | None:
        return "dial tcp: no such host" if away else None

    process = Process(plan(found, {}, Surroundings()), clock, clock.monotonic() - age, frozenset({"/ready"}), reach)
    return Target(process, IP, {"name": "main", "ports": list(ports)})


def ask(spec: dict[str, Any], to: Target) -> Found:
    return asyncio.run(check(spec, to))


def http(port: Any, path: str = "/", **fields: Any) -> dict[str, Any]:
    return {"httpGet": {"port": port, "path": path} | fields}


def test_http_towards_https_is_a_bad_request_and_https_towards_http_no_handshake() -> None:
    streams, feed = target(program(STREAMS)), target(program(FEED, "4.0.0"))
    assert ask(http(9443, "/metrics"), streams).problem == "HTTP probe failed with statuscode: 400"
    assert ask(http(9443, "/metrics", scheme="HTTPS"), streams).problem is None
    expected = f'Get "https://{IP}:8080/": http: server gave HTTP response to HTTPS client'
    assert ask(http(8080, scheme="HTTPS"), feed).problem == expected


def test_grpc_needs_the_port_and_the_health_service() -> None:
    streams = target(program(STREAMS))
    assert ask({"grpc": {"port": 9090}}, streams).problem is None
    assert "does not implement the grpc health protocol" in (ask({"grpc": {"port": 9443}}, streams).problem or "")
    expected = f'timeout: failed to connect service "{IP}:9091" within 1s: context deadline exceeded'
    assert ask({"grpc": {"port": 9091}}, streams) == Found(expected, 1.0)


def test_a_port_name_that_the_container_does_not_have_breaks_the_probe() -> None:
    found = ask(http("web"), target(program(FEED, "4.0.0")))
    assert (found.broken, found.problem) == (True, 'strconv.Atoi: parsing "web": invalid syntax')
    named = target(program(FEED, "4.0.0"), ports=[{"name": "web", "containerPort": 8080}])
    assert ask(http("web"), named).problem is None


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["cat", "/ready"], None),
        (["cat", "/other"], "cat: can't open '/other': No such file or directory"),
        (["sh", "-c", "exit 3"], ""),
        (["sleep", "5"], 'command timed out: "sleep 5" timed out after 1s'),
    ],
)
def test_an_exec_probe_does_what_the_command_would(command: list[str], problem: str | None) -> None:
    assert ask({"exec": {"command": command}}, target(program(FEED, "4.0.0"))).problem == problem


def test_a_tool_of_the_image_succeeds_once_its_program_is_up() -> None:
    postgres = program("docker.io/library/postgres", "17")
    early, late = (Target(_process(postgres, age), IP, {}) for age in (0.5, 5.0))
    assert ask({"exec": {"command": ["pg_isready"]}}, early).problem
    assert ask({"exec": {"command": ["pg_isready"]}}, late).problem is None


def _process(found: Program, age: float) -> Process:
    clock = SimClock()
    around = Surroundings(variables={"POSTGRES_PASSWORD"})
    return Process(plan(found, {}, around), clock, clock.monotonic() - age)


def test_a_busy_program_is_too_late_now_and_then_and_in_time_for_who_waits() -> None:
    quiet, busy = target(program(FEED, "4.0.0"), age=10), target(program(FEED, "4.0.0"), age=26)
    assert ask(http(8080), quiet).problem is None
    assert "Client.Timeout exceeded while awaiting headers" in (ask(http(8080), busy).problem or "")
    assert ask(http(8080) | {"timeoutSeconds": 5}, busy).problem is None


def test_a_program_without_its_upstream_is_alive_and_not_ready() -> None:
    lonely = target(program(GATEWAY, "1.2.0"), away=True)
    assert ask(http(8080, "/readyz"), lonely).problem == "HTTP probe failed with statuscode: 503"
    assert ask(http(8080, "/healthz"), lonely).problem is None


def test_hooks_have_no_timeout_of_their_own() -> None:
    feed = target(program(FEED, "4.0.0"))
    assert asyncio.run(run_hook({"sleep": {"seconds": 7}}, feed)) == Found(seconds=7.0)
    assert asyncio.run(run_hook({"exec": {"command": ["sleep", "40"]}}, feed)) == Found(seconds=40.0)


async def test_a_probe_command_that_is_not_in_the_image_is_reported_and_counts_for_nothing() -> None:
    probe = {"exec": {"command": ["curl", "localhost"]}, "periodSeconds": 1, "failureThreshold": 1}
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", livenessProbe=probe, readinessProbe=probe))
        event = await world.event("Unhealthy", "Readiness")
        assert event["message"].startswith("Readiness probe errored and resulted in unknown state: rpc error: code = ")
        assert 'exec: "curl": executable file not found in $PATH' in event["message"]
        await world.event("Unhealthy", "Liveness probe errored")
        status = await world.container()
        assert (status["ready"], status["restartCount"]) == (False, 0)


async def test_a_failed_post_start_hook_kills_the_container() -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "exit 1"]}}}
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", lifecycle=hook))
        assert (await world.event("FailedPostStartHook"))["message"] == "PostStartHook failed"
        assert (await world.event("Killing"))["message"] == "FailedPostStartHook"
        await _restarted(world)


async def _restarted(world: World) -> None:
    async def look() -> bool:
        return bool((await world.container()).get("restartCount"))

    await world.eventually(look)


STARVED = Program(
    ports={8080: {"/": Answer(seconds=0.3), GRPC: Answer(seconds=0.3)}}, start_seconds=0.2, cpu_millicores=400
)


@pytest.mark.parametrize(
    ("limit", "takes", "uses", "listens_after"),
    [
        (None, 0.3, 400, 0.2),
        ("0", 0.3, 400, 0.2),
        ("100m", 1.2, 100, 8.0),
        ("200m", 0.6, 200, 4.0),
        ("4", 0.3, 400, 0.2),
    ],
)
def test_a_program_that_computes_more_than_its_limit_is_as_many_times_slower(
    limit: str | None, takes: float, uses: float, listens_after: float
) -> None:
    spec = {"resources": {"limits": {"cpu": limit} if limit else {"memory": "64Mi"}}}
    plans = plan(STARVED, spec, Surroundings())
    clock = SimClock()
    process = Process(plans, clock, clock.monotonic() - 20.0)
    held = Target(process, IP, {"name": "main"})
    assert plans.answers_after == pytest.approx(listens_after)
    assert process.cpu_millicores == uses
    assert ask(http(8080) | {"timeoutSeconds": 2}, held).seconds == pytest.approx(takes)
    late = takes > 1
    assert ("context deadline exceeded" in (ask(http(8080), held).problem or "")) is late
    assert ("did not complete within 1s" in (ask({"grpc": {"port": 8080}}, held).problem or "")) is late
    assert ask({"tcpSocket": {"port": 8080}}, held) == Found()  # the kernel answers
