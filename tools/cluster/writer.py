"""The one way to change a workload: a sealed JSON Patch, a creation or deletion of a fixed kind, or an eviction.

Every request carries the change's id in the User-Agent, where a deletion has no other place for it, and every deletion
names the uid that it means. Imported by ``remediation`` alone (an import contract says so). It knows nothing of
policies; whoever calls it has asked the guardrails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from incidents.changes import Operation
from incidents.objects import CLAIM, JOB, POD, SERVICE_ACCOUNT, ChangeId, Kind, Manifest, ObjectRef
from tools.cluster.errors import ClusterError
from tools.cluster.transport import Transport, parse_object

FIELD_MANAGER = "k8s-auto-fixer"
SERVER_SECONDS = 10  # what the API server is asked to give a write; it gives up on it after that
LANDING_SECONDS = 15.0  # after which a write that was sent has landed or never will: the server's time and some slack
CREATED: Mapping[tuple[str, str], Kind] = {
    (kind.api_version, kind.kind): kind for kind in (POD, JOB, CLAIM, SERVICE_ACCOUNT)
}  # nothing else is created or deleted, whoever asks


class Propagation(StrEnum):
    """What a deletion means for what the object owns (meta/v1 DeletionPropagation)."""

    BACKGROUND = "Background"
    ORPHAN = "Orphan"


class Writer:
    """Sends writes, each once: whether one that was cut off has landed must be looked up before another."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become, webhooks and defaults included. Raises ClusterError."""
        return await self._patch(target, patch, change, dry=True)

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError; Invalid when a test fails."""
        return await self._patch(target, patch, change, dry=False)

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Create an object and answer its stored form. Raises ClusterError; Conflict when the name is taken."""
        key = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
        path = _fixed(*key).path(str(manifest["metadata"].get("namespace", "")))
        return await self._send("POST", path, change, body=dict(manifest), dry=dry_run, content=True)

    async def delete(
        self,
        target: ObjectRef,
        *,
        change: ChangeId,
        resource_version: str = "",
        dry_run: bool = False,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> dict[str, Any]:
        """Delete the object with the target's uid, and only in that version where one is given.

        Answers the server's answer: the object while it lingers, else a Status. Raises ClusterError; Conflict when a
        precondition fails, NotFound when nothing has that name.
        """
        if not target.uid:
            raise ClusterError(f"{target} is not deleted without a uid")
        preconditions = {"uid": target.uid, **({"resourceVersion": resource_version} if resource_version else {})}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": propagation.value,
            **({"dryRun": ["All"]} if dry_run else {}),  # the server reads no options from the query beside a body
        }
        path = _fixed(target.api_version, target.kind).path(target.namespace, target.name)
        return await self._send("DELETE", path, change, body=options, dry=dry_run)

    async def evict(self, pod: ObjectRef, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Ask the pod with that uid to leave its node. Raises ClusterError; Busy while its budget does not let it go,
        Conflict when the name is another pod's by now, NotFound when it is nobody's."""
        if not pod.uid or pod.kind != POD.kind:
            raise ClusterError(f"{pod} is not evicted: it is no pod with a uid")
        dry = {"dryRun": ["All"]} if dry_run else {}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}, **dry},
        }
        path = POD.path(pod.namespace, pod.name, subresource="eviction")
        return await self._send("POST", path, change, body=body, dry=dry_run)

    async def _patch(
        self, target: ObjectRef, patch: Sequence[Operation], change: ChangeId, *, dry: bool
    ) -> dict[str, Any]:
        kind = target.known_kind
        if kind is None:
            raise ClusterError(f"{target.api_version} {target.kind} is not a kind this program changes")
        path = kind.path(target.namespace, target.name)
        content_type = "application/json-patch+json"
        return await self._send(
            "PATCH", path, change, body=list(patch), dry=dry, content=True, content_type=content_type
        )

    async def _send(
        self,
        method: str,
        path: str,
        change: ChangeId,
        *,
        body: Any,
        dry: bool,
        content: bool = False,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """``content``: the request carries content, whose fields are owned and checked."""
        query = {
            **({"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"} if content else {}),
            "timeout": f"{SERVER_SECONDS}s",
            **({"dryRun": "All"} if dry else {}),
        }
        answer = await self._transport.send(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            user_agent=f"{self._transport.user_agent} change/{change}",
        )
        return parse_object(answer)


def _fixed(api_version: str, kind: str) -> Kind:
    found = CREATED.get((api_version, kind))
    if found is None:
        raise ClusterError(f"{api_version} {kind} is not a kind this program creates or deletes")
    return found
