"""The nodes with the pods on them, kept up to date pod by pod: what all decisions are made from.

Nothing is counted anew for a decision: a pod that is placed or gone changes the sums of its node alone. A node may be
copied to try what it would be like without some of its pods.
"""

from collections.abc import Iterable
from typing import Any

from simulator.informer import Object
from simulator.node_fit import PodRequests, amounts, requests_of

PodUid = str
HostPort = tuple[str, str, int]
"""Address, protocol and port on the node."""

_ANY = "0.0.0.0"  # noqa: S104 - not an address to listen on: a port taken on all of them
_ENDED = ("Succeeded", "Failed")


class NodeInfo:
    """One node, the pods on it, and the sums of what they ask for."""

    def __init__(self, node: Object) -> None:
        self.pods: dict[PodUid, Object] = {}
        self._asked: dict[PodUid, PodRequests] = {}
        self.requested = PodRequests()
        self.ports: dict[HostPort, int] = {}
        self.repelling: set[PodUid] = set()
        """The pods with required anti-affinity."""
        self.set_node(node)

    def set_node(self, node: Object) -> None:
        """Take in a newer version of the node."""
        self.node = node
        self.name: str = node["metadata"]["name"]
        self.labels: dict[str, str] = node["metadata"].get("labels") or {}
        self.taints: list[dict[str, Any]] = node.get("spec", {}).get("taints") or []
        self.unschedulable = bool(node.get("spec", {}).get("unschedulable"))
        self.room = amounts(node.get("status", {}).get("allocatable"))

    def add(self, pod: Object) -> None:
        """Count a pod in."""
        uid = pod["metadata"]["uid"]
        self.pods[uid] = pod
        self._asked[uid] = requests_of(pod)
        self.requested += self._asked[uid]
        for port in host_ports(pod):
            self.ports[port] = self.ports.get(port, 0) + 1
        if _repels(pod):
            self.repelling.add(uid)

    def remove(self, uid: PodUid) -> None:
        """Count a pod out."""
        pod = self.pods.pop(uid)
        self.requested -= self._asked.pop(uid)
        self.repelling.discard(uid)
        for port in host_ports(pod):
            self.ports[port] -= 1
            if not self.ports[port]:
                del self.ports[port]

    def copy(self) -> "NodeInfo":
        """One to try things on."""
        other = NodeInfo(self.node)
        other.pods, other.requested = dict(self.pods), self.requested
        other._asked = dict(self._asked)
        other.ports, other.repelling = dict(self.ports), set(self.repelling)
        return other

    def conflicts(self, pod: Object) -> bool:
        """Whether a host port that the pod wants is taken."""
        return any(_clash(wanted, taken) for wanted in host_ports(pod) for taken in self.ports)


class Board:
    """Every node by name. A pod whose node is not known (yet) waits aside."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._where: dict[PodUid, str] = {}
        self._aside: dict[PodUid, Object] = {}

    def set_node(self, node: Object) -> None:
        """A node that is new or has changed."""
        name = node["metadata"]["name"]
        if name in self.nodes:
            self.nodes[name].set_node(node)
            return
        self.nodes[name] = info = NodeInfo(node)
        for uid, pod in list(self._aside.items()):
            if pod["spec"]["nodeName"] == name:
                info.add(self._aside.pop(uid))

    def drop_node(self, name: str) -> None:
        """A node that is gone; its pods may not be."""
        info = self.nodes.pop(name, None)
        for uid, pod in info.pods.items() if info is not None else ():
            self._aside[uid] = pod

    def set_pod(self, pod: Object) -> None:
        """A pod that is new or has changed."""
        uid, name = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        ended = not name or pod.get("status", {}).get("phase") in _ENDED
        info = self.nodes.get(name or "")
        if not ended and info is not None and uid in info.pods and info.pods[uid]["spec"] == pod["spec"]:
            info.pods[uid] = pod
            return
        self.drop_pod(uid)
        if ended:
            return
        self._where[uid] = name
        if name in self.nodes:
            self.nodes[name].add(pod)
        else:
            self._aside[uid] = pod

    def drop_pod(self, uid: PodUid) -> None:
        """A pod that takes no room any more."""
        name = self._where.pop(uid, None)
        self._aside.pop(uid, None)
        info = self.nodes.get(name or "")
        if info is not None and uid in info.pods:
            info.remove(uid)

    def with_node(self, other: NodeInfo) -> "Board":
        """A board on which one node is exchanged for a changed copy; to look at, not to keep up to date."""
        board = Board()
        board.nodes = self.nodes | {other.name: other}
        return board


def host_ports(pod: Object) -> Iterable[HostPort]:
    """The ports of the node that the pod wants for itself."""
    for container in (*pod["spec"]["containers"], *_sidecars(pod)):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or _ANY, port.get("protocol", "TCP"), port["hostPort"]


def _sidecars(pod: Object) -> list[dict[str, Any]]:
    return [item for item in pod["spec"].get("initContainers") or () if item.get("restartPolicy") == "Always"]


def _clash(one: HostPort, other: HostPort) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or _ANY in (one[0], other[0]))


def _repels(pod: Object) -> bool:
    anti = (pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    return bool(anti.get("requiredDuringSchedulingIgnoredDuringExecution"))
