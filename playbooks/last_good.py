"""What the last good revision had in place of what fails now: the most certain value there is.

Asked only where the present revision has never been well; what was well before and fails now was broken from elsewhere,
and an older template would not mend it.
"""

from __future__ import annotations

from typing import Any

from incidents.evidence import Evidence, Revision
from incidents.objects import STATEFUL_SET, Manifest
from incidents.ordering import of_present_revision
from incidents.pod_health import has_begun
from incidents.pointers import ABSENT, PathNotFound, resolve, value_at

ROLLED_BACK = ("Deployment", "DaemonSet", STATEFUL_SET.kind)


def never_well(evidence: Evidence) -> bool:
    """Whether the present revision has never been seen well, as far as is known."""
    return not any(revision.digest == evidence.present and revision.good for revision in evidence.revisions)


def may_roll_back(evidence: Evidence) -> bool:
    """Whether the last good revision can be put back as a whole without loosening what the present one secures.

    A security setting that came with the present revision may be the very thing that somebody wanted. And what a
    StatefulSet keeps may have been brought into a later form by the present one already, which an earlier one cannot
    read: with claims of its own it is put back only while nothing of the present revision has ever been started.
    """
    good = evidence.last_good
    if good is None or evidence.subject.kind not in ROLLED_BACK or not never_well(evidence):
        return False
    if evidence.subject.kind == STATEFUL_SET.kind and _may_have_written(evidence):
        return False
    return _security(good.template.get("spec", {})) == _security(evidence.pod_spec)


def _may_have_written(evidence: Evidence) -> bool:
    """Whether containers of a StatefulSet's present revision have run with its claims, as far as its pods tell."""
    pods = of_present_revision(evidence.snapshot)
    claims = evidence.snapshot.workload.get("spec", {}).get("volumeClaimTemplates")
    return bool(claims) and (not pods or any(has_begun(pod) for pod in pods))


_SECURING = ("securityContext", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "runtimeClassName")


def _security(spec: Manifest) -> list[object]:
    """What a pod spec says of who its containers are and what of the node they reach."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    token = spec.get("automountServiceAccountToken")
    from_node = [one.get("hostPath") for one in spec.get("volumes") or () if one.get("hostPath")]
    own = [(one.get("name"), said) for one in containers if (said := one.get("securityContext"))]
    return [*(spec.get(field) or {} for field in _SECURING), token, from_node, own]


def good_container(evidence: Evidence, name: str) -> dict[str, Any] | None:
    """The container of that name in the last good revision; None without one."""
    spec = evidence.last_good.template.get("spec", {}) if evidence.last_good is not None else {}
    found = (
        one for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())) if one.get("name") == name
    )
    return next(found, None)


def good_value(evidence: Evidence, path: str) -> Any:
    """What stands at a path below the pod spec (``/nodeSelector``) in the last good revision; None without one."""
    if evidence.last_good is None:
        return None
    spec = evidence.last_good.template.get("spec", {})
    try:
        found = value_at(spec, resolve(spec, path))
    except PathNotFound:
        return None
    return None if found is ABSENT else found


def basis(good: Revision) -> str:
    """Why a revision counts as good, in words."""
    how = f"has {good.ready} ready pods now" if good.ready else "was seen well before"
    return f"revision {good.number} {how}"
