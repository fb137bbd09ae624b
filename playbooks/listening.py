"""Which ports a container says it listens on, each with where it says so.

One number alone is never believed: an image declares ports that nothing listens on, and a log line names ports of
others. A port counts as certain when two independent places name it: however often a log says it, that is one place,
and whoever talks to the program may have written it. Ports for whoever watches the program (metrics, profiles) are
never those at which it is asked whether it works.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any

from incidents.evidence import Evidence, Want, WantKind
from incidents.objects import Manifest
from playbooks.last_words import all_lines

_IN_LOG = re.compile(
    r"\b(?:listening|listen|serving|started|bound|running|accepting)\b[^\n]{0,60}?"
    r"(?:\bport[ =:]{1,3}|(?P<host>[\w.*\[\]-]{0,63}):)(?P<port>\d{2,5})\b",
    re.IGNORECASE,
)
_EVERYWHERE = re.compile(r"(?:0\.0\.0\.0|\*|\[?\]?|(?!127\.)\d{1,3}(?:\.\d{1,3}){3})\Z")
_LOOPBACK = re.compile(r"(?:127\.|localhost)", re.IGNORECASE)
_WATCHED = re.compile(r"metric|prometheus|pprof|profil|jmx|telemetry|\badmin", re.IGNORECASE)
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "grpc")
_MOST = 65_535


class Place(StrEnum):
    """The kinds of places that name a port; two of one kind are one witness."""

    DECLARED = "declared"
    LOG = "log"
    IMAGE = "image"
    PROBE = "probe"
    SERVICE = "service"


_OWN = frozenset({Place.DECLARED, Place.LOG, Place.PROBE})

Witnesses = dict[int, dict[Place, str]]


def witnesses(evidence: Evidence, container: Manifest, *, but: Collection[str] = ()) -> Witnesses:
    """Ports by number, each with the places that name it. ``but``: the probes that are in question."""
    found: Witnesses = {}
    for port, place, words in _said(evidence, container, but):
        if 0 < port <= _MOST:
            found.setdefault(port, {}).setdefault(place, words)
    return found


def certain_port(
    evidence: Evidence, container: Manifest, *, but: Collection[str], wrong: int
) -> tuple[int, list[str]] | None:
    """The one other port that at least two places name, and which; None where there is none, or more than one.

    None too where the container declares the ``wrong`` one, says that it listens there, or answers another probe at it:
    then the port is right, and what is not there yet is its program.
    """
    named = witnesses(evidence, container, but=but)
    if not _OWN.isdisjoint(named.get(wrong, {})):
        return None
    sure = [(port, places) for port, places in named.items() if len(places) > 1 and port != wrong]
    return (sure[0][0], list(sure[0][1].values())) if len(sure) == 1 else None


def named_by_two(evidence: Evidence, container: Manifest, port: int | None) -> list[str]:
    """The places that name a port, where they are two at least; the probe that asks it may be one of them."""
    places = witnesses(evidence, container).get(port, {}) if port is not None else {}
    return list(places.values()) if len(places) > 1 else []


def only_inside(evidence: Evidence, container: Manifest, port: int | None) -> str:
    """The line that says that a port is listened on for the container itself alone; empty where none does."""
    for line in all_lines(evidence, str(container.get("name"))):
        for match in _IN_LOG.finditer(line):
            if int(match["port"]) == port and _LOOPBACK.match(match["host"] or ""):
                return line[:200]
    return ""


def _said(evidence: Evidence, container: Manifest, but: Collection[str]) -> Iterator[tuple[int, Place, str]]:
    watched = {item.get("containerPort") for item in container.get("ports") or () if _watched(item)}
    for port, place, words in _everything_said(evidence, container, but):
        if port not in watched:
            yield port, place, words


def _everything_said(evidence: Evidence, container: Manifest, but: Collection[str]) -> Iterator[tuple[int, Place, str]]:
    for item in container.get("ports") or ():
        if isinstance(item.get("containerPort"), int):
            yield item["containerPort"], Place.DECLARED, f"container {container.get('name')} declares it"
    for line in all_lines(evidence, str(container.get("name"))):
        for match in () if _WATCHED.search(line) else _IN_LOG.finditer(line):
            if match["host"] is None or _EVERYWHERE.match(match["host"]):
                yield int(match["port"]), Place.LOG, f"its log says {match.group(0)[:80]!r}"
    for exposed in _exposed(evidence, container):
        yield exposed, Place.IMAGE, f"image {container.get('image')} exposes it"
    for name in _PROBES:
        port = number_of(container, handler(container.get(name) or {}).get("port"))
        if name not in but and port is not None:
            yield port, Place.PROBE, f"its {name} asks it"
    for service in evidence.listed("Service") or ():
        for port in _targets(evidence, service, container):
            yield port, Place.SERVICE, f"Service {service['metadata']['name']} sends to it"


def _watched(port: Mapping[str, Any]) -> bool:
    return _WATCHED.search(str(port.get("name") or "")) is not None


def _exposed(evidence: Evidence, container: Manifest) -> Iterator[int]:
    """The ports that the image's own config names, where a registry was asked for it."""
    for line in evidence.answers.get(Want(WantKind.IMAGE_CONFIG, str(container.get("image"))).key, ()):
        number, _, protocol = line.removeprefix("port=").partition("/")
        if line.startswith("port=") and number.isdecimal() and protocol in ("tcp", ""):
            yield int(number)


def handler(probe: Manifest) -> dict[str, Any]:
    """The part of a probe that says what is asked; empty for a command."""
    return next((dict(probe[name]) for name in _HANDLERS if probe.get(name)), {})


def number_of(container: Manifest, port: object) -> int | None:
    """A port as a number, one that is given by the name it has in the container included."""
    if isinstance(port, int):
        return port
    named = (item for item in container.get("ports") or () if port and item.get("name") == port)
    return next((item.get("containerPort") for item in named), None)


def _targets(evidence: Evidence, service: Manifest, container: Manifest) -> Iterator[int]:
    selector = service.get("spec", {}).get("selector") or {}
    labels = (evidence.template.get("metadata") or {}).get("labels") or {}
    if not selector or any(labels.get(key) != value for key, value in selector.items()):
        return
    for item in service.get("spec", {}).get("ports") or ():
        if _watched(item):
            continue
        port = number_of(container, item.get("targetPort", item.get("port")))
        if port is not None:
            yield port
