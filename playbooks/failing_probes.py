"""Which probes fail, what the kubelet says of each, and which of them is the one to look at first.

Words of pkg/kubelet/prober (``Readiness probe failed: ...``), pkg/probe/http, pkg/probe/grpc and net/http. An event may
be old: a probe that kills its container leads, and what fails for a moment while a program starts does not. A liveness
probe that went on failing would have had its container killed, so that one which did not has passed since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from incidents.evidence import Evidence
from incidents.pod_health import timestamp
from incidents.symptoms import Symptom
from playbooks.last_words import killed_by_probe
from playbooks.listening import handler, number_of, only_inside

_SAID = re.compile(r"(?P<which>Readiness|Liveness|Startup) probe (?:failed|errored[^:]*): (?P<why>.*)", re.DOTALL)
_KILLING = ("livenessProbe", "startupProbe", "readinessProbe")
_WAITING = ("readinessProbe", "startupProbe", "livenessProbe")
SHOWN_BY = (Symptom.PROBE_FAILING, Symptom.ROLLOUT_STUCK, Symptom.NOT_READY, Symptom.CRASH_LOOP)
_ENDING = frozenset({Symptom.CRASH_LOOP, Symptom.RUN_ERROR, Symptom.OOM_KILLED})
_LONGEST = 300

REFUSED = re.compile(r"connection refused|timeout: failed to connect service")
_NO_HEALTH_SERVICE = re.compile(r"Unimplemented|unknown service|does not implement")
_NOT_SERVING = re.compile(r"service unhealthy \(responded with \"?(?P<state>\w+)")
_STATUS = re.compile(r"statuscode: (?P<code>\d{3})")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One probe that fails: whose, which, and what the kubelet says."""

    container: dict[str, Any]
    probe: str
    said: str

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container.get("name"))

    @property
    def present(self) -> dict[str, Any]:
        """The probe as it stands."""
        return dict(self.container.get(self.probe) or {})

    @property
    def asks(self) -> dict[str, Any]:
        """What it asks, without its numbers of patience."""
        return handler(self.present)

    @property
    def port(self) -> int | None:
        """The port it asks, as a number; None where it asks none that the container has."""
        return number_of(self.container, self.asks.get("port"))

    @property
    def says_unwell(self) -> bool:
        """Whether the program was reached, and says itself that it is not well: then the probe does its work."""
        status = _STATUS.search(self.said)
        return bool(_NOT_SERVING.search(self.said) or (status and int(status["code"]) >= 500))


def shown_by(evidence: Evidence) -> Symptom:
    """The symptom by which a failing probe shows, and that ends with it."""
    return next((one for one in SHOWN_BY if one in evidence.health.symptoms), Symptom.NOT_READY)


def failures(evidence: Evidence) -> list[Failure]:
    """Failing probes of the present template: those that kill first, else what keeps it from being ready."""
    said = dict(_words(evidence))
    killed = any(killed_by_probe(evidence, str(one.get("name"))) for one in _all(evidence))
    found = []
    for probe in _KILLING if killed else _WAITING:
        with_it = [one for one in _all(evidence) if one.get(probe)]
        if probe not in said or len(with_it) != 1 or _ends_by_itself(evidence, str(with_it[0].get("name"))):
            continue
        if killed or probe != "livenessProbe" or not _has_passed(evidence, with_it[0][probe], said[probe]):
            found.append(Failure(container=with_it[0], probe=probe, said=said[probe].why))
    return found


def _has_passed(evidence: Evidence, probe: dict[str, Any], said: _Said) -> bool:
    """Whether a probe that kills has been silent for longer than it bears failing."""
    if said.last_seen is None:
        return False
    bears = int(probe.get("failureThreshold") or 3) * int(probe.get("periodSeconds") or 10)
    silent = (evidence.taken_at - said.last_seen).total_seconds() * evidence.speed
    return silent > bears + int(probe.get("timeoutSeconds") or 1)


def cause_of(evidence: Evidence, failure: Failure) -> str:
    """What is wrong, in words for a person."""
    cause = f"the {failure.probe} of container {failure.name} fails"
    if REFUSED.search(failure.said) and failure.port is not None:
        if line := only_inside(evidence, failure.container, failure.port):
            return f"{cause}: its program listens for itself alone ({line[:120]})"
        return f"{cause}: nothing listens on port {failure.port}"
    if _NO_HEALTH_SERVICE.search(failure.said):
        return f"{cause}: its server does not offer the health service of gRPC that is asked for"
    if match := _NOT_SERVING.search(failure.said):
        return f"{cause}: its program says {match['state']}"
    if failure.says_unwell:
        return f"{cause}: its program answers that it is not well ({failure.said[:80]})"
    return cause


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the kubelet said last of a probe, and when."""

    why: str
    last_seen: datetime | None


def _words(evidence: Evidence) -> Iterator[tuple[str, _Said]]:
    pods = {f"Pod/{pod['metadata']['name']}" for pod in evidence.snapshot.current_pods}
    for line in evidence.events:
        match = _SAID.match(line.message) if line.reason == "Unhealthy" and line.about in pods else None
        if match:
            why = match["why"].strip()[:_LONGEST]
            yield f"{match['which'].lower()}Probe", _Said(why=why, last_seen=timestamp(line.last_seen))


def _all(evidence: Evidence) -> tuple[dict[str, Any], ...]:
    return (*evidence.containers, *evidence.init_containers)


def _ends_by_itself(evidence: Evidence, name: str) -> bool:
    """Whether the container crashes of its own accord: then its probes fail because it is not there."""
    if killed_by_probe(evidence, name):
        return False
    return any(found.container == name and found.symptom in _ENDING for found in evidence.health.findings)
