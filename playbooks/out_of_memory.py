"""Containers killed because they need more memory than their limit: the limit is raised a bounded step.

That it was killed says only that it needs more; how much more is said by the limit it had while it was well, or by the
heap it was told to take. Else up to three rounds of doubling, and never further than a LimitRange, a quota or the
largest node allows; the guardrails hold the bounds. What was well with less before it was given more, and is killed
again, leaks or grows: whether it gets more once more is for a person. Where the limit cannot follow the heap, the
heap's flag is lowered. Whether it helped is for verification to say: a leak is killed at every limit, and then every
step is undone. Pods that are evicted for what they write are treated alike, and so are containers that their CPU limit
starves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from incidents.evidence import Evidence, Revision
from incidents.health import container_statuses, was_oom_killed
from incidents.incident import Round
from incidents.objects import TEMPLATED
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN, ONLY_ONE_FITS, SUGGESTED
from playbooks.edits import opinion, wanting
from playbooks.failing_probes import SHOWN_BY
from playbooks.heap import HeapFlag, heap_flags, lowered
from playbooks.last_good import basis
from playbooks.size_bounds import FURTHEST, MEMORY, STEP, Bound, is_guaranteed, limit_before, most_memory
from playbooks.starved import starved
from playbooks.written import evicted

FAMILY = "memory"
SYMPTOMS = (Symptom.OOM_KILLED, Symptom.EVICTED, *SHOWN_BY)
SUBJECTS = TEMPLATED
_CONTAINERS, _AMOUNTS = ("containers", "initContainers"), ("limits", "requests")
LEAST = 4 * 1024**2  # bytes; no program runs in less, and ``512m`` is half a byte


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """One container that is killed at its limit (bytes, and as it is written): how often, and how far it may go."""

    container: dict[str, Any]
    at: str
    limit: str
    present: int
    times: int
    most: Bound | None

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container.get("name"))

    def allows(self, size: int) -> bool:
        """Whether the namespace and the nodes allow a limit of so many bytes."""
        return self.most is None or size <= self.most.size

    @property
    def told(self) -> Diagnosis:
        """The cause in words."""
        return Diagnosis(
            family=FAMILY,
            cause=f"container {self.name} needs more memory than its limit of {self.limit}",
            confidence=ONLY_ONE_FITS,
            rests_on=(
                f"lastState of container {self.name} is OOMKilled, {self.times} times",
                f"its memory limit is {self.limit}",
            ),
        )


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container that is OOM-killed at its own limit, else on evicted pods or starved probes."""
    findings = [finding for finding in evidence.health.findings if finding.symptom is Symptom.OOM_KILLED]
    if not findings:
        found = evicted(evidence, FAMILY) or starved(evidence, rounds, FAMILY)
        return found or Silent("no container is killed for its memory")
    name = findings[0].container
    container = evidence.container(name)
    if container is None:
        return Silent(f"container {name!r} is not in the present template")
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    if limit is None:
        return Silent("the container has no memory limit: the node ran out, not the container")
    if needs := wanting(evidence, "LimitRange", "ResourceQuota", "Node"):
        return needs
    try:
        killed = Killed(
            container=container,
            at=evidence.container_path(name),
            limit=str(limit),
            present=(present := parse_bytes(limit)),
            times=_killed_at_present_template(evidence, name),
            most=most_memory(evidence, present),
        )
    except UnreadableQuantity as error:
        return Silent(str(error))
    if present < LEAST:
        cause = f"the memory limit of container {name}, {limit}, is {present} bytes: no program runs in that"
        return Silent("how much is meant is not said", msgspec.structs.replace(killed.told, cause=cause))
    return _mended(evidence, rounds, killed)


def _mended(evidence: Evidence, rounds: Sequence[Round], killed: Killed) -> Silent | Opinion:
    field = f"{killed.at.removeprefix(evidence.pod_path)}/resources/limits/memory"
    if (before := limit_before(evidence, field, killed.present, killed.most)) is not None:
        why = (f"{basis(evidence.last_good)}, with that limit",) if evidence.last_good else ()
        return _raised(evidence, killed, before, *why)
    flags = [flag for flag in heap_flags(killed.container, killed.at) if flag.needs > killed.present]
    needed = max((flag.needs for flag in flags), default=0)
    if flags and needed <= FURTHEST * killed.present and killed.allows(needed):
        return _raised(evidence, killed, needed, f"it is told to take a heap of more than that: {flags[0]}")
    if len(flags) == 1 and flags[0].size >= killed.present:
        return _lowered(evidence, killed, flags[0])
    raised = STEP * killed.present
    if killed.most is not None and raised > killed.most.size:
        raised = killed.most.size
    if killed.most is not None and raised <= killed.present:
        rests_on = (*killed.told.rests_on, killed.most.rule)
        told = msgspec.structs.replace(killed.told, rests_on=rests_on)
        return Silent("the limit is as high as it may be here", told)
    if (less := _with_less(evidence, rounds, killed)) is not None:
        put_off = f"{basis(less)}, with less memory and nothing else than now: more may only put the next kill off"
        return _raised(evidence, killed, raised, put_off, confidence=SUGGESTED)
    return _raised(evidence, killed, raised)


def _with_less(evidence: Evidence, rounds: Sequence[Round], killed: Killed) -> Revision | None:
    """The newest revision that was well with less memory than this incident began with, and is the same otherwise."""
    path = f"{killed.at}/resources/limits/{MEMORY}"
    tried = [edit for entry in rounds if entry.proposal is not None for edit in entry.proposal.edits]
    began = min((size for edit in tried if edit.path == path and (size := _size(edit.expected))), default=None)
    least = min(killed.present, began or killed.present)
    found = [
        revision
        for revision in evidence.other_revisions
        if revision.good
        if (size := _limit(revision.template.get("spec", {}), killed.name)) and size < least
        if _but_memory(revision.template.get("spec", {}), killed.name) == _but_memory(evidence.pod_spec, killed.name)
    ]
    return max(found, key=lambda revision: revision.number, default=None)


def _limit(spec: dict[str, Any], name: str) -> int | None:
    found = [one for key in _CONTAINERS for one in spec.get(key) or () if one.get("name") == name]
    return _size(((found[0].get("resources") or {}).get("limits") or {}).get(MEMORY)) if found else None


def _size(quantity: object) -> int | None:
    try:
        return parse_bytes(quantity) if quantity is not None else None
    except UnreadableQuantity:
        return None


def _but_memory(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """A pod spec without what one container asks for and may have of memory."""
    return spec | {
        key: [_bare(one) if one.get("name") == name else one for one in spec.get(key) or ()] for key in _CONTAINERS
    }


def _bare(container: dict[str, Any]) -> dict[str, Any]:
    resources = container.get("resources") or {}
    asked = {
        part: {key: value for key, value in (resources.get(part) or {}).items() if key != MEMORY} for part in _AMOUNTS
    }
    return container | {"resources": resources | asked}


def _raised(evidence: Evidence, killed: Killed, size: int, *why: str, confidence: float = ONLY_ONE_FITS) -> Opinion:
    value, resources = format_bytes(size), f"{killed.at}/resources"
    edits = [SetField(path=f"{resources}/limits/memory", expected=killed.limit, value=value)]
    if is_guaranteed(killed.container):  # it is to stay among those served first
        asked = str(killed.container["resources"]["requests"]["memory"])
        edits.append(SetField(path=f"{resources}/requests/memory", expected=asked, value=value))
    return opinion(
        evidence,
        *edits,
        family=FAMILY,
        cause=killed.told.cause,
        rests_on=(*killed.told.rests_on, *why),
        ends=Symptom.OOM_KILLED,
        reason=f"raise the memory limit of {killed.name} from {killed.limit} to {value}",
        confidence=confidence,
    )


def _lowered(evidence: Evidence, killed: Killed, flag: HeapFlag) -> Silent | Opinion:
    edits = lowered(killed.container, killed.at, flag=flag, limit=killed.present)
    if not edits:
        return Silent("the flag of its heap stands beside what is masked here, and cannot be set", killed.told)
    rule = killed.most.rule if killed.most is not None else "that limit is far from it"
    fitting = " ".join(str(edit.value) for edit in edits)
    return opinion(
        evidence,
        *edits,
        family=FAMILY,
        cause=f"container {killed.name} is told to take a heap ({flag}) larger than its memory limit of {killed.limit}",
        rests_on=(*killed.told.rests_on, rule),
        ends=Symptom.OOM_KILLED,
        reason=f"let the heap of {killed.name} fit into its limit: {fitting[:120]}",
        confidence=CERTAIN,
    )


def _killed_at_present_template(evidence: Evidence, name: str) -> int:
    """How often the container was restarted in pods of the present template whose last end was an OOM kill."""
    statuses: list[dict[str, Any]] = [
        status
        for pod in evidence.snapshot.current_pods
        for status in container_statuses(pod)
        if status.get("name") == name and was_oom_killed(status)
    ]
    return sum(max(1, int(status.get("restartCount", 0))) for status in statuses)
