"""The containers of a pod: what all of them are asked, and what only some (`pkg/apis/core/validation`, Kubernetes
v1.36).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.container_resources import resize_policies, resources
from simulator.apiserver.strategies.forms import PROTOCOLS, between, fits, label, one_of, port_name_problems
from simulator.apiserver.strategies.pod_environment import environment
from simulator.apiserver.strategies.pod_mounts import Volumes, devices, mounts
from simulator.apiserver.strategies.pod_probes import PROBES, probes_and_hooks
from simulator.apiserver.strategies.security_contexts import container_security

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"


@dataclass(frozen=True)
class InPod:
    """What a container's validation has to know of its pod. `claims` are the names of the resource claims."""

    volumes: Volumes
    claims: list[str]
    restart_policy: str
    grace_seconds: int
    host_users: bool


def containers(spec: Object, path: str, pod: InPod) -> Iterator[FieldError]:
    """Complaints about `containers`, then about `initContainers`."""
    yield from _regular(spec, f"{path}.containers", pod)
    yield from _init(spec, f"{path}.initContainers", pod)


def _regular(spec: Object, path: str, pod: InPod) -> Iterator[FieldError]:
    if not spec.get("containers"):
        yield required(path)
    names: set[str] = set()
    host_ports: set[str] = set()
    clashes: list[FieldError] = []
    for index, container in enumerate(items_at(spec, "containers")):
        where, name = f"{path}[{index}]", str(container.get("name") or "")
        yield from _any(container, where, pod)
        if name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)
        yield from probes_and_hooks(container, where, grace_seconds=pod.grace_seconds)
        yield from one_of(container.get("restartPolicy"), f"{where}.restartPolicy", _RESTART_POLICIES)
        clashes += _host_port_clashes(container, where, host_ports)
    yield from clashes


def _init(spec: Object, path: str, pod: InPod) -> Iterator[FieldError]:
    names = {str(one.get("name")) for one in items_at(spec, "containers")}
    for index, container in enumerate(items_at(spec, "initContainers")):
        where, name = f"{path}[{index}]", str(container.get("name") or "")
        yield from _any(container, where, pod)
        yield from one_of(container.get("restartPolicy"), f"{where}.restartPolicy", _RESTART_POLICIES)
        if name in names:
            yield duplicate(f"{where}.name", name)
        elif name:
            names.add(name)
        yield from _host_port_clashes(container, where, set())
        if container.get("restartPolicy") == "Always":
            yield from probes_and_hooks(container, where, grace_seconds=pod.grace_seconds)
            continue
        for field in ("lifecycle", *PROBES):
            if container.get(field) is not None:
                yield forbidden_field(f"{where}.{field}", _ONLY_SIDECARS)


def _any(container: Object, where: str, pod: InPod) -> Iterator[FieldError]:
    """What every container is asked."""
    yield from label(container.get("name"), f"{where}.name")
    if not container.get("image"):
        yield required(f"{where}.image")
    yield from one_of(container.get("terminationMessagePolicy"), f"{where}.terminationMessagePolicy", _MESSAGE_POLICIES)
    yield from _ports(container, f"{where}.ports")
    yield from environment(container, where)
    yield from mounts(container, f"{where}.volumeMounts", pod.volumes)
    yield from devices(container, f"{where}.volumeDevices", pod.volumes)
    yield from one_of(container.get("imagePullPolicy"), f"{where}.imagePullPolicy", _PULL_POLICIES)
    yield from resources(container.get("resources") or {}, f"{where}.resources", claims=pod.claims)
    yield from resize_policies(container, f"{where}.resizePolicy", restart_policy=pod.restart_policy)
    yield from container_security(
        container.get("securityContext"), f"{where}.securityContext", host_users=pod.host_users
    )


def _ports(container: Object, where: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(items_at(container, "ports")):
        here, name = f"{where}[{index}]", port.get("name")
        problems = list(fits(name, f"{here}.name", port_name_problems)) if name else []
        yield from problems
        if name and not problems:
            if name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{here}.containerPort")
        else:
            yield from between(port["containerPort"], f"{here}.containerPort", 1, 65535)
        yield from between(port.get("hostPort") or None, f"{here}.hostPort", 1, 65535)
        if port.get("protocol") not in PROTOCOLS:
            yield unsupported(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _host_port_clashes(container: Object, where: str, taken: set[str]) -> Iterator[FieldError]:
    """Ports of the node that are taken twice; `taken` grows."""
    for index, port in enumerate(items_at(container, "ports")):
        if not port.get("hostPort"):
            continue
        word = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
        if word in taken:
            yield duplicate(f"{where}.ports[{index}].hostPort", word)
        taken.add(word)


def only_in_pods(spec: Object, path: str) -> Iterator[FieldError]:
    """What is asked of containers of pods, but not of templates."""
    for group in ("containers", "initContainers"):
        for index, container in enumerate(items_at(spec, group)):
            image = str(container.get("image") or "")
            if image != image.strip():
                where = f"{path}.{group}[{index}].image"
                yield invalid_value(where, image, "must not have leading or trailing whitespace")
