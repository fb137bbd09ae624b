"""What the volumes of a pod mean for where it can run, and binding those that wait for a first consumer.

After pkg/scheduler/framework/plugins/volumebinding and volumerestrictions in Kubernetes v1.36. Limits on the number of
volumes of a node and the capacity that drivers publish are not looked at: the provisioner in here states neither.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulator.informer import Object
from simulator.scheduler.board import Board, NodeInfo
from simulator.scheduler.verdicts import FITS, Verdict
from simulator.storage.kinds import BIND_COMPLETED, NO_PROVISIONER, SELECTED_NODE
from simulator.storage.matching import (
    annotations_of,
    claim_names,
    class_of,
    matching_volume,
    reaches,
    size_of,
    waits_for_consumer,
)

_PLUGIN = "VolumeBinding"
_WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
_NO_MATCH = "node(s) didn't find available persistent volumes to bind"
_NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
_IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


class Volumes(Protocol):
    """What is known of claims, volumes and classes."""

    def claim(self, namespace: str, name: str) -> Object | None: ...
    def volume(self, name: str) -> Object | None: ...
    def storage_class(self, name: str) -> Object | None: ...
    def volumes(self) -> Iterable[Object]: ...


@dataclass(frozen=True)
class Binding:
    """What has to be written before the pod can be bound: volumes reserved for claims, and claims to provision for."""

    reserved: tuple[tuple[Object, Object], ...] = ()
    provisioned: tuple[Object, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.reserved or self.provisioned)


@dataclass
class _Claims:
    bound: list[Object] = field(default_factory=list)
    delayed: list[Object] = field(default_factory=list)
    immediate: list[Object] = field(default_factory=list)


class PodVolumes:
    """The claims of one pod. ``before``: what keeps it from every node alike."""

    def __init__(self, pod: Object, known: Volumes, board: Board) -> None:
        self._pod = pod
        self._known = known
        self._claims = _Claims()
        self.before = self._sorted_out()
        self._in_use = self._used_elsewhere(board)

    @property
    def narrows(self) -> bool:
        """Whether there is a volume that may keep the pod from a node."""
        return bool(self._in_use or self._claims.bound or self._claims.delayed)

    def verdict(self, info: NodeInfo) -> Verdict:
        """Whether the pod can have its volumes on the node."""
        if self._in_use:
            return Verdict((_IN_USE,), "VolumeRestrictions", True)
        reasons = [*self._bound_elsewhere(info.node)]
        reasons += [] if self.binding(info.node) is not None else [_NO_MATCH]
        return Verdict(tuple(reasons), _PLUGIN) if reasons else FITS

    def binding(self, node: Object) -> Binding | None:
        """What there is to bind if the pod goes to the node; None if that is impossible."""
        chosen: dict[str, Object] = {}
        reserved: list[tuple[Object, Object]] = []
        provisioned: list[Object] = []
        for claim in sorted(self._claims.delayed, key=size_of):
            selected = annotations_of(claim).get(SELECTED_NODE)
            if selected not in (None, node["metadata"]["name"]):
                return None
            found = None
            if selected is None:
                found = matching_volume(claim, self._known.volumes(), node=node, taken=chosen, delayed=True)
            if found is not None:
                chosen[found["metadata"]["name"]] = found
                reserved.append((found, claim))
            elif self._can_be_made(claim, node):
                provisioned.append(claim)
            else:
                return None
        return Binding(tuple(reserved), tuple(provisioned))

    def _sorted_out(self) -> Verdict:
        for name, ephemeral in claim_names(self._pod):
            claim = self._known.claim(self._pod["metadata"].get("namespace", ""), name)
            problem = self._problem(claim, name, ephemeral=ephemeral)
            if problem or claim is None:
                return Verdict((problem,), _PLUGIN)
            self._sort_in(claim)
        if self._claims.immediate:
            return Verdict(("pod has unbound immediate PersistentVolumeClaims",), _PLUGIN)
        return FITS

    def _problem(self, claim: Object | None, name: str, *, ephemeral: bool) -> str:
        if claim is None:
            wait = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            return wait if ephemeral else f'persistentvolumeclaim "{name}" not found'
        if (claim.get("status") or {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName", "")
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
        if claim["metadata"].get("deletionTimestamp"):
            return f'persistentvolumeclaim "{name}" is being deleted'
        return ""

    def _sort_in(self, claim: Object) -> None:
        if is_bound(claim):
            self._claims.bound.append(claim)
        elif waits_for_consumer(claim, self._known.storage_class(class_of(claim))) and not claim["spec"].get(
            "volumeName"
        ):
            self._claims.delayed.append(claim)
        else:
            self._claims.immediate.append(claim)

    def _bound_elsewhere(self, node: Object) -> Iterator[str]:
        volumes = [self._known.volume(claim["spec"]["volumeName"]) for claim in self._claims.bound]
        if None in volumes:
            yield _NO_VOLUME
        elif not all(reaches(volume, node) for volume in volumes if volume is not None):
            yield _WRONG_NODE

    def _used_elsewhere(self, board: Board) -> bool:
        """Whether another pod, on whatever node, has a claim that is for one pod only."""
        own = {
            claim["metadata"]["name"]
            for claim in (*self._claims.bound, *self._claims.delayed)
            if "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
        }
        namespace = self._pod["metadata"].get("namespace")
        others = (other for info in board.nodes.values() for other in info.pods.values()) if own else ()
        return any(
            other["metadata"].get("namespace") == namespace
            and not own.isdisjoint(name for name, _ in claim_names(other))
            for other in others
        )

    def _can_be_made(self, claim: Object, node: Object) -> bool:
        storage_class = self._known.storage_class(class_of(claim))
        if storage_class is None or storage_class.get("provisioner") in (None, "", NO_PROVISIONER):
            return False
        topologies: list[dict[str, Any]] = storage_class.get("allowedTopologies") or []
        labels = node["metadata"].get("labels") or {}
        return not topologies or any(
            all(labels.get(item["key"]) in item["values"] for item in term.get("matchLabelExpressions") or ())
            for term in topologies
        )


def is_bound(claim: Object) -> bool:
    """Whether the binder has finished with the claim."""
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in annotations_of(claim)
