"""The one way to change a workload: a sealed JSON Patch, with the change's id in the User-Agent.

Imported by ``remediation`` alone (an import contract says so). It knows nothing of policies; whoever calls it
has asked the guardrails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidents.changes import Operation
from incidents.objects import ChangeId, ObjectRef
from tools.cluster.errors import ClusterError
from tools.cluster.transport import Transport, parse_object

FIELD_MANAGER = "k8s-auto-fixer"
SERVER_SECONDS = 10  # what the API server is asked to give a write; it gives up on it after that
LANDING_SECONDS = 15.0  # after which a write that was sent has landed or never will: the server's time and some slack


class Writer:
    """Sends patches, each once: whether a cut-off patch has landed must be looked up before another."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become, webhooks and defaults included. Raises ClusterError."""
        return await self._patch(target, patch, change, dry=True)

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError; Invalid when a test fails."""
        return await self._patch(target, patch, change, dry=False)

    async def _patch(
        self, target: ObjectRef, patch: Sequence[Operation], change: ChangeId, *, dry: bool
    ) -> dict[str, Any]:
        kind = target.known_kind
        if kind is None:
            raise ClusterError(f"{target.api_version} {target.kind} is not a kind this program changes")
        query = {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            "timeout": f"{SERVER_SECONDS}s",
            **({"dryRun": "All"} if dry else {}),
        }
        body = await self._transport.send(
            "PATCH",
            kind.path(target.namespace, target.name),
            query=query,
            body=list(patch),
            content_type="application/json-patch+json",
            user_agent=f"{self._transport.user_agent} change/{change}",
        )
        return parse_object(body)
