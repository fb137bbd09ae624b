"""Containers killed because they need more memory than their limit: the limit is raised a bounded step.

Up to three rounds of doubling; the guardrails hold the bounds. Whether it helped is for verification to say: a
leak is killed at every limit, and then every step is undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidents.evidence import Evidence
from incidents.health import container_statuses, was_oom_killed
from incidents.incident import Round
from incidents.proposals import Diagnosis, Needs, Opinion, Proposal, Risk, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.symptoms import Symptom

FAMILY = "memory"
STEP = 2


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container that is OOM-killed at its own limit."""
    findings = [finding for finding in evidence.health.findings if finding.symptom is Symptom.OOM_KILLED]
    if not findings:
        return Silent("no container is killed for its memory")
    name = findings[0].container
    container = evidence.container(name)
    if container is None:
        return Silent(f"container {name!r} is not in the present template")
    killed = _killed_at_present_template(evidence, name)
    limit = (container.get("resources", {}).get("limits") or {}).get("memory")
    if limit is None:
        return Silent("the container has no memory limit: the node ran out, not the container")
    try:
        raised = format_bytes(parse_bytes(limit) * STEP)
    except UnreadableQuantity as error:
        return Silent(str(error))
    return _opinion(evidence, name, limit=str(limit), raised=raised, times=killed)


def _killed_at_present_template(evidence: Evidence, name: str) -> int:
    """How often the container was restarted in pods of the present template whose last end was an OOM kill."""
    statuses: list[dict[str, Any]] = [
        status
        for pod in evidence.snapshot.current_pods
        for status in container_statuses(pod)
        if status.get("name") == name and was_oom_killed(status)
    ]
    return sum(max(1, int(status.get("restartCount", 0))) for status in statuses)


def _opinion(evidence: Evidence, name: str, *, limit: str, raised: str, times: int) -> Opinion:
    return Opinion(
        Diagnosis(
            family=FAMILY,
            cause=f"container {name} needs more memory than its limit of {limit}",
            confidence=0.9,
            rests_on=(f"lastState of container {name} is OOMKilled, {times} times", f"its memory limit is {limit}"),
        ),
        Proposal(
            target=evidence.subject.ref,
            action=(
                SetField(
                    path=f"/spec/template/spec/containers[{name}]/resources/limits/memory",
                    expected=limit,
                    value=raised,
                ),
            ),
            ends=Symptom.OOM_KILLED,
            reason=f"raise the memory limit of {name} from {limit} to {raised}",
            risk=Risk.LOW,
            confidence=0.9,
            author=f"playbook/{FAMILY}",
        ),
    )
