"""The port that a Service sends to and that is not there: corrected only where the very port is known by more than one.

Rules: pkg/api/v1/service (a targetPort by name is looked up in each pod: without the name there is no endpoint), and
that a declared ``containerPort`` is information alone: a number that no container declares may be listened on all the
same. So a number is believed to lead nowhere only if the one who sends there is refused by it while pods are ready, and
another is taken only if container and probe name it and the Service calls it by the same name or number. What looks
after a program (metrics, administration) is never what a Service was meant to lead to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from incidents.objects import Manifest
from incidents.snapshot import pod_template
from playbooks.listening import handler, number_of
from playbooks.neighbours import nearest

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_BEHIND_THE_SCENES = frozenset(
    {"admin", "management", "metrics", "prometheus", "monitoring", "telemetry", "debug", "pprof", "jmx", "health"}
    | {"healthz", "healthcheck", "status", "actuator", "probe", "probes", "internal"}
)
_WEB = frozenset(("http", "web", "www", "http-web", "http-main"))
_GUARDS = frozenset({443, 4180, 4443, 6443, 8443, 9443, 15001, 15006, 15008})  # of TLS, oauth2-proxy, Envoy in Istio
_GUARDING = frozenset({"https", "tls", "mtls", "ssl", "auth", "oauth", "oauth2", "proxy", "secure"})
_URL_PORTS = {"http": 80, "https": 443}


def containers_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The containers of a workload or pod that listen as long as it runs: sidecars among the init containers too."""
    spec = pod_template(manifest).get("spec") or {}
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or ()), *sidecars]


def declared(manifest: Manifest) -> list[dict[str, Any]]:
    """The ports that containers declare."""
    return [item for container in containers_of(manifest) for item in container.get("ports") or ()]


def probed(manifest: Manifest) -> set[int]:
    """The ports that probes ask."""
    found = (
        number_of(container, handler(container.get(probe) or {}).get("port"))
        for container in containers_of(manifest)
        for probe in _PROBES
    )
    return {port for port in found if port is not None}


def has_port(manifest: Manifest, port: object) -> bool:
    """Whether a port may be there: a number that is declared or asked by a probe, a name that is declared.

    A workload that declares no port at all may listen anywhere.
    """
    ports = declared(manifest)
    if isinstance(port, str):
        return any(item.get("name") == port for item in ports)
    return not ports or any(item.get("containerPort") == port for item in ports) or port in probed(manifest)


def carries(service: Manifest, workload: Manifest) -> bool:
    """Whether the workload's containers have the ports that the Service sends to; those that declare none may."""
    ports = declared(workload)
    known = {item.get("containerPort") for item in ports} | {item.get("name") for item in ports}
    wanted = [item.get("targetPort", item.get("port")) for item in service.get("spec", {}).get("ports") or ()]
    return not ports or all(port in known for port in wanted)


def leading_nowhere(service: Manifest, selected: Sequence[Manifest]) -> list[tuple[int, dict[str, Any]]]:
    """The ports of a Service that nothing it selects may have, each with its index."""
    return [
        (index, item)
        for index, item in enumerate(service.get("spec", {}).get("ports") or ())
        if not any(has_port(one, item.get("targetPort", item.get("port"))) for one in selected)
    ]


def is_asked(service: Manifest, item: Manifest, lines: Iterable[str]) -> bool:
    """Whether whoever names the Service in these lines sends to this one of its ports."""
    if len(service.get("spec", {}).get("ports") or ()) == 1:
        return True
    return any(_port_in(line, str(service["metadata"]["name"])) == item.get("port") for line in lines)


def unknown_port(service: Manifest, lines: Iterable[str]) -> int | None:
    """The port at which these lines name the Service, where it has none of those that they name."""
    asked = [port for line in lines if (port := _port_in(line, str(service["metadata"]["name"]))) is not None]
    there = {item.get("port") for item in service.get("spec", {}).get("ports") or ()}
    return asked[0] if asked and there and not there & set(asked) else None


def _port_in(line: str, name: str) -> int | None:
    place = re.search(
        rf"(?:(?P<scheme>https?)://|@|(?<![\w.-])){re.escape(name)}(?:\.[\w.-]+)?(?::(?P<port>\d+))?", line
    )
    if place is None:
        return None
    return int(place["port"]) if place["port"] else _URL_PORTS.get(place["scheme"] or "")


def port_meant(workload: Manifest, item: Manifest) -> tuple[int | str | None, bool]:
    """The port that was meant, and whether a second witness names it too; None where there is no one port.

    By name: the one like it, else the only one. By number: the one port that is declared and probed. The witness is
    the Service itself, by the name or the number it gives the port.
    """
    wrong = item.get("targetPort", item.get("port"))
    ports = [one for one in declared(workload) if not _behind_the_scenes(one.get("name"))]
    if isinstance(wrong, str):
        names = [str(one["name"]) for one in ports if one.get("name")]
        if (meant := nearest(wrong, names)) is not None:
            return meant, True
        if len(names) != 1 or len(declared(workload)) != 1:
            return None, False
        return names[0], _agrees(item, ports[0]) or {wrong, names[0]} <= _WEB
    sure = [one for one in ports if one.get("containerPort") in probed(workload)]
    if len(sure) != 1 or len(ports) != 1:
        return None, False
    return int(sure[0]["containerPort"]), _agrees(item, sure[0]) and not _may_guard(item)


def _agrees(item: Manifest, port: Manifest) -> bool:
    """Whether the Service calls its port as the container does."""
    same_name = bool(item.get("name")) and item.get("name") == port.get("name")
    return same_name or item.get("port") == port.get("containerPort")


def _may_guard(item: Manifest) -> bool:
    """Whether what should listen at the Service's targetPort may be what asks who is there, and encrypts.

    The program behind it would answer as well. That it does is then no repair.
    """
    words = set(str(item.get("name") or "").lower().split("-"))
    return item.get("targetPort") in _GUARDS or item.get("port") in _GUARDS or bool(words & _GUARDING)


def _behind_the_scenes(name: object) -> bool:
    return bool(_BEHIND_THE_SCENES & set(str(name or "").lower().split("-")))
