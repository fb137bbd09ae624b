"""Startup, readiness and liveness probes: the real periods and thresholds against what the program answers.

After pkg/kubelet/prober (worker.go, prober.go) and pkg/probe in Kubernetes v1.36.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from simulator.clock import SimClock
from simulator.kubelet.execution import Execution

ProbeKind = Literal["Startup", "Readiness", "Liveness"]


@dataclass(frozen=True)
class Target:
    """The running container as a probe sees it. ``age`` gives the simulated seconds since it started."""

    execution: Execution
    pod_ip: str
    container: dict[str, Any]
    age: Callable[[], float]

    @property
    def listens(self) -> bool:
        """Whether the program has come up."""
        after = self.execution.answers_after
        return after is not None and self.age() >= after


@dataclass
class ContainerProbe:
    """One probe of one run of one container; ends with the task that runs it.

    ``report`` hears whether the threshold of success or of failure has been reached; ``failed`` hears the text
    of every single failure; ``enabled`` says whether this probe may run yet (the startup probe goes first).
    """

    kind: ProbeKind
    spec: dict[str, Any]
    target: Target
    clock: SimClock
    enabled: Callable[[], bool]
    report: Callable[[ProbeKind, bool], None]
    failed: Callable[[ProbeKind, str], None]
    trigger: asyncio.Event
    first_delay: float = 0.0

    async def run(self) -> None:
        """Probe every period until cancelled, or at once when triggered."""
        period = float(self.spec.get("periodSeconds", 10))
        last, repeated = None, 0
        await self._tick(self.first_delay)
        while True:
            if self.target.age() >= self.spec.get("initialDelaySeconds", 0) and self.enabled():
                problem, seconds = check(self.spec, self.target)
                await self.clock.sleep(seconds)
                result = problem is None
                if problem is not None:
                    self.failed(self.kind, problem)
                repeated = repeated + 1 if result == last else 1
                last = result
                if repeated >= self.spec.get("successThreshold" if result else "failureThreshold", 1 if result else 3):
                    self.report(self.kind, result)
            await self._tick(period)

    async def _tick(self, period: float) -> None:
        try:
            async with asyncio.timeout(self.clock.real_seconds(period)):
                await self.trigger.wait()
            self.trigger.clear()
        except TimeoutError:
            return


def check(spec: dict[str, Any], target: Target) -> tuple[str | None, float]:
    """What the probe finds wrong (None: nothing) and how many seconds finding out takes."""
    timeout = float(spec.get("timeoutSeconds", 1))
    if "httpGet" in spec:
        return _http(spec["httpGet"], target, timeout)
    if "tcpSocket" in spec:
        port = _port(spec["tcpSocket"]["port"], target.container)
        if target.listens and port in target.execution.program.ports:
            return None, 0.0
        return _refused(target.pod_ip, port), 0.0
    if "grpc" in spec:
        return _grpc(spec["grpc"], target, timeout)
    return (None if target.listens else ""), 0.0  # exec: the command succeeds once the program is up


def _http(spec: dict[str, Any], target: Target, timeout: float) -> tuple[str | None, float]:
    port, path = _port(spec["port"], target.container), spec.get("path") or "/"
    scheme = str(spec.get("scheme", "HTTP")).lower()
    host = spec.get("host") or target.pod_ip
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    answers = target.execution.program.ports.get(port)
    if not target.listens or answers is None:
        return f'Get "{url}": {_refused(host, port)}', 0.0
    if scheme == "https":
        return f'Get "{url}": http: server gave HTTP response to HTTPS client', 0.0
    answer = answers.get(path.partition("?")[0])
    if answer is None:
        return "HTTP probe failed with statuscode: 404", 0.0
    if answer.seconds > timeout:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return f'Get "{url}": {why}', timeout
    if 200 <= answer.status < 400:
        return None, answer.seconds
    return f"HTTP probe failed with statuscode: {answer.status}", answer.seconds


def _grpc(spec: dict[str, Any], target: Target, timeout: float) -> tuple[str | None, float]:
    port = int(spec["port"])
    if target.listens and port in target.execution.program.ports:
        return None, 0.0
    address = f"{target.pod_ip}:{port}"
    why = f'connection error: desc = "transport: Error while dialing: {_refused(target.pod_ip, port)}"'
    return f'timeout: failed to connect service "{address}" within {timeout:g}s: {why}', timeout


def _refused(host: str, port: int) -> str:
    return f"dial tcp {host}:{port}: connect: connection refused"


def _port(port: int | str, container: dict[str, Any]) -> int:
    """A number, or the container port of that name; 0 when there is none."""
    if isinstance(port, int):
        return port
    if port.isdecimal():
        return int(port)
    named = (int(item["containerPort"]) for item in container.get("ports") or () if item.get("name") == port)
    return next(named, 0)
