"""Pods that want to be near to or away from other pods. Pure.

After pkg/scheduler/framework/plugins/interpodaffinity in Kubernetes v1.36: both what the pod says of those that are
there, and what those say of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from simulator.controllers.selecting import matches
from simulator.informer import Object
from simulator.scheduler.board import Board, NodeInfo
from simulator.scheduler.verdicts import FITS, Verdict

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_PLUGIN = "InterPodAffinity"
_NOT_NEAR = Verdict(("node(s) didn't match pod affinity rules",), _PLUGIN)
_NOT_AWAY = Verdict(("node(s) didn't match pod anti-affinity rules",), _PLUGIN, True)
_NOT_WANTED = Verdict(("node(s) didn't satisfy existing pods anti-affinity rules",), _PLUGIN, True)

Term = Mapping[str, Any]
Place = tuple[str, str]
"""A topology key and its value."""
NamespaceLabels = Mapping[str, Mapping[str, str]]


class PodAffinity:
    """What pod affinity means for one pod on one board."""

    def __init__(self, pod: Object, board: Board, namespaces: NamespaceLabels) -> None:
        self._pod = pod
        self._namespaces = namespaces
        self._near = _terms(pod, "podAffinity")
        self._away = _terms(pod, "podAntiAffinity")
        nodes = board.nodes.values()
        self._friends = self._counts(self._near, nodes, together=True) if self._near else Counter()
        self._foes = self._counts(self._away, nodes, together=False) if self._away else Counter()
        self._repelled = self._repelling(info for info in nodes if info.repelling)

    @property
    def narrows(self) -> bool:
        """Whether a required term, of this pod or of another one, may keep it from a node."""
        return bool(self._near or self._away or self._repelled)

    def verdict(self, info: NodeInfo) -> Verdict:
        """Whether the node is a place that the required terms allow."""
        if self._near and not self._is_near(info):
            return _NOT_NEAR
        if any(self._foes[_place(term, info)] for term in self._away if term["topologyKey"] in info.labels):
            return _NOT_AWAY
        if self._repelled and any(self._repelled[place] for place in info.labels.items()):
            return _NOT_WANTED
        return FITS

    def preference(self, board: Board) -> dict[str, int]:
        """For each node the weights of the preferred terms of this pod that hold there, less those of anti-affinity."""
        weighted = [
            *((item["weight"], item["podAffinityTerm"]) for item in _terms(self._pod, "podAffinity", _PREFERRED)),
            *((-item["weight"], item["podAffinityTerm"]) for item in _terms(self._pod, "podAntiAffinity", _PREFERRED)),
        ]
        scores = dict.fromkeys(board.nodes, 0)
        for weight, term in weighted:
            counts = self._counts((term,), board.nodes.values(), together=True)
            for info in board.nodes.values():
                scores[info.name] += weight * counts[_place(term, info)]
        return scores

    def _is_near(self, info: NodeInfo) -> bool:
        if any(term["topologyKey"] not in info.labels for term in self._near):
            return False
        if all(self._friends[_place(term, info)] for term in self._near):
            return True
        # The first of a group that wants to be together: nobody is there yet whom it could join.
        return not self._friends and all(self._covers(term, self._pod, self._pod) for term in self._near)

    def _counts(self, terms: Iterable[Term], nodes: Iterable[NodeInfo], *, together: bool) -> Counter[Place]:
        """How many pods that match (``together``: all terms at once; else each term) each place holds."""
        found: Counter[Place] = Counter()
        listed = list(terms)
        for info in nodes:
            for other in info.pods.values():
                met = [term for term in listed if self._covers(term, self._pod, other)]
                for term in met if not together or len(met) == len(listed) else ():
                    if term["topologyKey"] in info.labels:
                        found[_place(term, info)] += 1
        return found

    def _repelling(self, nodes: Iterable[NodeInfo]) -> Counter[Place]:
        found: Counter[Place] = Counter()
        for info in nodes:
            for uid in info.repelling:
                other = info.pods[uid]
                for term in _terms(other, "podAntiAffinity"):
                    if term["topologyKey"] in info.labels and self._covers(term, other, self._pod):
                        found[_place(term, info)] += 1
        return found

    def _covers(self, term: Term, owner: Object, other: Object) -> bool:
        """Whether ``other`` is one of the pods that a term of ``owner`` speaks of."""
        metadata = other["metadata"]
        return self._in_namespaces(term, owner, metadata.get("namespace", "")) and matches(
            _selector(term, owner), metadata.get("labels")
        )

    def _in_namespaces(self, term: Term, owner: Object, namespace: str) -> bool:
        named, selector = term.get("namespaces") or (), term.get("namespaceSelector")
        if not named and selector is None:
            return bool(namespace == owner["metadata"].get("namespace", ""))
        return namespace in named or matches(selector, self._namespaces.get(namespace))


def has_preferences(pod: Object) -> bool:
    """Whether it is worth asking for them."""
    return bool(_terms(pod, "podAffinity", _PREFERRED) or _terms(pod, "podAntiAffinity", _PREFERRED))


def _terms(pod: Object, kind: str, strength: str = _REQUIRED) -> list[Term]:
    found: list[Term] = ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(strength) or []
    return found


def _selector(term: Term, owner: Object) -> Term | None:
    """The term's selector with what matchLabelKeys and mismatchLabelKeys take over from its owner."""
    selector: Term | None = term.get("labelSelector")
    keys = [("In", key) for key in term.get("matchLabelKeys") or ()]
    keys += [("NotIn", key) for key in term.get("mismatchLabelKeys") or ()]
    labels = owner["metadata"].get("labels") or {}
    added = [{"key": key, "operator": how, "values": [labels[key]]} for how, key in keys if key in labels]
    if not added or selector is None:
        return selector
    known = [item for item in selector.get("matchExpressions") or () if item not in added]
    return {**selector, "matchExpressions": [*known, *added]}


def _place(term: Term, info: NodeInfo) -> Place:
    key = term["topologyKey"]
    return key, info.labels.get(key, "")
