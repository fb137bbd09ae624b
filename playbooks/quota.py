"""Containers that have to say what they take because a quota counts it: an amount that leaves room for the others.

Rule: plugin/pkg/admission/resourcequota (``failed quota: q: must specify limits.memory for: web``). Nothing says what
such a container needs. What it gets is a small, usual amount, no more than a share of what the quota has left for all
replicas and one more; whether that is enough is seen when it runs, and the family of memory goes on from there. What
has run without any bound, before there was a quota, is given none: nobody knows what it uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from incidents.evidence import Evidence
from incidents.objects import QUOTA
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, format_millis
from incidents.symptoms import Symptom
from playbooks.amounts import read
from playbooks.confidence import LIKELY
from playbooks.edits import named, opinion, wanting
from playbooks.ranges import has_run

MEBIBYTE = 1024 * 1024
USUAL = {
    "requests.memory": 128 * MEBIBYTE,
    "limits.memory": 256 * MEBIBYTE,
    "requests.cpu": 100,
    "limits.cpu": 500,
}  # bytes, and thousandths of a core
LEAST = {"requests.memory": 32 * MEBIBYTE, "limits.memory": 64 * MEBIBYTE, "requests.cpu": 10, "limits.cpu": 50}

_SAID = re.compile(r"failed quota: (?P<name>[a-z0-9][a-z0-9.-]*): must specify (?P<what>[^\n]+)")
_WHAT = re.compile(r"(?P<what>(?:requests|limits)\.(?:cpu|memory)|cpu|memory)(?: for: (?P<who>[a-z0-9,-]+))?")
_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}  # how a quota may call them too


def into_quota(evidence: Evidence, said: str, family: str) -> Silent | Needs | Opinion:
    """The amounts that a quota wants said, for the containers that do not say them."""
    match = _SAID.search(said)
    if match is None:
        return Silent("no quota wants anything said")
    if needs := wanting(evidence, QUOTA.kind):
        return needs
    quota = named(evidence.listed(QUOTA.kind), match["name"])
    cause = f"quota {match['name']} demands that every container says what it needs: {match['what'][:160]}"
    told = Diagnosis(family=family, cause=cause, confidence=0.95, rests_on=(said[:300],))
    wanted = {_SHORT.get(one["what"], one["what"]) for one in _WHAT.finditer(match["what"])}
    if quota is None or not wanted:
        return Silent("what the quota has left is not known", told)
    if has_run(evidence) or evidence.snapshot.ready:
        return Silent("it has run without saying so, and how much it uses is not known", told)
    try:
        amounts = {what: _share(evidence, quota, what) for what in sorted(wanted)}
    except UnreadableQuantity as error:
        return Silent(str(error), told)
    if any(amount < LEAST[what] for what, amount in amounts.items()):
        return Silent("the quota has no room for a container of a usual size", told)
    written = {what: _written(what, amount) for what, amount in amounts.items()}
    everybody = (*evidence.containers, *evidence.init_containers)
    edits = [edit for container in everybody for edit in _said(evidence, container, written)]
    if not edits:
        return Silent("its containers say so already", told)
    return opinion(
        evidence,
        *edits,
        family=family,
        cause=cause,
        rests_on=(said[:300],),
        ends=Symptom.CREATE_FORBIDDEN,
        reason="let its containers say " + ", ".join(f"{what} {amount}" for what, amount in written.items()),
        confidence=LIKELY,
    )


def _share(evidence: Evidence, quota: Mapping[str, Any], what: str) -> int:
    """The usual amount, or the even share of what is left, whichever is less. Raises UnreadableQuantity."""
    hard, used = (quota.get("status", {}).get(which) or {} for which in ("hard", "used"))
    name = what if what in hard else what.removeprefix("requests.")
    left = read(what, hard.get(name, "0")) - read(what, used.get(name, "0"))
    pods = evidence.snapshot.desired + 1  # a rollout may want one more
    return min(USUAL[what], left // (pods * max(1, len(evidence.containers) + len(evidence.init_containers))))


def _written(what: str, amount: int) -> str:
    if what.endswith("cpu"):
        return format_millis(amount)
    return format_bytes(amount // MEBIBYTE * MEBIBYTE)


def _said(evidence: Evidence, container: dict[str, Any], written: Mapping[str, str]) -> Iterator[SetField]:
    """What one container lacks: the whole of ``requests`` or ``limits`` where it has none, else a field of it."""
    resources = container.get("resources")
    path = f"{evidence.container_path(str(container.get('name')))}/resources"
    lacking: dict[str, dict[str, str]] = {}
    for what, amount in written.items():
        which, _, name = what.partition(".")
        if name not in ((resources or {}).get(which) or {}):
            lacking.setdefault(which, {})[name] = amount
    if resources is None and lacking:
        yield SetField(path=path, expected=None, value=lacking)
        return
    for which, amounts in lacking.items():
        there = (resources or {}).get(which)
        if not there:
            yield SetField(path=f"{path}/{which}", expected=there, value=amounts)
            continue
        for name, amount in amounts.items():
            yield SetField(path=f"{path}/{which}/{name}", expected=None, value=amount)
