"""Nodes that stop reporting: their conditions become Unknown, their pods NotReady, and taints drive the pods away.

After pkg/controller/nodelifecycle in Kubernetes v1.36, for nodes of one zone. A node counts as lost when neither its
Lease nor its Ready condition has changed for 50 s. Nodes are tainted with NoExecute one every ten seconds; when
none is left that is well, none is tainted, as then it is rather the control plane that is cut off.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from simulator.api_client import ApiError
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.pods import condition
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object, key_of
from simulator.resources import LEASES, NODES, PODS

_SOURCE = EventSource("node-controller")
_MONITOR_SECONDS = 5.0
_LEAST_REAL_MONITOR_SECONDS = 0.25
_GRACE_SECONDS = 50.0
_STARTUP_GRACE_SECONDS = 60.0
_LEAST_REAL_GRACE_SECONDS = 3.0
"""However fast the cluster's clock runs: a busy machine that makes nodes late is no reason to give them up."""
_TAINT_EVERY_SECONDS = 10.0
_LEASE_NAMESPACE = "kube-node-lease"
_PREFIX = "node.kubernetes.io/"
_NOT_READY = {"False": f"{_PREFIX}not-ready", "Unknown": f"{_PREFIX}unreachable"}
_CONDITION_TAINTS = {
    "Ready": _NOT_READY,
    "MemoryPressure": {"True": f"{_PREFIX}memory-pressure"},
    "DiskPressure": {"True": f"{_PREFIX}disk-pressure"},
    "NetworkUnavailable": {"True": f"{_PREFIX}network-unavailable"},
    "PIDPressure": {"True": f"{_PREFIX}pid-pressure"},
}
_UNSCHEDULABLE = f"{_PREFIX}unschedulable"
_OWN_KEYS = {_UNSCHEDULABLE} | {key for keys in _CONDITION_TAINTS.values() for key in keys.values()}
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True)
class _Health:
    """What was last seen of a node, and when by the cluster's clock."""

    renewed: str
    heartbeat: str
    seen_at: float


class NodeLifecycleController(Controller):
    """Node + Lease → conditions and taints. The queue serves the NoSchedule taints, the monitor the rest."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.caches.of(NODES)
        self._pods = self.caches.of(PODS)
        self._health: dict[str, _Health] = {}
        self._registered: dict[str, str] = {}
        self._next_taint = 0.0
        self.watch_own(self._nodes)

    async def run(self) -> None:
        """Watch over the nodes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            group.create_task(self._monitor())

    async def reconcile(self, namespace: str, name: str) -> None:
        """Bring the NoSchedule taints in line with the conditions."""
        node = self._nodes.get(namespace, name)
        if node is None:
            return
        wanted = _wanted_taints(node)
        taints = node.get("spec", {}).get("taints") or []
        present = {item["key"] for item in taints if item["effect"] == "NoSchedule" and item["key"] in _OWN_KEYS}
        if wanted == present:
            return
        kept = [item for item in taints if not (item["effect"] == "NoSchedule" and item["key"] in present - wanted)]
        now = self.clock.timestamp()
        added = [{"key": key, "effect": "NoSchedule", "timeAdded": now} for key in sorted(wanted - present)]
        await self._write_taints(node, kept + added)

    async def _monitor(self) -> None:
        await self._nodes.synced.wait()
        await self._pods.synced.wait()
        while True:
            try:
                await self._look()
            except ApiError:  # the server is away: the nodes are not to blame
                self._health.clear()
            await self.clock.sleep(max(_MONITOR_SECONDS, _LEAST_REAL_MONITOR_SECONDS * self.clock.speed))

    async def _look(self) -> None:
        nodes = sorted(self._nodes.all(), key=key_of)
        self._note_members(nodes)
        listed = (await self.client.list(LEASES, _LEASE_NAMESPACE)).get("items") or []
        renewed = {item["metadata"]["name"]: item["spec"].get("renewTime") or "" for item in listed}
        seen = [await self._look_at(node, renewed.get(node["metadata"]["name"], "")) for node in nodes]
        states = [(condition(node, "Ready") or {}).get("status", "Unknown") for node in seen]
        all_lost = bool(states) and "True" not in states
        for node, state in zip(seen, states, strict=True):
            await self._taint_for_eviction(node, "True" if all_lost else state)

    def _note_members(self, nodes: list[Object]) -> None:
        present = {node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes}
        for name, uid in present.items():
            if name not in self._registered:
                self._tell(name, uid, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        for name, uid in self._registered.items():
            if name not in present:
                self._health.pop(name, None)
                self._tell(name, uid, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")
        self._registered = present

    async def _look_at(self, node: Object, renewed: str) -> Object:
        """The node, with its conditions made Unknown if it was silent for too long."""
        name, ready = node["metadata"]["name"], condition(node, "Ready")
        heartbeat = (ready or {}).get("lastHeartbeatTime") or ""
        before, now = self._health.get(name), self.clock.monotonic()
        if before is None or (before.renewed, before.heartbeat) != (renewed, heartbeat):
            self._health[name] = _Health(renewed, heartbeat, now)
            return node
        grace = max(
            _GRACE_SECONDS if ready is not None else _STARTUP_GRACE_SECONDS,
            _LEAST_REAL_GRACE_SECONDS * self.clock.speed,
        )
        if now - before.seen_at <= grace or (ready is not None and ready["status"] == "Unknown"):
            return node
        lost = await self._mark_lost(node)
        self._health[name] = _Health(renewed, (condition(lost, "Ready") or {}).get("lastHeartbeatTime") or "", now)
        if ready is not None and ready["status"] == "True":
            uid = node["metadata"]["uid"]
            self._tell(name, uid, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            await self._mark_pods(name)
        return lost

    async def _mark_lost(self, node: Object) -> Object:
        now = self.clock.timestamp()
        status = dict(node.get("status") or {})
        conditions = [dict(item) for item in status.get("conditions") or ()]
        for kind in _REPORTED:
            found = next((item for item in conditions if item["type"] == kind), None)
            if found is None:
                conditions.append(
                    {
                        "type": kind,
                        "status": "Unknown",
                        "reason": "NodeStatusNeverUpdated",
                        "message": "Kubelet never posted node status.",
                        "lastHeartbeatTime": node["metadata"]["creationTimestamp"],
                        "lastTransitionTime": now,
                    }
                )
            elif found["status"] != "Unknown":
                found |= {
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": now,
                }
        return await self.update_status(NODES, node, status | {"conditions": conditions})

    async def _mark_pods(self, node: str) -> None:
        for pod in self._pods.all():
            if pod["spec"].get("nodeName") != node:
                continue
            ready = condition(pod, "Ready")
            if ready is None or ready["status"] == "False":
                continue
            changed = ready | {"status": "False", "lastTransitionTime": self.clock.timestamp()}
            conditions = [changed if item["type"] == "Ready" else item for item in pod["status"]["conditions"]]
            try:
                await self.update_status(PODS, pod, pod["status"] | {"conditions": conditions})
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
                continue
            self.recorder.warning(_SOURCE, reference_to(pod), "NodeNotReady", "Node is not ready")

    async def _taint_for_eviction(self, node: Object, state: str) -> None:
        node = self._nodes.get("", node["metadata"]["name"]) or node
        taints = node.get("spec", {}).get("taints") or []
        own = [item for item in taints if item["effect"] == "NoExecute" and item["key"] in _NOT_READY.values()]
        wanted = _NOT_READY.get(state)
        if [item["key"] for item in own] == ([wanted] if wanted else []) or is_deleting(node):
            return
        if wanted and not own:
            now = self.clock.monotonic()
            if now < self._next_taint:
                return
            self._next_taint = now + _TAINT_EVERY_SECONDS
        kept = [item for item in taints if item not in own]
        added = [{"key": wanted, "effect": "NoExecute", "timeAdded": self.clock.timestamp()}] if wanted else []
        try:
            await self._write_taints(node, kept + added)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _write_taints(self, node: Object, taints: list[dict[str, Any]]) -> None:
        metadata = node["metadata"]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"taints": taints or None}}
        self._nodes.observe(await self.client.patch(NODES, metadata["name"], body))

    def _tell(self, name: str, uid: str, reason: str, message: str) -> None:
        involved = {"kind": "Node", "apiVersion": "v1", "name": name, "uid": uid}
        self.recorder.normal(_SOURCE, involved, reason, message)


def _wanted_taints(node: Object) -> set[str]:
    """The keys of the NoSchedule taints that a node's conditions and its cordon ask for."""
    found = {
        keys[item["status"]]
        for item in node.get("status", {}).get("conditions") or ()
        if item["status"] in (keys := _CONDITION_TAINTS.get(item["type"], {}))
    }
    return found | ({_UNSCHEDULABLE} if node.get("spec", {}).get("unschedulable") else set())
