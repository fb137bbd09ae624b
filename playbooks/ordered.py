"""Pods that a new template does not reach by itself: their controller waits for them, or leaves them to a person.

Rules: pkg/controller/statefulset/stateful_set_control.go (with OrderedReady nothing is updated while a pod is not
Running and Ready) and the update strategy OnDelete. The stuck pod of an ordered StatefulSet is deleted as a part of
the change (``incidents.ordering``), and the proposal says so. Where somebody decides by hand which pod is of which
revision (OnDelete, a partition) a corrected template alone would be proved no better and be undone: a person is told
both.
"""

from __future__ import annotations

import msgspec

from incidents.evidence import Evidence
from incidents.ordering import goes_in_order
from incidents.proposals import Opinion, Silent
from incidents.snapshot import is_ready


def reaching(evidence: Evidence, opinion: Opinion) -> Opinion | Silent:
    """The opinion as it can be carried out: with the pod that has to be deleted for it, or as something to be told."""
    pod = _waiting(evidence) if opinion.proposal.target.uid == evidence.subject.uid else ""
    if not pod or not any(path.startswith("/spec/template") for path in opinion.proposal.paths):
        return opinion
    if goes_in_order(evidence.snapshot.workload):
        reason = f"{opinion.proposal.reason}, and delete pod {pod}, which its controller would not replace"
        return msgspec.structs.replace(opinion, proposal=msgspec.structs.replace(opinion.proposal, reason=reason))
    by_hand = _by_hand(evidence)
    if not by_hand:
        return opinion
    told, advice = opinion.diagnosis, f"{opinion.proposal.reason}, and delete pod {pod}: {by_hand}"
    return Silent(
        f"a change of its template alone would not reach pod {pod}: {by_hand}",
        msgspec.structs.replace(told, rests_on=(*told.rests_on, advice)),
    )


def _waiting(evidence: Evidence) -> str:
    """The first pod that is not ready, of the kinds whose controller does not simply make others."""
    if evidence.subject.kind not in ("StatefulSet", "DaemonSet"):
        return ""
    return next((str(pod["metadata"]["name"]) for pod in evidence.snapshot.live_pods if not is_ready(pod)), "")


def _by_hand(evidence: Evidence) -> str:
    """Why somebody decides by hand when a pod is replaced; empty where the controller does."""
    spec = evidence.snapshot.workload.get("spec", {})
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "its updateStrategy is OnDelete"
    if evidence.subject.kind == "StatefulSet" and (strategy.get("rollingUpdate") or {}).get("partition"):
        return "its rollout is held back by a partition"
    return ""
