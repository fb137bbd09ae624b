"""Amounts that a LimitRange refuses, moved just inside of it; never below what runs with them already.

Rule: plugin/pkg/admission/limitranger (``maximum memory usage per Container is 1Gi, but limit is 2Gi``, ``minimum``,
``max limit to request ratio``), and pkg/apis/core/validation where a limit that the range fills in is less than what is
asked for. Less is given only to what has never run with more: a rule that came later than the pods would otherwise
starve them with the next rollout. A share that is too small is mended by asking for more, never by allowing less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, DecimalException

from incidents.evidence import Evidence
from incidents.proposals import Diagnosis, Opinion, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, format_millis, parse_bytes, parse_millis
from incidents.snapshot import is_ready
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN
from playbooks.edits import opinion
from playbooks.last_good import never_well

MEBIBYTE = 1024 * 1024

_RANGE = re.compile(
    r"(?P<which>maximum|minimum) (?P<what>cpu|memory|ephemeral-storage) usage per Container is (?P<bound>[\w.]+),"
    r" but (?P<field>limit|request) is (?P<value>[\w.]+)"
)
_RATIO = re.compile(
    r"(?P<what>cpu|memory) max limit to request ratio per Container is (?P<ratio>\d[\d.]{0,9}), but provided ratio is"
)
_FILLED_IN = re.compile(
    r'resources\.requests: Invalid value: \\?"(?P<value>[\w.]+)\\?": must be less than or equal to (?P<what>cpu|memory)'
    r" limit of [\w.]+"
)


def into_range(evidence: Evidence, said: str, family: str) -> Opinion | Silent | None:
    """The amounts moved as the range allows; None where it is not the range that refuses them."""
    edits = {edit.path: edit for edit in _edits(evidence, said)}
    if not edits:
        return None
    cause = "a LimitRange of the namespace does not allow what the containers ask for"
    if has_run(evidence) and any(_is_less(edit) for edit in edits.values()):
        told = Diagnosis(family=family, cause=cause, confidence=0.95, rests_on=(said[:300],))
        return Silent("its pods have run with more than the LimitRange allows now: less might starve them", told)
    moved = ", ".join(f"{edit.path.rpartition('/resources/')[2]} to {edit.value}" for edit in edits.values())
    return opinion(
        evidence,
        *edits.values(),
        family=family,
        cause=cause,
        rests_on=(said[:300],),
        ends=Symptom.CREATE_FORBIDDEN,
        reason=f"move {moved}, as the LimitRange allows",
        confidence=CERTAIN,
    )


def has_run(evidence: Evidence) -> bool:
    """Whether pods of the present template are ready, or were seen well once."""
    return not never_well(evidence) or any(is_ready(pod) for pod in evidence.snapshot.current_pods)


def _edits(evidence: Evidence, said: str) -> Iterator[SetField]:
    for match in _RANGE.finditer(said):
        yield from _moved(evidence, match)
    for match in _RATIO.finditer(said):
        yield from _asking_more(evidence, match)
    for match in _FILLED_IN.finditer(said):
        yield from _said_too(evidence, match)


def _amounts(evidence: Evidence, what: str) -> Iterator[tuple[str, str | None, str | None]]:
    """Each container's path to its resources, its limit and its request."""
    for container in (*evidence.containers, *evidence.init_containers):
        resources = container.get("resources") or {}
        limit, request = ((resources.get(which) or {}).get(what) for which in ("limits", "requests"))
        yield f"{evidence.container_path(str(container.get('name')))}/resources", limit, request


def _is_less(edit: SetField) -> bool:
    read = parse_millis if edit.path.endswith("/cpu") else parse_bytes
    return edit.expected is not None and read(edit.value) < read(edit.expected)


def _moved(evidence: Evidence, match: re.Match[str]) -> Iterator[SetField]:
    """To the bound, with what belongs to the other side of it."""
    what, bound, value = match["what"], match["bound"], match["value"]
    read = parse_millis if what == "cpu" else parse_bytes
    over = match["which"] == "maximum"
    for path, limit, request in _amounts(evidence, what):
        asked = limit if match["field"] == "limit" else request
        try:
            if asked is None or read(asked) != read(value):
                continue
            for which, amount in (("limits", limit), ("requests", request)):
                if amount is not None and (read(amount) > read(bound)) is over and read(amount) != read(bound):
                    yield SetField(path=f"{path}/{which}/{what}", expected=amount, value=bound)
        except UnreadableQuantity:
            continue


def _asking_more(evidence: Evidence, match: re.Match[str]) -> Iterator[SetField]:
    """A request so large that the limit is no more than so many times as much."""
    what = match["what"]
    read, write = (parse_millis, format_millis) if what == "cpu" else (parse_bytes, format_bytes)
    step = 1 if what == "cpu" else MEBIBYTE
    for path, limit, request in _amounts(evidence, what):
        try:
            ratio = Decimal(match["ratio"])
            if limit is None or request is None or ratio < 1 or read(limit) <= read(request) * ratio:
                continue
            least = -(-read(limit) // (ratio * step)) * step
            yield SetField(path=f"{path}/requests/{what}", expected=request, value=write(min(int(least), read(limit))))
        except (UnreadableQuantity, DecimalException):
            continue


def _said_too(evidence: Evidence, match: re.Match[str]) -> Iterator[SetField]:
    """A limit as large as the request, for a container that says none and was given a smaller one by the range."""
    for path, limit, request in _amounts(evidence, match["what"]):
        if limit is None and request is not None and request == match["value"]:
            yield _with_limit(evidence, path, match["what"], request)


def _with_limit(evidence: Evidence, path: str, what: str, amount: str) -> SetField:
    name = path.rpartition("[")[2].partition("]")[0]
    limits = ((evidence.container(name) or {}).get("resources") or {}).get("limits")
    if not limits:
        return SetField(path=f"{path}/limits", expected=limits, value={what: amount})
    return SetField(path=f"{path}/limits/{what}", expected=None, value=amount)
