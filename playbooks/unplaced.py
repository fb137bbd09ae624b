"""Why no node takes a pod, in words for whoever has to make room: what the scheduler says, and the field behind it.

Rules: the reasons of pkg/scheduler/framework/plugins, as ``FailedScheduling`` joins them. The first that fits is told;
taints come last, because nodes of the control plane nearly always have some, and are no part of the matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.objects import Manifest
from incidents.quantities import UnreadableQuantity, parse_bytes, parse_millis
from playbooks.placement import REQUIRED

SHORT_OF = re.compile(r"Insufficient (?P<what>[\w/-]+(?:\.[\w/-]+)*)")
_SURE, _UNSURE = 0.9, 0.5
_AS_SAID = (
    ("node(s) had no available volume zone", "its volume is of a zone in which no node can take it"),
    ("exceed max volume count", "the nodes hold as many volumes as they can"),
    ("Too many pods", "the nodes hold as many pods as they may"),
    (
        "ReadWriteOncePod access mode already in-use",
        "another pod uses its claim, which only one pod may (ReadWriteOncePod)",
    ),
    (
        "existing pods anti-affinity rules",
        "pods that run there may not share a node with it, by their own anti-affinity",
    ),
    ("unknown conditions", "the nodes have not reported lately"),
)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One demand on a label of the node. ``path`` leads to the value, below the pod spec."""

    key: str
    value: str
    path: str
    key_path: str = ""


def has(node: Manifest, rule: Rule) -> bool:
    """Whether a node meets a demand."""
    return (node["metadata"].get("labels") or {}).get(rule.key) == rule.value


def in_words(evidence: Evidence, nodes: Sequence[Manifest], said: str, *, rules: Sequence[Rule]) -> tuple[str, float]:
    """What stands in the way, and how sure that is. ``rules``: what it demands of a node's labels."""
    unmet = [rule for rule in rules if not any(has(node, rule) for node in nodes)]
    if unmet:
        wanted = ", ".join(f"{rule.key}={rule.value}" for rule in unmet)
        return f"no node has the label {wanted}", _SURE
    if short := SHORT_OF.search(said):
        return _lacking(evidence, nodes, short["what"]), _SURE
    for words, cause in _AS_SAID:
        if words in said:
            return cause, _SURE
    if "anti-affinity" in said:
        return (
            f"{evidence.snapshot.desired} replicas may not share a node with each other, on {len(nodes)} nodes",
            _SURE,
        )
    if "pod affinity rules" in said:
        return f"it has to be beside pods {_beside_whom(evidence)}, and no node has any that it may join", _SURE
    if "topology spread" in said:
        return f"it has to be spread over {_spread_over(evidence)}, and no node is left that keeps it even", _SURE
    if "free ports" in said:
        return f"no node is left on which hostPort {_host_ports(evidence)} is free", _SURE
    nodes = [node for node in nodes if all(has(node, rule) for rule in rules)] or nodes  # the others are no matter
    cordoned = [str(node["metadata"]["name"]) for node in nodes if node.get("spec", {}).get("unschedulable")]
    if "were unschedulable" in said and cordoned:
        return f"somebody has cordoned {', '.join(sorted(cordoned)[:10])}: no new pod goes there", _SURE
    if "taint" in said:
        return f"it does not tolerate the taints of the nodes it may use: {_taints(nodes)}", _SURE
    return "no node takes its pods", _UNSURE


def _taints(nodes: Sequence[Manifest]) -> str:
    found = {
        f"{taint.get('key')}={taint.get('value', '')}:{taint.get('effect')}"
        for node in nodes
        for taint in node.get("spec", {}).get("taints") or ()
    }
    return ", ".join(sorted(found)[:10])


def _beside_whom(evidence: Evidence) -> str:
    terms = ((evidence.pod_spec.get("affinity") or {}).get("podAffinity") or {}).get(REQUIRED) or ()
    labels = [(term.get("labelSelector") or {}).get("matchLabels") or {} for term in terms]
    wanted = [f"{key}={value}" for one in labels for key, value in sorted(one.items())]
    return f"with {', '.join(wanted)}" if wanted else "that its affinity names"


def _spread_over(evidence: Evidence) -> str:
    hard = [
        str(one.get("topologyKey"))
        for one in evidence.pod_spec.get("topologySpreadConstraints") or ()
        if one.get("whenUnsatisfiable") == "DoNotSchedule"
    ]
    return ", ".join(hard) or "the nodes"


def _host_ports(evidence: Evidence) -> str:
    ports = {item.get("hostPort") for container in evidence.containers for item in container.get("ports") or ()}
    return ", ".join(sorted(str(port) for port in ports if port))


def _lacking(evidence: Evidence, nodes: Sequence[Manifest], what: str) -> str:
    asked = [
        f"{container.get('name')} asks for {amount} {what}"
        for container in evidence.containers
        if (amount := ((container.get("resources") or {}).get("requests") or {}).get(what)) is not None
    ]
    have = [str((node.get("status", {}).get("allocatable") or {}).get(what, "0")) for node in nodes]
    read = parse_millis if what == "cpu" else parse_bytes
    try:
        most = max(have, key=read, default="0")
    except UnreadableQuantity:
        most = "an unknown amount"
    return f"{', '.join(asked) or f'its pods ask for {what}'}; the largest node has {most} in all"
