"""Nodes that a scenario brings along: a Node that asks for a simulated kubelet gets one, and the fault it asks for.

Two annotations, read as they change: ``simulator/node: joins`` on a Node that somebody has created, and
``simulator/fault`` with one of ``FAULTS`` while the fault is to last. A node of one's own can be lost without taking
other scenarios' pods with it: taint it, and let the scenario's pods tolerate that.
"""

from collections.abc import Callable

from simulator.api_client import ApiClient
from simulator.clock import SimClock
from simulator.informer import Informer, Object
from simulator.kubelet.node_context import FAULTS, NodeContext
from simulator.resources import NODES

JOINS = "simulator/node"
FAULT = "simulator/fault"


class Joining:
    """Follows the cluster's nodes. ``join`` makes the named one a node of this process."""

    def __init__(
        self, client: ApiClient, clock: SimClock, nodes: dict[str, NodeContext], join: Callable[[str], None]
    ) -> None:
        self._nodes = nodes
        self._join = join
        self._known = Informer(client, NODES, clock=clock)
        self._known.on_change(self._changed)

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._known.run()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        annotations = (new or {}).get("metadata", {}).get("annotations") or {}
        if new is None or JOINS not in annotations:
            return
        name = new["metadata"]["name"]
        if name not in self._nodes:
            self._join(name)
        fault = annotations.get(FAULT, "")
        self._nodes[name].fault = fault if fault in FAULTS else ""
