"""The evidence as a model reads it: little text, the telling things first, and never more than there is room for.

What fails comes first, then the events, then the logs' telling lines; the containers, the rollout history and
what could not be read follow as far as there is room. Every part has a share of its own, so that a thousand events
cannot push the states out. It is made of the redacted evidence alone; whoever puts it into a prompt fences it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from evidence.redaction import mask_text
from incidents.changes import LeafChange
from incidents.evidence import Evidence, Revision
from incidents.patch import leaf_diff
from incidents.signals import clean
from incidents.snapshot import is_ready

SHORTEST = 200  # bytes; a part for which there is less room is left out
_TAIL = 12  # lines of each log, where nobody has digested them
_NOISE = frozenset({"terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"})


class _Part(msgspec.Struct, frozen=True):
    """One part of the brief, and how much of the whole it may take."""

    heading: str
    lines: Callable[[Evidence, Sequence[str]], Iterable[str]]
    share: float


def brief(evidence: Evidence, *, room_bytes: int, digest: Sequence[str] = ()) -> str:
    """The evidence in at most ``room_bytes`` of UTF-8, by relevance. ``digest``: the telling lines of its logs."""
    left, parts = room_bytes, []
    for part in _PARTS:
        room = min(left, int(room_bytes * part.share)) - len(part.heading) - 4
        if room < SHORTEST:
            continue
        lines = fitting(part.lines(evidence, digest), room)
        if lines:
            text = "\n".join((f"## {part.heading}", *lines))
            parts.append(text)
            left -= len(text.encode()) + 1
    return "\n".join(parts)


def fitting(lines: Iterable[str], room_bytes: int) -> list[str]:
    """The first of the lines, in so many bytes; the last says how many are missing."""
    kept: list[str] = []
    every = list(lines)
    for number, line in enumerate(every):
        size = len(line.encode()) + 1
        left_out = f"({len(every) - number} more left out)"
        if size + (len(left_out) + 1 if number + 1 < len(every) else 0) > room_bytes:
            return [*kept, left_out] if len(left_out) < room_bytes else kept
        kept.append(line)
        room_bytes -= size
    return kept


def states(evidence: Evidence) -> list[str]:
    """What fails, and how each container of the present pods is."""
    health = evidence.health
    lines = [f"{evidence.subject}: {health.state}"]
    if evidence.subject.is_workload:
        lines[0] += f", {health.ready} of {health.desired} ready"
    lines += [_line(f"{f.symptom} {f.container or f.pod or 'the workload'}: {f.detail}", 400) for f in health.findings]
    lines += [_container_state(pod, status) for pod in evidence.snapshot.current_pods[:3] for status in _statuses(pod)]
    return list(dict.fromkeys(lines))


def events(evidence: Evidence) -> list[str]:
    """The events, newest first, each wording once."""
    said = (f"{one.about} {one.reason}: {one.message}" for one in reversed(evidence.events))
    return list(dict.fromkeys(_line(text, 360) for text in said))


def containers(evidence: Evidence) -> list[str]:
    """Each container of the present template as one line of JSON, without what only the API server adds."""
    spec = evidence.template.get("spec", {})
    found = []
    for field in ("initContainers", "containers"):
        for item in spec.get(field) or ():
            shown = {key: value for key, value in item.items() if key not in _NOISE}
            found.append(f"/spec/template/spec/{field}[{item.get('name')}] = {_json(shown, 1200)}")
    rest = {key: value for key, value in spec.items() if key not in ("containers", "initContainers")}
    found.append(f"/spec/template/spec, the rest = {_json(rest, 700)}")
    return found


def history(evidence: Evidence) -> list[str]:
    """The revisions, newest first: what differs from the present one, and whether each is known to work."""
    return [_revision(one, evidence) for one in sorted(evidence.revisions, key=lambda one: -one.number)]


def logs(evidence: Evidence, digest: Sequence[str] = ()) -> list[str]:
    """The telling lines of the logs: as they were digested, or their ends; that there are none is said too."""
    if digest:
        return [_line(line, 300) for line in digest]
    if not evidence.logs:
        return ["none: what fails has written none that could be read"]  # said, so that nobody asks for them
    return [
        _line(f"{one.container}{' (previous)' * one.previous}: {line}", 300)
        for one in evidence.logs
        for line in one.text.rstrip().splitlines()[-_TAIL:]
    ]


def _unread(evidence: Evidence) -> list[str]:
    return [_line(text, 200) for text in evidence.unread]


def _missing(evidence: Evidence) -> list[str]:
    return [f"{name} is not there" for name in evidence.snapshot.missing]


_PARTS = (
    _Part("What fails", lambda evidence, _: [*states(evidence), *_missing(evidence)], 0.25),
    _Part("Events, newest first", lambda evidence, _: events(evidence), 0.22),
    _Part("Logs", logs, 0.25),
    _Part("Containers", lambda evidence, _: containers(evidence), 0.35),
    _Part("Rollout history, newest first", lambda evidence, _: history(evidence), 0.15),
    _Part("Could not be read", lambda evidence, _: _unread(evidence), 0.05),
)


def _revision(one: Revision, evidence: Evidence) -> str:
    if one.digest == evidence.present:
        return f"revision {one.number}: the present one, {one.ready} ready"
    known = "known to work" if one.good else "not known to work"
    different = leaf_diff(one.template, evidence.template)
    leaves = "; ".join(_leaf(leaf) for leaf in different[:6])
    more = f"; {len(different) - 6} more" if len(different) > 6 else ""
    return _line(f"revision {one.number}: {known}, {one.ready} ready; since then {leaves}{more}", 600)


def _leaf(leaf: LeafChange) -> str:
    return f"{leaf.pointer} {_json(leaf.before, 80)} -> {_json(leaf.after, 80)}"


def _container_state(pod: dict[str, Any], status: dict[str, Any]) -> str:
    state, last = _state(status.get("state")), _state(status.get("lastState"))
    readiness = "ready" if is_ready(pod) else "not ready"
    text = f"container {status.get('name')} ({readiness}): {state}, {status.get('restartCount', 0)} restarts"
    return _line(text + (f"; before that {last}" if last else ""), 400)


def _state(state: dict[str, Any] | None) -> str:
    for name, detail in (state or {}).items():
        told = [f"{key} {detail[key]}" for key in ("reason", "exitCode", "message") if detail and detail.get(key)]
        return mask_text(" ".join([name, *told]))
    return ""


def _statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _json(value: object, limit: int) -> str:
    return _line(json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True), limit)


def _line(text: str, limit: int) -> str:
    """One line of bounded text; what was cut off is marked."""
    cleaned = " ".join(clean(text, limit + 1).split())
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
