"""Topology spread constraints: no place may have many more of a kind of pod than another. Pure.

After pkg/scheduler/framework/plugins/podtopologyspread in Kubernetes v1.36.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from simulator.controllers.selecting import matches
from simulator.informer import Object
from simulator.node_selection import is_blocked, selects
from simulator.scheduler.board import Board, NodeInfo
from simulator.scheduler.verdicts import FITS, Verdict

_PLUGIN = "PodTopologySpread"
_UNEVEN = Verdict(("node(s) didn't match pod topology spread constraints",), _PLUGIN, True)
_UNLABELLED = Verdict(("node(s) didn't match pod topology spread constraints (missing required label)",), _PLUGIN)


class _Constraint:
    """One constraint of a pod, with the pods that each place holds already."""

    def __init__(self, pod: Object, rule: Mapping[str, Any]) -> None:
        self.key: str = rule["topologyKey"]
        self.most: int = rule["maxSkew"]
        self.counts: Counter[str] = Counter()
        self.places: set[str] = set()
        self._pod = pod
        self._rule = rule
        self._selector = _selector(pod, rule)
        self._own = 1 if self.covers(pod) else 0

    def covers(self, other: Object) -> bool:
        """Whether a pod is one of those that are spread."""
        same = other["metadata"].get("namespace") == self._pod["metadata"].get("namespace")
        return same and matches(self._selector, other["metadata"].get("labels"))

    def counts_node(self, info: NodeInfo) -> bool:
        """Whether the node is one of those that are compared."""
        if self._rule.get("nodeAffinityPolicy", "Honor") == "Honor" and not selects(self._pod, info.node):
            return False
        return self._rule.get("nodeTaintsPolicy", "Ignore") != "Honor" or not is_blocked(self._pod, info.taints)

    def take(self, info: NodeInfo) -> None:
        """Count the pods of a node in."""
        place = info.labels[self.key]
        self.places.add(place)
        if not self._selector:
            return  # an empty selector counts nobody
        self.counts[place] += sum(
            self.covers(other) for other in info.pods.values() if not other["metadata"].get("deletionTimestamp")
        )

    def skew(self, place: str) -> int:
        """How uneven it would be with the pod there."""
        least = min((self.counts[item] for item in self.places), default=2**31 - 1)
        if len(self.places) < (self._rule.get("minDomains") or 1):
            least = 0
        return self.counts[place] + self._own - least


class Spreading:
    """What the constraints of one pod mean on one board."""

    def __init__(self, pod: Object, board: Board) -> None:
        rules = pod["spec"].get("topologySpreadConstraints") or ()
        self._hard = _constraints(pod, board, [item for item in rules if _is_hard(item)])
        self._soft_rules = [item for item in rules if not _is_hard(item)]
        self._pod = pod

    @property
    def narrows(self) -> bool:
        """Whether there is a constraint that keeps the pod from a node."""
        return bool(self._hard)

    def verdict(self, info: NodeInfo) -> Verdict:
        """Whether the pod may be one more on the node."""
        for constraint in self._hard:
            if constraint.key not in info.labels:
                return _UNLABELLED
            if constraint.skew(info.labels[constraint.key]) > constraint.most:
                return _UNEVEN
        return FITS

    def crowding(self, board: Board) -> dict[str, int]:
        """For each node how many there are where it is, by the constraints that only express a wish; {} without any."""
        if not self._soft_rules:
            return {}
        soft = _constraints(self._pod, board, self._soft_rules)
        return {
            info.name: sum(item.counts[info.labels.get(item.key, "")] for item in soft) for info in board.nodes.values()
        }


def _constraints(pod: Object, board: Board, rules: list[Mapping[str, Any]]) -> list[_Constraint]:
    found = [_Constraint(pod, item) for item in rules]
    for info in board.nodes.values() if found else ():
        if all(item.key in info.labels for item in found):
            for item in found:
                if item.counts_node(info):
                    item.take(info)
    return found


def _is_hard(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("whenUnsatisfiable") == "DoNotSchedule")


def _selector(pod: Object, rule: Mapping[str, Any]) -> Mapping[str, Any] | None:
    selector: Mapping[str, Any] | None = rule.get("labelSelector")
    labels = pod["metadata"].get("labels") or {}
    keys = [key for key in rule.get("matchLabelKeys") or () if key in labels]
    if not keys or selector is None:
        return selector
    return {**selector, "matchLabels": (selector.get("matchLabels") or {}) | {key: labels[key] for key in keys}}
