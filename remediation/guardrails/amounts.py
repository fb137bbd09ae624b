"""Rules on numbers: how far a request, a limit, a probe's patience and the replicas may be moved in one incident.

Up within a factor and an absolute bound. Down only where the present value keeps pods from being created or placed at
all, and then by no more than the same factor: less than was asked for is no repair of what has run. A claim that is
there has bounds of its own, and never gets smaller: what it holds could be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from incidents.changes import LeafChange
from incidents.evidence import POD_PATHS
from incidents.objects import CLAIM
from incidents.pointers import parts_of
from incidents.policy import Answer, Ruling
from incidents.proposals import Recreate, RollBack
from incidents.quantities import UnreadableQuantity, format_bytes, format_millis, parse_bytes, parse_millis
from incidents.symptoms import Symptom
from remediation.guardrails.view import View

_STORAGE = "storage"
_NEVER_CREATED = frozenset({Symptom.CREATE_FORBIDDEN})
_NEVER_PLACED = _NEVER_CREATED | {Symptom.UNSCHEDULABLE}
_PROBE_DEFAULTS = {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 1, "initialDelaySeconds": 0}

Reading = Callable[[object], int]
Writing = Callable[[int], str]


def amounts(view: View) -> Iterator[Ruling]:
    """Memory, CPU and ephemeral storage of containers, and sizes of volumes, within the policy's bounds."""
    if isinstance(view.proposal.action, RollBack):
        return
    for leaf in view.diff:
        parts = parts_of(leaf.pointer)
        if parts[-2:] == ["emptyDir", "sizeLimit"]:
            yield from _amount(view, leaf, what=parts[-1], which="limits")
        elif len(parts) >= 3 and parts[-3] == "resources" and parts[-2] in ("requests", "limits"):
            yield from _amount(view, leaf, what=parts[-1], which=parts[-2])


def _amount(view: View, leaf: LeafChange, *, what: str, which: str) -> Iterator[Ruling]:
    rule, read, write, factor, most = _measures(what, view)
    before = view.original(leaf.pointer, leaf.before)
    if leaf.after is None:
        if which == "limits":
            yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer} would be removed")
        return
    try:
        old, new = (read(before) if before is not None else None), read(leaf.after)
    except UnreadableQuantity as error:
        yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer}: {error}")
        return
    if new > most or new <= 0:
        yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer} would exceed {write(most)}, or be nothing at all")
    if old is None:
        return
    if new < old and rule == _STORAGE and not isinstance(view.proposal.action, Recreate):
        yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer} would go down, and what a claim holds could be lost")
        return
    if new > old * factor:
        yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer} would be more than {factor:g} times")
    if new < old and view.proposal.ends not in (_NEVER_CREATED if which == "limits" else _NEVER_PLACED):
        yield Ruling(rule, Answer.REFUSE, f"{leaf.pointer} would go down")
    if new < old and new * factor < old:
        yield Ruling(rule, Answer.NEEDS_APPROVAL, f"{leaf.pointer} would be less than a {factor:g}th")


def _measures(what: str, view: View) -> tuple[str, Reading, Writing, float, int]:
    """The rule's name, how to read and write the quantity, and its bounds."""
    bounds = view.policy.bounds
    if what == "cpu":
        return "cpu", parse_millis, format_millis, bounds.cpu_factor, bounds.cpu_millis
    if view.proposal.target.kind == CLAIM.kind:
        return _STORAGE, parse_bytes, format_bytes, bounds.storage_factor, bounds.storage_bytes
    rule = "memory" if what == "memory" else "disk"  # what may be written is bounded as what may be kept in memory
    return rule, parse_bytes, format_bytes, bounds.memory_factor, bounds.memory_bytes


def replicas(view: View) -> Iterator[Ruling]:
    """One replica of what has none, twice as many of what has some, and never fewer."""
    for leaf in view.diff:
        if leaf.pointer != "/spec/replicas" or isinstance(view.proposal.action, RollBack):
            continue
        old, new = view.original(leaf.pointer, leaf.before), leaf.after
        if not isinstance(old, int) or not isinstance(new, int):
            yield Ruling("replicas", Answer.REFUSE, f"{leaf.pointer}: {old} -> {new} are no two numbers")
        elif new and (new < old or new > max(1, 2 * old)):  # none at all is refused elsewhere
            yield Ruling("replicas", Answer.REFUSE, f"{leaf.pointer} may go from {old} to {max(1, 2 * old)} at most")


def probe_times(view: View) -> Iterator[Ruling]:
    """A probe may be given more patience, to a bound; it is not made so patient that it never fails."""
    if isinstance(view.proposal.action, RollBack) or view.answer is None:
        return
    for place, probe in _probes(view.answer):
        if any(leaf.pointer.startswith(place + "/") or leaf.pointer == place for leaf in view.diff):
            seconds = _patience(probe)
            if seconds > view.policy.bounds.probe_seconds:
                yield Ruling("probe", Answer.REFUSE, f"{place} would fail only after {seconds} s")


def _probes(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    parts = parts_of(POD_PATHS.get(str(manifest.get("kind")), "/spec/template/spec"))
    spec: Any = manifest
    for part in parts:
        spec = spec.get(part) or {}
    for which in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(which) or ()):
            for name in ("livenessProbe", "readinessProbe", "startupProbe"):
                if container.get(name):
                    yield "/" + "/".join((*parts, which, str(index), name)), container[name]


def _patience(probe: dict[str, Any]) -> int:
    times = {key: int(probe.get(key) or default) for key, default in _PROBE_DEFAULTS.items()}
    return times["initialDelaySeconds"] + times["failureThreshold"] * (times["periodSeconds"] + times["timeoutSeconds"])
