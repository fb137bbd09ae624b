"""A Node object and its heartbeats: registration, Lease, status with the images it holds.

Capacity is generous and the same for all nodes, so that scenarios fail for the reasons they state. The
annotation tells the embedded API server that the log endpoint speaks plain http.
"""

import asyncio
from typing import Any

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiError
from simulator.event_recorder import node_reference
from simulator.kubelet.node_context import ALLOCATABLE, CAPACITY, NodeContext
from simulator.resources import LEASES, NODES

_LEASE_SECONDS = 10.0
_STATUS_SECONDS = 10.0
_REPOST_SECONDS = 300.0
_LEASE_NAMESPACE = "kube-node-lease"
_READY = ("True", "KubeletReady", "kubelet is posting ready status")
_CONDITIONS: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}
_TOLD = {
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}


class NodeAgent:
    """Registers one node and keeps it alive. ``run`` never returns."""

    def __init__(self, node: NodeContext, *, port: int, scheme: str) -> None:
        self._node = node
        self._port = port
        self._scheme = scheme
        self._posted: dict[str, Any] = {}
        self._posted_at = 0.0
        self._since = dict.fromkeys((*_CONDITIONS, "Ready"), node.clock.timestamp())
        self._pressures: frozenset[str] = frozenset()
        self._uid = ""
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Register, then beat until cancelled; a server that is away is waited for."""
        await self._until_done(self._register)
        self.ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_lease())
            group.create_task(self._repost())

    async def _until_done(self, step: Any) -> None:
        while True:
            try:
                await step()
            except ApiError as error:
                if error.code == 403:
                    raise
                await self._node.clock.sleep(1.0)
            else:
                return

    async def _register(self) -> None:
        body = self._object()
        try:
            created = await self._node.client.create(NODES, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            created = await self._node.client.get(NODES, self._node.name)
        self._uid = created["metadata"]["uid"]
        await self._post_status(body["status"])
        await self._write_lease()

    async def _renew_lease(self) -> None:
        while True:
            await self._node.clock.sleep(_LEASE_SECONDS)
            if not self._node.is_silent:
                await self._until_done(self._write_lease)

    async def _repost(self) -> None:
        """Post a changed status soon, an unchanged one every five minutes."""
        while True:
            await self._node.clock.sleep(_STATUS_SECONDS)
            if self._node.is_silent:
                continue
            pressed = self._note_pressures()
            status = self._status()
            due = self._node.clock.monotonic() - self._posted_at >= _REPOST_SECONDS
            if due or pressed or status["images"] != self._posted.get("images"):
                await self._until_done(lambda status=status: self._post_status(status))

    def _note_pressures(self) -> bool:
        """Tell of what has changed, as setters.go of the kubelet does; True when something has."""
        changed = self._pressures ^ self._node.conditions
        for kind in sorted(changed):
            self._since[kind] = self._node.clock.timestamp()
            reason = _TOLD[kind][kind in self._node.conditions]
            text = f"Node {self._node.name} status is now: {reason}"
            self._node.recorder.normal(self._node.source, node_reference(self._node.name), reason, text)
        self._pressures = self._node.conditions
        return bool(changed)

    async def _post_status(self, status: dict[str, Any]) -> None:
        await self._node.client.patch(
            NODES,
            self._node.name,
            {"status": status},
            subresource="status",
            content_type=STRATEGIC_MERGE_PATCH,
        )
        self._posted, self._posted_at = status, self._node.clock.monotonic()

    async def _write_lease(self) -> None:
        spec = {
            "holderIdentity": self._node.name,
            "leaseDurationSeconds": 40,
            "renewTime": self._node.clock.micro_timestamp(),
        }
        try:
            await self._node.client.patch(LEASES, self._node.name, {"spec": spec}, _LEASE_NAMESPACE)
        except ApiError as error:
            if error.code != 404:
                raise
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._node.name, "uid": self._uid}
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": self._node.name,
                    "namespace": _LEASE_NAMESPACE,
                    "ownerReferences": [owner],
                },
                "spec": spec,
            }
            await self._node.client.create(LEASES, body)

    def _object(self) -> dict[str, Any]:
        cidr = f"10.244.{self._node.index}.0/24"
        labels = {
            "kubernetes.io/hostname": self._node.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "simulated",
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self._node.name,
                "labels": labels,
                "annotations": {"simulator/kubelet-scheme": self._scheme},
            },
            "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
            "status": self._status(),
        }

    def _status(self) -> dict[str, Any]:
        now = self._node.clock.timestamp()
        return {
            "capacity": CAPACITY,
            "allocatable": ALLOCATABLE,
            "addresses": [
                {"type": "InternalIP", "address": self._node.address},
                {"type": "Hostname", "address": self._node.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "images": self._node.images.listed(),
            "nodeInfo": _NODE_INFO | {"machineID": self._node.name, "systemUUID": self._node.name},
            "conditions": self._conditions(now),
        }

    def _conditions(self, now: str) -> list[dict[str, Any]]:
        wanted = {
            kind: (str(kind in self._pressures), *words[kind in self._pressures]) for kind, words in _CONDITIONS.items()
        }
        return [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": self._since[kind],
            }
            for kind, (status, reason, message) in {**wanted, "Ready": _READY}.items()
        ]


_NODE_INFO = {
    "architecture": "amd64",
    "bootID": "simulated",
    "containerRuntimeVersion": "containerd://2.1.4",
    "kernelVersion": "6.1.0-simulated",
    "kubeProxyVersion": "",
    "kubeletVersion": "v1.36.3",
    "operatingSystem": "linux",
    "osImage": "Simulated Linux",
}
