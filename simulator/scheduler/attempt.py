"""One look for a node: the filters in the order of kube-scheduler's default profile, on one state of the cluster.

Order and codes after pkg/scheduler/apis/config/v1/default_plugins.go and framework/plugins in Kubernetes v1.36. What
holds for all nodes (which pods attract or repel, how many are where) is worked out once, when the attempt begins.
"""

from collections.abc import Callable

from simulator.informer import Object
from simulator.node_fit import PodRequests, requests_of
from simulator.node_selection import is_blocked, named_nodes, node_affinity, selects
from simulator.scheduler.board import Board, NodeInfo, host_ports
from simulator.scheduler.pod_affinity import PodAffinity
from simulator.scheduler.spreading import Spreading
from simulator.scheduler.verdicts import FITS, Refusals, Verdict
from simulator.scheduler.volumes import PodVolumes, Volumes

_UNSCHEDULABLE = ({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},)


class Attempt:
    """``volumes``: what is known of the claims; ``namespaces``: the labels of each namespace."""

    def __init__(self, pod: Object, board: Board, volumes: Volumes, namespaces: dict[str, dict[str, str]]) -> None:
        self.pod = pod
        self.board = board
        self.requests = requests_of(pod)
        self._volumes = volumes
        self._namespaces = namespaces
        self.claims = PodVolumes(pod, volumes, board)
        self._ports = bool(list(host_ports(pod)))
        self.affinity = PodAffinity(pod, board, namespaces)
        self.spreading = Spreading(pod, board)
        self._named = named_nodes(pod)
        self._choosy = bool(pod["spec"].get("nodeSelector") or node_affinity(pod))
        self._filters = self._needed_filters()

    def refusals(self) -> tuple[list[NodeInfo], Refusals]:
        """The nodes that fit, and why the others do not."""
        nodes = self.board.nodes
        before = self._before()
        if not before.fits:
            return [], Refusals(len(nodes), before=before)
        looked_at = [info for name, info in nodes.items() if self._named is None or name in self._named]
        by_node = {info.name: self.verdict(info) for info in looked_at}
        absent = FITS
        if self._named is not None:
            absent = Verdict(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), "NodeAffinity")
        fitting = [info for info in looked_at if by_node[info.name].fits]
        refused = {name: item for name, item in by_node.items() if not item.fits}
        return fitting, Refusals(len(nodes), refused, absent=absent)

    def verdict(self, info: NodeInfo) -> Verdict:
        """What the first filter that refuses the node says."""
        for look in self._filters:
            found = look(info)
            if found is not FITS and found.reasons:
                return found
        return FITS

    def _needed_filters(self) -> tuple[Callable[[NodeInfo], Verdict], ...]:
        """In their order, without those that let this pod run anywhere: every node is asked for every pod."""
        parts = (self.claims, self.spreading, self.affinity)
        return (self._by_node, self._by_room, *(part.verdict for part in parts if part.narrows))

    def on(self, info: NodeInfo) -> "Attempt":
        """The same attempt on a board on which one node has changed."""
        return Attempt(self.pod, self.board.with_node(info), self._volumes, self._namespaces)

    def _before(self) -> Verdict:
        if self._named is not None and not self._named:
            return Verdict(("pod affinity terms conflict",), "NodeAffinity")
        return self.claims.before

    def _by_node(self, info: NodeInfo) -> Verdict:
        if info.unschedulable and is_blocked(self.pod, _UNSCHEDULABLE):
            return Verdict(("node(s) were unschedulable",), "NodeUnschedulable")
        if (self.pod["spec"].get("nodeName") or info.name) != info.name:
            return Verdict(("node(s) didn't match the requested node name",), "NodeName")
        if info.taints and is_blocked(self.pod, info.taints):
            return Verdict(("node(s) had untolerated taint(s)",), "TaintToleration")
        if self._choosy and not selects(self.pod, info.node):
            return Verdict(("node(s) didn't match Pod's node affinity/selector",), "NodeAffinity")
        return FITS

    def _by_room(self, info: NodeInfo) -> Verdict:
        if self._ports and info.conflicts(self.pod):
            return Verdict(("node(s) didn't have free ports for the requested pod ports",), "NodePorts", True)
        return resources_verdict(self.requests, info)


def _leaves_enough(wanted: PodRequests, used: PodRequests, room: PodRequests) -> bool:
    """Whether there is plainly room; a node may hold more than it has, which is nothing to those that want nothing."""
    return (
        wanted.millicores + used.millicores <= room.millicores
        and wanted.memory_bytes + used.memory_bytes <= room.memory_bytes
        and wanted.disk_bytes + used.disk_bytes <= room.disk_bytes
    )


def resources_verdict(wanted: PodRequests, info: NodeInfo) -> Verdict:
    """What the node is short of; it is no use to make room if even an empty node were too small."""
    room, used = info.room, info.requested
    if not wanted.others and len(info.pods) < room.pods and _leaves_enough(wanted, used, room):
        return FITS
    asked = [
        ("cpu", wanted.millicores, used.millicores, room.millicores),
        ("memory", wanted.memory_bytes, used.memory_bytes, room.memory_bytes),
        ("ephemeral-storage", wanted.disk_bytes, used.disk_bytes, room.disk_bytes),
        *((name, size, used.others.get(name, 0), room.others.get(name, 0)) for name, size in wanted.others.items()),
    ]
    short = [(name, size, capacity) for name, size, taken, capacity in asked if size and size > capacity - taken]
    reasons = ["Too many pods"] if len(info.pods) + 1 > room.pods else []
    reasons += [f"Insufficient {name}" for name, _, _ in short]
    resolvable = all(size <= capacity for _, size, capacity in short)
    return Verdict(tuple(reasons), "NodeResourcesFit", resolvable) if reasons else FITS
