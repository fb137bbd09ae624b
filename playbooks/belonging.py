"""Whose a ConfigMap or a Secret is, as far as labels and names tell.

Labels that name an application are believed first (the recommended ones of Kubernetes, and the plain ``app``); without
any, a name that begins with the workload's own speaks for it, unless another workload's longer name fits as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from incidents.evidence import Evidence
from incidents.objects import Manifest

_OWNERS = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app")


def is_ours(evidence: Evidence, source: Manifest, others: Iterable[Manifest] = ()) -> bool | None:
    """Whether an object is this workload's; None where nothing tells. ``others``: the workloads beside it."""
    ours = (evidence.template.get("metadata") or {}).get("labels") or {}
    theirs = source["metadata"].get("labels") or {}
    said = [key for key in _OWNERS if key in theirs and key in ours]
    if said:
        return all(theirs[key] == ours[key] for key in said)
    name, own = str(source["metadata"]["name"]), evidence.subject.name
    beginning = [
        other
        for one in others
        if len(other := str(one["metadata"]["name"])) > len(own) and (name == other or name.startswith(f"{other}-"))
    ]
    if beginning:
        return False
    return True if name == own or name.startswith(f"{own}-") else None
