"""Nodes that are not there yet: whether an autoscaler may bring what a pod waits for, and what it alone can know.

Rules: the events of cluster-autoscaler on a pending pod (``TriggeredScaleUp``; ``NotTriggerScaleUp`` once it has looked
at every group) and of Karpenter (``Nominated``), and the labels that clouds give the nodes of a pool. A pool of which
no node is there just now is no mistake in the pod: while nodes belong to pools, the autoscaler's own "no" is waited
for. An event is text that whoever may write events can write. It opens nothing that a cluster without pools would not.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.objects import Manifest

_COMING = frozenset({"TriggeredScaleUp", "Nominated"})
_NOT_COMING = "NotTriggerScaleUp"
_POOLS = (
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "doks.digitalocean.com/node-pool",
)
_CLOUDS = ("karpenter.sh", "karpenter.k8s.aws", "amazonaws.com", "cloud.google.com", "azure.com", "eksctl.io")
_OF_THE_WORLD = ("topology.kubernetes.io", "failure-domain.beta.kubernetes.io", "node.kubernetes.io")
_NAMES_A_NODE = "kubernetes.io/hostname"
_KNOWN_VALUES = {
    "kubernetes.io/os": frozenset({"linux", "windows"}),
    "kubernetes.io/arch": frozenset({"amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64"}),
}


def arriving(evidence: Evidence, nodes: Sequence[Manifest]) -> str:
    """Why a node that takes its pods may be on its way; empty where nothing says so."""
    reasons = [event.reason for event in evidence.events]
    if _COMING & set(reasons):
        return "an autoscaler says that a node is on its way"
    labels = {key for node in nodes for key in node["metadata"].get("labels") or {}}
    if labels & set(_POOLS) and _NOT_COMING not in reasons:
        return "its nodes belong to pools, and no autoscaler has said that none of them could bring a node for it"
    return ""


def outside_knowledge(key: str, value: str) -> bool:
    """Whether what a label may be is decided by the world outside: zones, machines, pools of a cloud, a node's name.

    Another value that nodes have is then another place or machine, and no better spelling.
    """
    domain = key.partition("/")[0] if "/" in key else ""
    if key == _NAMES_A_NODE or domain in _OF_THE_WORLD or any(domain.endswith(cloud) for cloud in _CLOUDS):
        return True
    return value in _KNOWN_VALUES.get(key, ())
