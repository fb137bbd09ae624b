"""Which nodes a pod may and would rather run on: node selectors, node affinity, taints. Pure.

After k8s.io/component-helpers/scheduling/corev1 (v0.36).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from simulator.controllers.taints import tolerates
from simulator.informer import Object

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NAME = "metadata.name"
_BLOCKING = ("NoSchedule", "NoExecute")


def node_affinity(pod: Object) -> Mapping[str, Any]:
    """The part of the pod's affinity that is about nodes."""
    found: Mapping[str, Any] = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    return found


def selects(pod: Object, node: Object) -> bool:
    """Whether the node meets the pod's nodeSelector and required node affinity."""
    labels = node["metadata"].get("labels") or {}
    if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items():
        return False
    required = node_affinity(pod).get(_REQUIRED)
    return required is None or matches_terms(required.get("nodeSelectorTerms"), node)


def matches_terms(terms: Iterable[Mapping[str, Any]] | None, node: Object) -> bool:
    """Whether one of the terms of a NodeSelector holds."""
    return any(matches_term(term, node) for term in terms or ())


def matches_term(term: Mapping[str, Any], node: Object) -> bool:
    """Whether one term holds; an empty one never does."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels, named = node["metadata"].get("labels") or {}, {_NAME: node["metadata"]["name"]}
    return all(_holds(item, labels) for item in expressions) and all(_holds(item, named) for item in fields)


def named_nodes(pod: Object) -> frozenset[str] | None:
    """The only nodes that the required affinity names; None when it leaves the names open."""
    terms = (node_affinity(pod).get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    found: set[str] = set()
    for term in terms:
        names = [
            set(item.get("values") or ())
            for item in term.get("matchFields") or ()
            if item["key"] == _NAME and item["operator"] == "In"
        ]
        if not names:
            return None
        found |= set.intersection(*names)
    return frozenset(found) if terms else None


def preference(pod: Object, node: Object) -> int:
    """The weights of the preferred node affinity terms that the node meets."""
    preferred = node_affinity(pod).get(_PREFERRED) or ()
    return sum(item["weight"] for item in preferred if matches_term(item.get("preference") or {}, node))


def is_blocked(pod: Object, taints: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a taint keeps the pod away."""
    tolerations = pod["spec"].get("tolerations") or ()
    return any(
        taint["effect"] in _BLOCKING and not any(tolerates(item, taint) for item in tolerations) for taint in taints
    )


def unwelcome(pod: Object, taints: Iterable[Mapping[str, Any]]) -> int:
    """How many PreferNoSchedule taints the pod does not tolerate."""
    tolerations = [item for item in pod["spec"].get("tolerations") or () if not _blocks_only(item)]
    return sum(
        taint["effect"] == "PreferNoSchedule" and not any(tolerates(item, taint) for item in tolerations)
        for taint in taints
    )


def _blocks_only(toleration: Mapping[str, Any]) -> bool:
    return bool(toleration.get("effect")) and toleration["effect"] != "PreferNoSchedule"


def _holds(expression: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    value, wanted = values.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_number(value) and int(str(value)) > int(wanted[0])
        case "Lt":
            return _is_number(value) and int(str(value)) < int(wanted[0])
    return False


def _is_number(text: str | None) -> bool:
    return text is not None and text.removeprefix("-").isdecimal()
