"""What a person may do to the one node that a pod is meant for: a label it lacks, a taint, a cordon.

Rule: pkg/scheduler/framework/plugins (nodeaffinity, tainttoleration, nodeunschedulable). A label says what a machine
is and a taint whom it is kept for, which people decide. A command is worded only where the pod's own demands single
out one node, and that one thing alone stands between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidents.evidence import Evidence
from incidents.objects import Manifest, is_name
from playbooks.arriving import outside_knowledge
from playbooks.by_hand import by_hand, is_label
from playbooks.placement import REQUIRED, labels_of
from playbooks.unplaced import Rule, has

_OF_THE_CLUSTER = ("node.kubernetes.io/", "node-role.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_CORDON = "node.kubernetes.io/unschedulable"
_KEEPS_OUT = ("NoSchedule", "NoExecute")


def at_the_node(evidence: Evidence, nodes: Sequence[Manifest], rules: Sequence[Rule]) -> tuple[str, ...]:
    """The command that opens the one node that is meant; none where that is not sure. ``rules``: all it demands."""
    if not _told_whole(evidence, rules):
        return ()
    unmet = [rule for rule in rules if not any(has(node, rule) for node in nodes)]
    demands = [rule for rule in rules if rule not in unmet]
    fitting = [node for node in nodes if all(has(node, rule) for rule in demands)]
    if not demands or len(fitting) != 1 or len(unmet) > 1 or not is_name(fitting[0]["metadata"]["name"]):
        return ()
    (node,) = fitting
    name, against, cordoned = str(node["metadata"]["name"]), _against(evidence, node), _cordoned(node)
    if unmet:
        return () if against or cordoned else _labelled(node, unmet[0])
    if cordoned:
        meaning = f"if nobody is at work on node {name} any more: new pods may be placed there again"
        return () if against else by_hand(meaning, "uncordon", name)
    return _untainted(name, against[0]) if len(against) == 1 else ()


def _told_whole(evidence: Evidence, rules: Sequence[Rule]) -> bool:
    """Whether the rules are all that its pods demand of a node's labels."""
    required = ((evidence.pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
    terms = required.get("nodeSelectorTerms") or ()
    fields = any(term.get("matchFields") for term in terms)
    expressions = sum(len(term.get("matchExpressions") or ()) for term in terms)
    return not fields and len(rules) == len(evidence.pod_spec.get("nodeSelector") or {}) + expressions


def _labelled(node: Manifest, rule: Rule) -> tuple[str, ...]:
    """The label that it lacks; none where it has another value, or where the label is nobody's to choose."""
    ours = outside_knowledge(rule.key, rule.value) or rule.key in labels_of(node)
    if ours or not is_label(rule.key) or not is_label(rule.value):
        return ()
    name = str(node["metadata"]["name"])
    meaning = f"only if it is true of node {name}, the one that meets all else: gives it the label that is asked for"
    return by_hand(meaning, "label", "node", name, f"{rule.key}={rule.value}")


def _untainted(name: str, taint: Manifest) -> tuple[str, ...]:
    key, effect = taint.get("key"), taint.get("effect")
    if not is_label(key) or str(key).startswith(_OF_THE_CLUSTER):
        return ()  # the cluster's own say what ails a node, and come back
    meaning = f"takes the taint from node {name}: every pod may be placed there then, not only these"
    return by_hand(meaning, "taint", "node", name, f"{key}:{effect}-")


def _cordoned(node: Manifest) -> bool:
    return bool(node.get("spec", {}).get("unschedulable"))


def _against(evidence: Evidence, node: Manifest) -> list[dict[str, Any]]:
    """The taints of a node that its pods do not tolerate, but for that of a cordon."""
    tolerations = evidence.pod_spec.get("tolerations") or ()
    return [
        taint
        for taint in node.get("spec", {}).get("taints") or ()
        if taint.get("effect") in _KEEPS_OUT
        and taint.get("key") != _CORDON
        and not any(_tolerates(one, taint) for one in tolerations)
    ]


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    same = (toleration.get("value") or "") == (taint.get("value") or "")
    return toleration["key"] == taint.get("key") and (exists or same)
