"""What all pods of one node share."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.api_client import ApiClient
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, EventSource
from simulator.kubelet.filling import Contents
from simulator.kubelet.images import NodeImages
from simulator.kubelet.network import Network
from simulator.node_fit import PodRequests

CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
ALLOCATABLE = CAPACITY | {"memory": "15Gi"}
SILENT = "silent"
FAULTS = {
    SILENT: "",
    "memory-pressure": "MemoryPressure",
    "disk-pressure": "DiskPressure",
    "pid-pressure": "PIDPressure",
}
"""What can be made to happen to a node, and the condition that shows it."""
_SYNC_SECONDS = 10.0
_JITTER = 0.5


@dataclass
class NodeContext:
    """A node's name, addresses, images and the clients its pods use."""

    name: str
    index: int
    address: str
    client: ApiClient
    clock: SimClock
    recorder: EventRecorder
    images: NodeImages
    network: Network
    random: random.Random
    requested_by_others: Callable[[str], PodRequests] = field(default=lambda _: PodRequests())
    """What the node's other pods request, without the one of that uid."""
    contents: Contents = field(default_factory=Contents)
    """What stands on the volumes of claims: the same for all nodes."""
    pressures: frozenset[str] = frozenset()
    """The conditions (MemoryPressure, DiskPressure) that its pods have brought it into."""
    fault: str = ""
    """What a scenario has happen to the node: one of ``FAULTS``."""
    _next_address: int = field(default=2)

    @property
    def is_silent(self) -> bool:
        """Whether nothing is heard of it any more, and nothing reaches it."""
        return self.fault == SILENT

    @property
    def conditions(self) -> frozenset[str]:
        """The pressures it is in, whatever the reason."""
        forced = FAULTS.get(self.fault)
        return self.pressures | {forced} if forced else self.pressures

    @property
    def allocatable(self) -> dict[str, str]:
        """What pods may request."""
        return ALLOCATABLE

    @property
    def source(self) -> EventSource:
        """Whom the events of this node come from."""
        return EventSource("kubelet", self.name)

    def take_address(self) -> str:
        """A pod address of this node's range; used ones come back only after all others."""
        number = self._next_address
        self._next_address = 2 + (number - 1) % 252
        return f"10.244.{self.index}.{number}"

    def notice_delay(self) -> float:
        """Seconds until a started container is noticed and probed (the PLEG relists once a second)."""
        return 0.2 + 0.8 * self.random.random()

    def sync_pause(self) -> float:
        """Seconds until a pod whose sync failed is looked at again (pod_workers.go: 10 s and up to half more)."""
        return _SYNC_SECONDS * (1 + _JITTER * self.random.random())
