"""What the API server refuses in a pod's spec (`pkg/apis/core/validation`, Kubernetes v1.36): the
checks that repairs meet.

Names, images, ports, resources, mounts, probes and policies are checked; security contexts, affinities
and volume sources are taken as they come.
"""

import re
from collections.abc import Generator, Iterator, Set
from fractions import Fraction
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    not_found_value,
    required,
    unsupported,
)
from simulator.apiserver.names import DNS_LABEL_MESSAGE, is_dns_label
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.pod_rules import container_rules, spec_rules
from simulator.quantities import parse

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PORT_RANGE = "must be between 1 and 65535, inclusive"
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
_ENV_NAME = re.compile(r"[ -<>-~]+")


def validate_pod_spec(spec: Object, path: str, *, volumes: Set[str] = frozenset()) -> Iterator[FieldError]:
    """Every complaint about a pod spec; `path` is where it stands ("spec" or "spec.template.spec").

    `volumes` are names that may be mounted beside the spec's own volumes.
    """
    volumes = {str(one.get("name")) for one in items_at(spec, "volumes")} | volumes
    yield from _volumes(spec, path)
    yield from spec_rules(spec, path)
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for group in ("containers", "initContainers"):
        for index, container in enumerate(items_at(spec, group)):
            where = f"{path}.{group}[{index}]"
            yield from _container(container, where, volumes)
            stays = group == "containers" or container.get("restartPolicy") == "Always"
            yield from container_rules(container, where, stays=stays)
            if container.get("name") in seen:
                yield duplicate(f"{where}.name", container["name"])
            seen.add(str(container.get("name")))
    if spec.get("restartPolicy") not in _RESTART_POLICIES:
        yield unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        grace = spec["terminationGracePeriodSeconds"]
        yield invalid_value(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0")


def _volumes(spec: Object, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, volume in enumerate(items_at(spec, "volumes")):
        where, name = f"{path}.volumes[{index}]", volume.get("name")
        yield from _label(name, f"{where}.name")
        if name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(str(name))
        sources = [key for key in volume if key != "name"]
        yield from (forbidden_field(f"{where}.{one}", "may not specify more than 1 volume type") for one in sources[1:])


def _label(name: Any, where: str) -> Iterator[FieldError]:
    if not name:
        yield required(where)
    elif not is_dns_label(str(name)):
        yield invalid_value(where, name, DNS_LABEL_MESSAGE)


def _container(container: Object, where: str, volumes: Set[str]) -> Iterator[FieldError]:
    yield from _label(container.get("name"), f"{where}.name")
    yield from _image(container, where)
    yield from _ports(container, where)
    yield from _environment(container, where)
    yield from _mounts(container, where, volumes)
    yield from _resources(container.get("resources") or {}, f"{where}.resources")
    for probe in _PROBES:
        if container.get(probe) is not None:
            yield from _probe(container[probe], f"{where}.{probe}", one_success=probe != "readinessProbe")


def _image(container: Object, where: str) -> Iterator[FieldError]:
    image = container.get("image")
    if not image:
        yield required(f"{where}.image")
    elif image != image.strip():
        yield invalid_value(f"{where}.image", image, "must not have leading or trailing whitespace")
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        yield unsupported(f"{where}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)


def _ports(container: Object, where: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(items_at(container, "ports")):
        here = f"{where}.ports[{index}]"
        number = port.get("containerPort")
        if not number:
            yield required(f"{here}.containerPort")
        elif not 1 <= number <= 65535:
            yield invalid_value(f"{here}.containerPort", number, _PORT_RANGE)
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            yield unsupported(f"{here}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
        name = port.get("name")
        if name and name in names:
            yield duplicate(f"{here}.name", name)
        names.add(str(name))


def _environment(container: Object, where: str) -> Iterator[FieldError]:
    for index, variable in enumerate(items_at(container, "env")):
        here, name = f"{where}.env[{index}]", variable.get("name")
        if not name:
            yield required(f"{here}.name")
        elif not _ENV_NAME.fullmatch(name):
            yield invalid_value(
                f"{here}.name",
                name,
                "a valid environment variable name must consist only of printable ASCII characters other than '='",
            )
        if variable.get("value") and variable.get("valueFrom"):
            yield invalid_value(f"{here}.valueFrom", "", "may not be specified when `value` is not empty")


def _mounts(container: Object, where: str, volumes: Set[str]) -> Iterator[FieldError]:
    paths: set[str] = set()
    for index, mount in enumerate(items_at(container, "volumeMounts")):
        here = f"{where}.volumeMounts[{index}]"
        if not mount.get("name"):
            yield required(f"{here}.name")
        elif mount["name"] not in volumes:
            yield not_found_value(f"{here}.name", mount["name"])
        path = mount.get("mountPath")
        if not path:
            yield required(f"{here}.mountPath")
        elif path in paths:
            yield invalid_value(f"{here}.mountPath", path, "must be unique")
        paths.add(str(path))


def _resources(resources: Object, where: str) -> Iterator[FieldError]:
    limits = yield from _quantities(resources.get("limits") or {}, f"{where}.limits")
    requests = yield from _quantities(resources.get("requests") or {}, f"{where}.requests")
    for name, request in requests.items():
        if name in limits and request > limits[name]:
            detail = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            yield invalid_value(f"{where}.requests", resources["requests"][name], detail)


def _quantities(listed: Object, where: str) -> Generator[FieldError, None, dict[str, Fraction]]:
    """Yields complaints and returns the values that can be compared."""
    values: dict[str, Fraction] = {}
    for name, text in listed.items():
        values[name] = parse(text)  # a quantity it is: the body's shape was checked
        if values[name] < 0:
            yield invalid_value(f"{where}[{name}]", text, "must be greater than or equal to 0")
    return values


def _probe(probe: Object, where: str, *, one_success: bool) -> Iterator[FieldError]:
    handlers = [one for one in _HANDLERS if probe.get(one) is not None]
    if not handlers:
        yield required(where, "must specify a handler type")
    for extra in handlers[1:]:
        yield forbidden_field(f"{where}.{extra}", "may not specify more than 1 handler type")
    for handler in ("httpGet", "tcpSocket", "grpc"):
        port = (probe.get(handler) or {}).get("port")
        if handler in handlers and isinstance(port, int) and not 1 <= port <= 65535:
            yield invalid_value(f"{where}.{handler}.port", port, _PORT_RANGE)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        if probe.get(field, 0) < 0:
            yield invalid_value(f"{where}.{field}", probe[field], "must be greater than or equal to 0")
    if one_success and probe.get("successThreshold", 1) != 1:
        yield invalid_value(f"{where}.successThreshold", probe["successThreshold"], "must be 1")
