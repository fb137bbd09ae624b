"""Pods that fail at an earlier revision than the template says by now: what holds the new one back is the cause.

Rules: ``spec.paused`` (pkg/controller/deployment/sync.go), the update strategy OnDelete and a partition, and the
ordered StatefulSet that waits for its stuck pod (``incidents.ordering``). No change of the template helps pods that it
does not reach. To resume a paused rollout is asked for; which pod goes under OnDelete or a partition, and when, is for
whoever has chosen that.
"""

from __future__ import annotations

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.objects import is_name
from incidents.ordering import goes_in_order
from incidents.proposals import Diagnosis, Opinion, SetField, Silent
from playbooks.by_hand import by_hand
from playbooks.confidence import SUGGESTED
from playbooks.edits import opinion

_FAMILY = "rollout"
_CERTAIN = 0.98  # the pods carry the revision that they are of


def held_back(evidence: Evidence) -> Silent | Opinion | None:
    """Why the template does not reach the pods that fail; None where some of them are of the present one."""
    found = _all_behind(evidence)
    if found is None:
        return None
    if evidence.snapshot.workload.get("spec", {}).get("paused"):
        return _resume(evidence, found)
    because = _because(evidence)
    if not because:
        return None
    cause = f"pod {found.pod} is of an earlier revision than the template says, and {because}"
    return Silent(
        f"no change of its template reaches pod {found.pod}: {because}",
        Diagnosis(
            family=_FAMILY,
            cause=cause,
            confidence=_CERTAIN,
            rests_on=(found.detail[:240],),
            by_hand=_replaced(evidence, found.pod, because),
        ),
    )


def _replaced(evidence: Evidence, pod: str, because: str) -> tuple[str, ...]:
    """The command that has the pod made anew; none behind a partition, where it would come back as it was."""
    if "partition" in because or not is_name(pod):
        return ()
    meaning = f"its controller makes pod {pod} anew by the present template"
    return by_hand(meaning, "delete", "pod", pod, namespace=evidence.subject.namespace)


def _all_behind(evidence: Evidence) -> Finding | None:
    """The first finding about a pod, where every one is about a pod of a revision that is known and not the present."""
    behind = {
        pod["metadata"]["name"]
        for revision in evidence.snapshot.replica_sets
        if _digests(evidence).get(revision["metadata"]["name"]) not in (None, evidence.present)
        for pod in evidence.snapshot.pods_of(revision)
    }
    found = [one for one in evidence.health.findings if one.pod]
    return found[0] if found and all(one.pod in behind for one in found) else None


def _digests(evidence: Evidence) -> dict[str, str]:
    """The digest of every revision, taken before anything was masked."""
    return {revision.name: revision.digest for revision in evidence.revisions}


def _because(evidence: Evidence) -> str:
    """What keeps a StatefulSet's or DaemonSet's controller from replacing the pod; empty where it does."""
    if evidence.present not in _digests(evidence).values():
        return ""  # its controller has not seen the template yet
    workload = evidence.snapshot.workload
    strategy = workload.get("spec", {}).get("updateStrategy") or {}
    if evidence.subject.kind in ("StatefulSet", "DaemonSet") and strategy.get("type") == "OnDelete":
        return "with updateStrategy OnDelete it is replaced only when somebody deletes it"
    if evidence.subject.kind == "StatefulSet" and (strategy.get("rollingUpdate") or {}).get("partition"):
        return "a partition holds its rollout back"
    if goes_in_order(workload):
        return "its controller waits for it, and replaces it only when somebody deletes it"
    return ""


def _resume(evidence: Evidence, found: Finding) -> Opinion:
    return opinion(
        evidence,
        SetField(path="/spec/paused", expected=True, value=None),
        family=_FAMILY,
        cause=f"its rollout is paused: pod {found.pod} still runs what the template does not say any more",
        rests_on=(found.detail[:240], "all pods that fail are of an earlier revision"),
        ends=found.symptom,
        reason="resume the paused rollout, so that the present template reaches its pods",
        confidence=SUGGESTED,
    )
