"""What a sweep keeps of the pods it has seen: those in trouble whole, of the others their labels, claims and images.

Pods are by far the most objects of a cluster; a healthy one leaves a set of labels behind that it shares with its
siblings, so that memory is bounded by what is broken and not by what there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from incidents.health import is_steady, pod_findings
from incidents.images import ImageReferenceError, parse_image
from incidents.object_health import claims_of
from incidents.objects import DEPLOYMENT, REPLICA_SET, Manifest, controller_of, selects
from incidents.subjects import owns

Object = dict[str, Any]


class Labels:
    """Distinct sets of labels, found by what a Service selects."""

    def __init__(self) -> None:
        self._sets: set[frozenset[tuple[str, str]]] = set()
        self._by_pair: dict[tuple[str, str], set[frozenset[tuple[str, str]]]] = defaultdict(set)

    def add(self, labels: Manifest | None) -> None:
        """One object carries these."""
        found = frozenset((labels or {}).items())
        if found not in self._sets:
            self._sets.add(found)
            for pair in found:
                self._by_pair[pair].add(found)

    def match(self, selector: Manifest) -> bool:
        """Whether any object carries all that is selected."""
        pairs = list(selector.items())
        candidates = min((self._by_pair.get(pair, set()) for pair in pairs), key=len, default=set())
        return any(candidate.issuperset(pairs) for candidate in candidates)


class Picture:
    """The pods of a cluster at one moment, and the images that they and the nodes hold."""

    def __init__(self, now: datetime, speed: float) -> None:
        self._now = now
        self._speed = speed
        self._of_replica_sets: dict[str, list[Object]] = defaultdict(list)
        self._labelled: dict[tuple[str, str, str], list[Object]] = defaultdict(list)  # those of ReplicaSets
        self._of_owner: dict[str, list[Object]] = defaultdict(list)
        self._pod_labels: dict[str, Labels] = defaultdict(Labels)
        self._template_labels: dict[str, Labels] = defaultdict(Labels)
        self._claims: dict[str, set[str]] = defaultdict(set)
        self._images: dict[str, set[str]] = defaultdict(set)
        self._claimed: set[str] = set()
        self.alone: list[Object] = []  # pods in trouble that nobody we know stands above

    def add_pod(self, pod: Object, known_owners: frozenset[str]) -> None:
        """Take one pod in; ``known_owners`` are the kinds of controllers that are swept themselves."""
        namespace = pod["metadata"]["namespace"]
        self._pod_labels[namespace].add(pod["metadata"].get("labels"))
        self._claims[namespace] |= claims_of(pod)
        if pod.get("status", {}).get("phase") == "Running":
            self.add_images(container.get("image") or "" for container in pod.get("spec", {}).get("containers") or ())
        if not self._in_trouble(pod):
            return
        owner = controller_of(pod) or {}
        if owner.get("kind") == REPLICA_SET.kind:
            self._of_replica_sets[namespace].append(pod)
            for key, value in (pod["metadata"].get("labels") or {}).items():
                self._labelled[namespace, key, value].append(pod)
        elif owner.get("kind") in known_owners:
            self._of_owner[str(owner.get("uid"))].append(pod)
        else:
            self.alone.append(pod)

    def _in_trouble(self, pod: Object) -> bool:
        if pod["metadata"].get("deletionTimestamp"):
            return False
        if next(pod_findings(pod, self._now, self._speed), None) is not None:
            return True
        done = pod.get("status", {}).get("phase") == "Succeeded"
        return not done and not is_steady(pod, self._now, self._speed)

    @property
    def unclaimed(self) -> list[Object]:
        """Pods in trouble of ReplicaSets that no Deployment seen so far selects: somebody else's, or nobody's."""
        of_replica_sets = (pod for pods in self._of_replica_sets.values() for pod in pods)
        return [pod for pod in of_replica_sets if pod["metadata"]["uid"] not in self._claimed]

    def add_template(self, namespace: str, labels: Manifest | None) -> None:
        """A workload makes pods with these labels."""
        self._template_labels[namespace].add(labels)

    def add_images(self, images: Iterable[str]) -> None:
        """Images that are in use or held."""
        for image in images:
            if repository := repository_of(image):
                self._images[repository].add(image)

    def pods_in_trouble(self, workload: Object) -> Sequence[Object]:
        """The troubled pods that may be a workload's; for a Deployment those that its selector matches."""
        if workload["kind"] != DEPLOYMENT.kind:
            return [pod for pod in self._of_owner.get(workload["metadata"]["uid"], ()) if owns(workload, pod)]
        selector, namespace = workload.get("spec", {}).get("selector") or {}, workload["metadata"]["namespace"]
        pairs = (selector.get("matchLabels") or {}).items()
        of_one_label = (self._labelled.get((namespace, key, value), []) for key, value in pairs)
        candidates = min(of_one_label, key=len, default=self._of_replica_sets.get(namespace, []))
        found = [pod for pod in candidates if selects(selector, pod["metadata"].get("labels"))]
        self._claimed |= {pod["metadata"]["uid"] for pod in found}
        return found

    def claim(self, workload: Object) -> None:
        """What is in trouble of a workload that is not judged is its own all the same, and nobody else's."""
        self.pods_in_trouble(workload)

    def selected(self, namespace: str, selector: Manifest) -> bool:
        """Whether a Service selects a pod, or what a workload would make if it had not been scaled down."""
        return self._pod_labels[namespace].match(selector) or self._template_labels[namespace].match(selector)

    def mounts(self, namespace: str, claim: str) -> bool:
        """Whether a pod mounts a claim."""
        return claim in self._claims.get(namespace, ())

    @property
    def images(self) -> dict[str, list[str]]:
        """Every image by the repository it is of."""
        return {repository: sorted(images) for repository, images in self._images.items()}


@lru_cache(maxsize=20_000)
def repository_of(image: str) -> str:
    """``registry/repository`` of an image; empty where the text is none."""
    try:
        found = parse_image(image)
    except ImageReferenceError:
        return ""
    return f"{found.registry}/{found.repository}"
