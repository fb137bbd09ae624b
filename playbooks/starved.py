"""Probes that get no answer in time because the container is held at its CPU limit: the limit is raised a bounded step.

A timeout says only that the answer came late. That the limit is why is said by the metrics of its pods: in each that
fails and is measured, the very container computes all that it may (CFS quota; the kernel throttles it, and tells
nobody). How much more it would compute is not said, so that the limit it had while it was well comes first, and else up
to three rounds of doubling, within LimitRange, quota and the largest node. Requests stay, so that of Guaranteed pods it
is told. Where usage is below the limit, the program is slow for a reason of its own, and that is for the family of
probes; where it is not known, nobody knows which of the two it is, and that family asks. Asked by the family of memory.

Rules: pkg/kubelet/prober, pkg/kubelet/cm (``cpu.max`` from ``limits.cpu``), metrics.k8s.io/v1beta1 ``PodMetrics`` (the
average of the last window: a container that has just been restarted is not there yet).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from incidents.evidence import Evidence
from incidents.health import container_statuses
from incidents.incident import Round
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.quantities import format_millis
from playbooks.confidence import CERTAIN
from playbooks.edits import opinion, wanting
from playbooks.failing_probes import Failure, failures, shown_by
from playbooks.last_good import basis
from playbooks.probe_times import killed_before_it_listens, too_slow
from playbooks.size_bounds import CPU, FURTHEST, STEP, Bound, is_guaranteed, limit_before, most_cpu
from playbooks.usage import cpu_used, millis, wanted_usage

HELD_PERCENT = 95  # of its limit: a throttled container reaches all of it, but for how the window cuts its periods
_NAMED = 3  # pods whose usage is quoted


def starved(evidence: Evidence, rounds: Sequence[Round], family: str) -> Silent | Needs | Opinion | None:
    """An opinion on the first probe that fails, where the limit of its container is why; None where it is not."""
    failure = next(iter(failures(evidence)), None)
    if failure is None or (present := _limit(failure)) is None:
        return None
    if not _gets_no_answer(evidence, failure):
        return None
    if not evidence.asked(want := wanted_usage(evidence)):
        return Needs((want,))
    if not (held := held_at_limit(evidence, failure)):
        return None
    if needs := wanting(evidence, "LimitRange", "ResourceQuota", "Node"):
        return needs
    told = Diagnosis(
        family=family,
        cause=f"container {failure.name} computes all that its CPU limit of {_cpu(failure, 'limits')} allows, "
        f"and its {failure.probe} gets no answer in time",
        confidence=CERTAIN,
        rests_on=(*held[:_NAMED], failure.said[:200]),
    )
    return _raised(evidence, failure, told, present=present, begun=_begun_with(evidence, failure, rounds, present))


def held_at_limit(evidence: Evidence, failure: Failure) -> tuple[str, ...]:
    """How much each pod that fails and is measured uses of the CPU limit, in words; empty unless all use it up."""
    limit, used = _limit(failure), _measured(evidence, failure)
    if limit is None or not _gets_no_answer(evidence, failure):
        return ()
    if any(amount * 100 < HELD_PERCENT * limit for amount in used.values()):
        return ()
    return tuple(
        f"pod {pod} uses {format_millis(amount)} of {format_millis(limit)} CPU (metrics)"
        for pod, amount in used.items()
    )


def may_be_held(evidence: Evidence, failure: Failure) -> bool:
    """Whether it has a CPU limit, and nobody has measured a pod that fails: that is not to say that it is idle."""
    return _limit(failure) is not None and not _measured(evidence, failure)


def _measured(evidence: Evidence, failure: Failure) -> dict[str, int]:
    """What the container uses in the pods in which it fails, as far as that is known."""
    used = cpu_used(evidence)
    failing = ((pod, used.get(pod, {}).get(failure.name)) for pod in _failing(evidence, failure))
    return {pod: amount for pod, amount in failing if amount is not None}


def _gets_no_answer(evidence: Evidence, failure: Failure) -> bool:
    return too_slow(failure) or bool(killed_before_it_listens(evidence, failure))


def _raised(evidence: Evidence, failure: Failure, told: Diagnosis, *, present: int, begun: int) -> Silent | Opinion:
    if is_guaranteed(failure.container):
        because = "its pods are Guaranteed: a limit above the request would have them put out before others"
        return Silent(because, msgspec.structs.replace(told, rests_on=(told.rests_on[0], because, *told.rests_on[1:])))
    path = _path(evidence, failure)
    most = _most(evidence, failure, present, begun)
    before = limit_before(evidence, path.removeprefix(evidence.pod_path), present, most)
    why = (f"{basis(evidence.last_good)}, with that limit",) if before is not None and evidence.last_good else ()
    size = min(before or STEP * present, most.size)
    if size <= present:
        rests_on = (told.rests_on[0], most.rule, *told.rests_on[1:])
        return Silent("the limit is as high as it may be here", msgspec.structs.replace(told, rests_on=rests_on))
    limit, value = _cpu(failure, "limits"), format_millis(size)
    return opinion(
        evidence,
        SetField(path=path, expected=limit, value=value),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, *why),
        ends=shown_by(evidence),
        reason=f"raise the CPU limit of {failure.name} from {limit} to {value}",
        confidence=CERTAIN,
    )


def _most(evidence: Evidence, failure: Failure, present: int, begun: int) -> Bound:
    """How far the limit may go: what the rules say, and in all rounds so many times where it began."""
    furthest = Bound(FURTHEST * begun, f"it is {FURTHEST} times the {format_millis(begun)} that it was before")
    most = most_cpu(evidence, present, millis(_cpu(failure, "requests")) or None)
    return min(furthest, most) if most is not None else furthest


def _begun_with(evidence: Evidence, failure: Failure, rounds: Sequence[Round], present: int) -> int:
    """The limit before the first round that raised it."""
    path = _path(evidence, failure)
    edits = (edit for one in rounds if one.proposal is not None for edit in one.proposal.edits)
    return next((limit for edit in edits if edit.path == path and (limit := millis(edit.expected))), present)


def _path(evidence: Evidence, failure: Failure) -> str:
    return f"{evidence.container_path(failure.name)}/resources/limits/{CPU}"


def _failing(evidence: Evidence, failure: Failure) -> Iterator[str]:
    """The pods of the present template in which the container runs and its probe fails."""
    said = {line.about for line in evidence.events if line.reason == "Unhealthy"}
    for pod in evidence.snapshot.current_pods:
        name = str(pod["metadata"]["name"])
        for status in container_statuses(pod):
            runs = status.get("name") == failure.name and "running" in (status.get("state") or {})
            if runs and (not status.get("ready") or f"Pod/{name}" in said):
                yield name


def _cpu(failure: Failure, which: str) -> Any:
    return ((failure.container.get("resources") or {}).get(which) or {}).get(CPU)


def _limit(failure: Failure) -> int | None:
    """The container's CPU limit in thousandths; None without one, and for a limit of nothing."""
    return millis(_cpu(failure, "limits")) or None
