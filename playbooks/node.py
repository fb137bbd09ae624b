"""Nodes that nobody hears of, or that stay short of memory, disk or PIDs: told once, as the node's trouble.

Rules: pkg/controller/nodelifecycle (``Kubelet stopped posting node status``, the taints that keep pods away) and
pkg/kubelet/eviction (the pressure conditions). Kubernetes itself moves what stands on such a node, and places new pods
on it again the moment it says that it is well. To cordon it until somebody has seen to it is proposed, and never done
without a person: only while the other nodes are well, for what takes most nodes away is no fault of one of them. Of a
node that is short, a few pods are asked to leave as well, as their budgets let them, before its kubelet kills what it
chooses; of one that nobody hears of, no pod would notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.incident import Round
from incidents.moving import MOST, owner_uid, priority_of, stays
from incidents.object_health import node_ready
from incidents.objects import NODE, POD, Manifest, reference
from incidents.proposals import Diagnosis, Drain, Needs, Opinion, Risk, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.edits import named, opinion, wanting
from playbooks.placement import REQUIRED, selected

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
    leaving: Sequence[Manifest] = ()
    if found.symptom is Symptom.NODE_PRESSURE:
        if needs := wanting(evidence, POD.kind):
            return needs
        leaving = _leaving(evidence, well)
    cordon = SetField(path="/spec/unschedulable", expected=None, value=True)
    reason = f"cordon node {evidence.subject.name}, so that nothing is placed on it until somebody has seen to it"
    return opinion(
        evidence,
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"{len(well)} other nodes take pods"),
        ends=found.symptom,
        reason=f"{reason}, and evict from it, as budgets allow: {_names(leaving)}" if leaving else reason,
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
        action=_drain(cordon, leaving) if leaving else (cordon,),
    )


def _leaving(evidence: Evidence, others: Sequence[Manifest]) -> Sequence[Manifest]:
    """The pods to be asked to leave: of the least priority first, and only such as another node would take."""
    here = evidence.subject.name
    pods = [pod for pod in evidence.listed(POD.kind) or () if pod.get("spec", {}).get("nodeName") == here]
    movable = [pod for pod in pods if not stays(pod) and any(_may_stand_on(node, pod) for node in others)]
    movable.sort(key=lambda pod: (priority_of(pod), pod["metadata"]["name"]))
    return movable[:MOST]


def _may_stand_on(node: Manifest, pod: Manifest) -> bool:
    """Whether a node has the labels that a pod asks for; what asks in another way is left where it is."""
    spec = pod["spec"]
    return not (spec.get("affinity") or {}).get("nodeAffinity", {}).get(REQUIRED) and selected(node, spec)


def _drain(cordon: SetField, leaving: Sequence[Manifest]) -> Drain:
    pods = tuple(map(reference, leaving))
    return Drain(edits=(cordon,), owners=tuple(sorted({owner_uid(pod) for pod in leaving})), pods=pods)


def _names(pods: Sequence[Manifest]) -> str:
    return ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods)


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
