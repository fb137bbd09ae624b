"""The program's own objects: its Lease, and access reviews. Fixed kinds, fixed names, nothing of anybody else.

The Lease says which store's daemon works on this cluster. Caps, cool-downs and decisions live in a store and
are not shared between stores, so that two of them must not both change things.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from incidents.health import timestamp
from incidents.objects import ACCESS_REVIEW, LEASE
from tools.cluster.errors import Conflict, NotFound
from tools.cluster.transport import Transport, parse_object

LEASE_NAME = "k8s-auto-fixer"
LEASE_SECONDS = 30
_METRICS = "metrics.k8s.io"  # its pods and nodes are called as those of the core are
_LABELS = {"app.kubernetes.io/name": "k8s-auto-fixer"}


class Permission(msgspec.Struct, frozen=True):
    """One thing the program may have to be allowed to do."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {name}.{self.group}" if self.group == _METRICS else f"{self.verb} {name}"


class OwnObjects:
    """Reads and writes the program's own objects. Raises ClusterError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def allowed(self, permission: Permission) -> bool:
        """Whether the API server would let us."""
        wanted = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": permission.namespace,
            "name": permission.name,
        }
        body = {
            "apiVersion": ACCESS_REVIEW.api_version,
            "kind": ACCESS_REVIEW.kind,
            "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}},
        }
        answer = parse_object(await self._transport.send("POST", ACCESS_REVIEW.path(), body=body))
        return bool(answer.get("status", {}).get("allowed"))

    async def holder(self, namespace: str, *, now: datetime) -> str | None:
        """Who holds the Lease now; None when it is free, has run out or there is no such namespace."""
        lease = await self._lease(namespace)
        return _holder(lease, now) if lease is not None else None

    async def take_lease(self, namespace: str, identity: str, *, now: datetime) -> str:
        """Take or renew the Lease; answers who holds it then. Raises NotFound when there is no such namespace."""
        lease = await self._lease(namespace)
        held_by = _holder(lease, now) if lease is not None else None
        if held_by is not None and held_by != identity:
            return held_by
        body = _lease_body(namespace, identity, now, lease)
        method, name = ("PUT", LEASE_NAME) if lease is not None else ("POST", "")
        try:
            await self._transport.send(method, LEASE.path(namespace, name), body=body)
        except Conflict:
            return await self.holder(namespace, now=now) or "another process"
        return identity

    async def release_lease(self, namespace: str, identity: str, *, now: datetime) -> None:
        """Let the Lease run out at once, if it is ours."""
        lease = await self._lease(namespace)
        if lease is not None and _holder(lease, now) == identity:
            body = _lease_body(namespace, identity, now - timedelta(seconds=2 * LEASE_SECONDS), lease)
            await self._transport.send("PUT", LEASE.path(namespace, LEASE_NAME), body=body)

    async def _lease(self, namespace: str) -> dict[str, Any] | None:
        try:
            return parse_object(await self._transport.read(LEASE.path(namespace, LEASE_NAME)))
        except NotFound:
            return None


def _holder(lease: dict[str, Any], now: datetime) -> str | None:
    spec = lease.get("spec") or {}
    renewed = timestamp(spec.get("renewTime"))
    if renewed is None or now - renewed > timedelta(seconds=int(spec.get("leaseDurationSeconds") or LEASE_SECONDS)):
        return None
    return str(spec.get("holderIdentity") or "") or None


def _lease_body(namespace: str, identity: str, now: datetime, lease: dict[str, Any] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": LEASE_NAME, "namespace": namespace, "labels": _LABELS}
    if lease is not None:
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": metadata,
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
