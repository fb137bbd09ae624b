"""Whose an object is that a workload names or could name, as far as labels and names tell.

Labels that name an application are believed first (the recommended ones of Kubernetes, and the plain ``app``); without
any, a name that begins with the workload's own speaks for it. A name that begins with that of another workload beside
it, and with none of its own that is as long, is the other's. A name that leads nowhere and says what the workload
itself is called is no slip of one that does not: that is said twice, and whoever has to make it may only be late.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from incidents.evidence import Evidence
from incidents.objects import CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, STATEFUL_SET, Manifest
from incidents.snapshot import pod_template

BESIDE = (DEPLOYMENT.kind, STATEFUL_SET.kind, DAEMON_SET.kind, CRON_JOB.kind, JOB.kind)
_OWNERS = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app")


def is_ours(evidence: Evidence, source: Manifest, others: Iterable[Manifest] = ()) -> bool | None:
    """Whether an object is this workload's; None where nothing tells. ``others``: the workloads beside it."""
    if is_labelled_otherwise(evidence, source):
        return False
    ours, theirs = _own_labels(evidence), source["metadata"].get("labels") or {}
    said = _in_both(ours, theirs)
    name, own = str(source["metadata"]["name"]), evidence.subject.name
    longest = max((len(one) for one in own_names(evidence) if _begins(name, one)), default=0)
    rivals = (str(one["metadata"]["name"]) for one in others if all(_labels(one).get(key) == ours[key] for key in said))
    if any(_begins(name, other) and len(other) > longest for other in rivals):
        return False
    return True if said or _begins(name, own) else None


def is_labelled_otherwise(evidence: Evidence, source: Manifest, *more: str) -> bool:
    """Whether a label that says whose an object is names another than the workload's; ``more`` are such labels too."""
    ours, theirs = _own_labels(evidence), source["metadata"].get("labels") or {}
    return any(theirs[key] != ours[key] for key in _in_both(ours, theirs, *more))


def is_only_ours(evidence: Evidence, source: Manifest, others: Sequence[Manifest]) -> bool:
    """Whether an object is this workload's by its name, or by labels that no other workload beside it has as well."""
    if not is_ours(evidence, source, others):
        return False
    ours, theirs = _own_labels(evidence), source["metadata"].get("labels") or {}
    said = _in_both(ours, theirs)
    shared = any(all(_labels(one).get(key) == ours[key] for key in said) for one in others)
    return not shared or _begins(str(source["metadata"]["name"]), evidence.subject.name)


def own_names(evidence: Evidence) -> set[str]:
    """What a workload is called: by its name, and by the labels that name an application."""
    labels = _own_labels(evidence)
    return {evidence.subject.name, *(str(labels[key]) for key in _OWNERS if labels.get(key))}


def said_twice(wrong: str, meant: str, own: Iterable[str]) -> str:
    """Which of its own names a subject says in a name that leads nowhere and not in the one like it; else empty."""
    return next((one for one in sorted(own) if one and _says(wrong, one) and not _says(meant, one)), "")


def beside(evidence: Evidence) -> list[Manifest]:
    """The other workloads of its namespace, of the kinds that were listed."""
    own = (evidence.subject.kind, evidence.subject.name)
    known = ((kind, item) for kind in BESIDE for item in evidence.listed(kind) or ())
    return [item for kind, item in known if (kind, item["metadata"]["name"]) != own]


def all_seen(evidence: Evidence) -> bool:
    """Whether all workloads beside it could be listed: else nobody knows whose a name is."""
    return all(evidence.listed(kind) is not None for kind in BESIDE)


def _begins(name: str, owner: str) -> bool:
    return name == owner or name.startswith(f"{owner}-")


def _says(name: str, own: str) -> bool:
    """Whether a name has the other in it, as words of its own."""
    return re.search(rf"(?<![a-z0-9]){re.escape(own.lower())}(?![a-z0-9])", name.lower()) is not None


def _in_both(ours: Manifest, theirs: Manifest, *more: str) -> list[str]:
    return [key for key in (*_OWNERS, *more) if key in theirs and key in ours]


def _own_labels(evidence: Evidence) -> Manifest:
    labels: Manifest = (evidence.template.get("metadata") or {}).get("labels") or {}
    return labels


def _labels(workload: Manifest) -> Manifest:
    labels: Manifest = (pod_template(workload).get("metadata") or {}).get("labels") or {}
    return labels
