"""Nodes that nobody hears of, or that stay short of memory, disk or PIDs: told once, as the node's trouble.

Rules: pkg/controller/nodelifecycle (``Kubelet stopped posting node status``, the taints that keep pods away) and
pkg/kubelet/eviction (the pressure conditions). Kubernetes itself moves what stands on such a node, and places new pods
on it again the moment it says that it is well. To cordon it until somebody has seen to it is proposed, and never done
without a person: only while the other nodes are well, for what takes most nodes away is no fault of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.incident import Round
from incidents.object_health import node_ready
from incidents.objects import NODE, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, Risk, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.edits import named, opinion, wanting

FAMILY = "node"
SYMPTOMS = (Symptom.NODE_NOT_READY, Symptom.NODE_PRESSURE, Symptom.NOT_READY, Symptom.ROLLOUT_STUCK)
SUBJECTS = (NODE.kind, "Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")
_OWN = (Symptom.NODE_NOT_READY, Symptom.NODE_PRESSURE)
_NEVER_JOINED = "NodeStatusNeverUpdated"


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """What is known of a node that is in trouble, as the subject or as the place of pods that are not ready."""
    if evidence.subject.kind == NODE.kind:
        return _of_the_node(evidence)
    if not set(SYMPTOMS) & evidence.health.symptoms:
        return Silent("nothing fails that a node could explain")
    places = {str(pod.get("spec", {}).get("nodeName") or "") for pod in evidence.snapshot.current_pods} - {""}
    if not places:
        return Silent("its pods have no node yet")
    if needs := wanting(evidence, NODE.kind):
        return needs
    nodes = evidence.listed(NODE.kind)
    down = [name for name in sorted(places) if (node := named(nodes, name)) is not None and not node_ready(node)]
    if not down or set(down) != places:
        return Silent("its pods have nodes that are ready")
    return Silent("a node is mended by people", _told(f"node {', '.join(down)} is not ready", "all its pods are there"))


def _of_the_node(evidence: Evidence) -> Silent | Needs | Opinion:
    found = next((found for found in evidence.health.findings if found.symptom in _OWN), None)
    if found is None:
        return Silent("the node is ready and short of nothing")
    told = _told(_cause(evidence.subject.name, found), found.detail)
    node = evidence.snapshot.workload
    if node.get("spec", {}).get("unschedulable"):
        return Silent("a node is mended by people; nothing new is placed on it", told)
    if not node.get("status", {}).get("conditions") or _NEVER_JOINED in found.detail:
        return Silent("a node that has never joined is seen to by whoever adds it", told)
    if needs := wanting(evidence, NODE.kind):
        return needs
    others = [one for one in evidence.listed(NODE.kind) or () if one["metadata"]["name"] != evidence.subject.name]
    well, lost = [one for one in others if _takes_pods(one)], [one for one in others if not node_ready(one)]
    if not well or len(lost) >= len(well):
        return Silent("too few other nodes are well: what ails them may lie elsewhere", told)
    return opinion(
        evidence,
        SetField(path="/spec/unschedulable", expected=None, value=True),
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"{len(well)} other nodes take pods"),
        ends=found.symptom,
        reason=f"cordon node {evidence.subject.name}, so that nothing is placed on it until somebody has seen to it",
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
    )


def _cause(name: str, found: Finding) -> str:
    if found.symptom is Symptom.NODE_PRESSURE:
        return f"node {name} stays short: {found.detail}"
    return f"node {name} is not ready"


def _takes_pods(node: Manifest) -> bool:
    """Whether a node is ready, and nothing keeps pods without tolerations from it."""
    spec = node.get("spec", {})
    kept_off = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in spec.get("taints") or ())
    return node_ready(node) and not spec.get("unschedulable") and not kept_off


def _told(cause: str, said: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=0.95, rests_on=(said[:300],))
