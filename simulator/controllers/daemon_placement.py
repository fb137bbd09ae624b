"""Which nodes a DaemonSet wants a pod on, and what such a pod looks like. Pure.

After pkg/controller/daemon/daemon_controller.go (NodeShouldRunDaemonPod) and util/daemonset_util.go in Kubernetes
v1.36. The pod is bound by the scheduler: the controller only leaves it one node to choose from.
"""

from typing import Any

from simulator.controllers.pod_control import pod_from
from simulator.controllers.revisions import annotations_of
from simulator.controllers.taints import untolerated
from simulator.informer import Object
from simulator.node_selection import selects

HASH_LABEL = "controller-revision-hash"
_GENERATION_LABEL = "pod-template-generation"
_GENERATION = "deprecated.daemonset.template.generation"
_NODE_NAME = "metadata.name"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


def daemon_pod(daemon_set: Object, node: str, digest: str) -> Object:
    """The pod for one node."""
    pod = pod_from(daemon_set, daemon_set["spec"]["template"])
    labels = pod["metadata"]["labels"] | {HASH_LABEL: digest}
    if _GENERATION in annotations_of(daemon_set):
        labels[_GENERATION_LABEL] = annotations_of(daemon_set)[_GENERATION]
    pod["metadata"]["labels"] = labels
    spec = dict(pod["spec"])
    spec["affinity"] = _pinned(spec.get("affinity") or {}, node)
    spec["tolerations"] = _tolerations(spec)
    pod["spec"] = spec
    return pod


def is_updated(daemon_set: Object, pod: Object, digest: str) -> bool:
    """Whether a pod was made from the present template."""
    labels = pod["metadata"].get("labels") or {}
    generation = annotations_of(daemon_set).get(_GENERATION)
    same = generation is not None and labels.get(_GENERATION_LABEL) == generation
    return same or labels.get(HASH_LABEL) == digest


def node_of(pod: Object) -> str:
    """The node that a daemon pod runs on or is pinned to; empty for neither."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == _NODE_NAME and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def should_run(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """Whether a pod should be started on the node, and whether one that is there may stay."""
    spec = daemon_set["spec"]["template"]["spec"]
    name = node["metadata"]["name"]
    if spec.get("nodeName") not in (None, "", name) or not selects(daemon_set["spec"]["template"], node):
        return False, False
    taints = node.get("spec", {}).get("taints") or ()
    tolerations = _tolerations(spec)
    if untolerated(taints, tolerations, effects=("NoExecute",)):
        return False, False
    return not untolerated(taints, tolerations, effects=("NoSchedule", "NoExecute")), True


def _tolerations(spec: Object) -> list[dict[str, Any]]:
    """Those of the template, and the ones that every daemon gets in place of its own for the same taint."""
    names = [*_TOLERATED, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    added = [{"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect} for name, effect in names]
    given = [item for item in spec.get("tolerations") or () if {**item, "tolerationSeconds": 0} not in _timed(added)]
    return given + added


def _timed(tolerations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item | {"tolerationSeconds": 0} for item in tolerations]


def _pinned(affinity: dict[str, Any], node: str) -> dict[str, Any]:
    term = {"matchFields": [{"key": _NODE_NAME, "operator": "In", "values": [node]}]}
    node_affinity = (affinity.get("nodeAffinity") or {}) | {_REQUIRED: {"nodeSelectorTerms": [term]}}
    return affinity | {"nodeAffinity": node_affinity}
