"""What a running program answers to a probe or to a lifecycle hook: over HTTP, TCP, gRPC, or by a command in it.

The words are those of Go's HTTP client, of pkg/probe and of containerd, as events of Kubernetes v1.36 carry them.
"""

from dataclasses import dataclass
from typing import Any

from simulator.kubelet import shell
from simulator.kubelet.execution import not_executable
from simulator.kubelet.process import Process
from simulator.kubelet.programs import GRPC, Answer

_UNAVAILABLE = 503
_EXEC = (
    "rpc error: code = Unknown desc = failed to exec in container: failed to start exec: OCI runtime exec failed: "
    "exec failed: unable to start container process: "
)


@dataclass(frozen=True)
class Target:
    """The running container as a probe sees it."""

    process: Process
    pod_ip: str
    container: dict[str, Any]

    def listens(self, port: int) -> bool:
        """Whether its program answers at that port now."""
        return self.process.listens(port)


@dataclass(frozen=True)
class Found:
    """What is wrong (None: nothing) and how many seconds finding out took; ``broken``: nothing was found out."""

    problem: str | None = None
    seconds: float = 0.0
    broken: bool = False


async def check(spec: dict[str, Any], target: Target) -> Found:
    """Make one probe."""
    timeout = float(spec.get("timeoutSeconds", 1))
    if "httpGet" in spec:
        return await _http(spec["httpGet"], target, timeout)
    if "tcpSocket" in spec:
        return _tcp(spec["tcpSocket"], target)
    if "grpc" in spec:
        return await _grpc(spec["grpc"], target, timeout)
    return _exec(list(spec["exec"].get("command") or ()), target, timeout)


async def run_hook(handler: dict[str, Any], target: Target) -> Found:
    """Run a postStart or preStop hook; its only timeout is the caller's."""
    if "sleep" in handler:
        return Found(seconds=float(handler["sleep"]["seconds"]))
    if "httpGet" in handler:
        return await _http(handler["httpGet"], target, float("inf"))
    if "tcpSocket" in handler:
        return _tcp(handler["tcpSocket"], target)
    return _exec(list(handler["exec"].get("command") or ()), target, float("inf"))


def _exec(command: list[str], target: Target, timeout: float) -> Found:
    program = target.process.execution.program
    name = command[0].rsplit("/", 1)[-1] if command else ""
    if name in program.tools:
        up = target.process.is_up
        return Found(None if up else f"{name}: cannot connect", 0.05)
    try:
        ran = shell.run(command, files=target.process.files, tools=program.tools)
    except LookupError:
        return Found(f"{_EXEC}{not_executable(command[0])}: unknown", broken=True)
    except IndexError:
        return Found(f"{_EXEC}exec: no command", broken=True)
    seconds = float("inf") if ran.seconds is None else ran.seconds
    if seconds > timeout:
        return Found(f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s', timeout)
    return Found(None if ran.code == 0 else "\n".join(ran.logs), seconds)


def _tcp(spec: dict[str, Any], target: Target) -> Found:
    port = _port(spec["port"], target.container)
    if port is None:
        return _no_port(spec["port"])
    host = spec.get("host") or target.pod_ip
    return Found() if target.listens(port) and host == target.pod_ip else Found(_refused(host, port))


async def _http(spec: dict[str, Any], target: Target, timeout: float) -> Found:
    port, path = _port(spec["port"], target.container), spec.get("path") or "/"
    if port is None:
        return _no_port(spec["port"])
    scheme, host = str(spec.get("scheme", "HTTP")).lower(), spec.get("host") or target.pod_ip
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    program = target.process.execution.program
    if not target.listens(port) or host != target.pod_ip:
        return Found(f'Get "{url}": {_refused(host, port)}')
    if (scheme == "https") != (port in program.tls_ports):
        return Found(_wrong_scheme(url, scheme))
    answer = program.ports[port].get(path.partition("?")[0], Answer(404))
    seconds = target.process.takes(answer.seconds)
    if seconds > timeout:
        return Found(
            f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)', timeout
        )
    status = answer.status
    if answer.upstream and await target.process.lacks_upstream():
        status = _UNAVAILABLE
    return Found(None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}", seconds)


async def _grpc(spec: dict[str, Any], target: Target, timeout: float) -> Found:
    port = int(spec["port"])
    address = f"{target.pod_ip}:{port}"
    if not target.listens(port):
        text = f'timeout: failed to connect service "{address}" within {timeout:g}s: context deadline exceeded'
        return Found(text, timeout)
    answer = target.process.execution.program.ports[port].get(GRPC)
    if answer is None:
        health = "grpc.health.v1.Health"
        why = f"unknown service {health}"
        return Found(f"error: this server does not implement the grpc health protocol ({health}): {why}")
    seconds = target.process.takes(answer.seconds)
    if seconds > timeout:
        return Found(f"timeout: health rpc did not complete within {timeout:g}s", timeout)
    serving = answer.status < 400 and not (answer.upstream and await target.process.lacks_upstream())
    return Found(None if serving else 'service unhealthy (responded with "NOT_SERVING")', seconds)


def _wrong_scheme(url: str, scheme: str) -> str:
    if scheme == "https":
        return f'Get "{url}": http: server gave HTTP response to HTTPS client'
    return "HTTP probe failed with statuscode: 400"


def _refused(host: str, port: int) -> str:
    return f"dial tcp {host}:{port}: connect: connection refused"


def _no_port(name: object) -> Found:
    return Found(f'strconv.Atoi: parsing "{name}": invalid syntax', broken=True)


def _port(port: int | str, container: dict[str, Any]) -> int | None:
    """A number, or the container port of that name; None when there is none."""
    if isinstance(port, int):
        return port
    if port.isdecimal():
        return int(port)
    named = (int(item["containerPort"]) for item in container.get("ports") or () if item.get("name") == port)
    return next(named, None)
