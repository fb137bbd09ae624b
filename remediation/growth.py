"""What a claim that was made larger still waits for: its volume follows in its own time.

A claim asks in ``spec`` and has what ``status.capacity`` says, which is written when the volume has been made larger
and, where one is on it, its file system too (pkg/volume/util/resize_util.go). Until then what was full may be ready
by chance, between two writes, and nothing is known of the change.
"""

from __future__ import annotations

from incidents.changes import Change
from incidents.objects import CLAIM
from incidents.proposals import SetField
from incidents.quantities import UnreadableQuantity, parse_bytes
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader


class Growth:
    """Looks at the claim of a change. Nothing here raises for the cluster."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def waits_for(self, change: Change) -> str:
        """What the change waits for, in words; empty when its claim has what it asks for, or it grew none."""
        action = change.proposal.action
        if change.target.kind != CLAIM.kind or not isinstance(action, tuple) or not change.for_good:
            return ""
        wanted = [edit.value for edit in action if isinstance(edit, SetField)]
        try:
            claim = await self._reader.find(change.object)
        except ClusterError as error:
            return f"whether {change.object} has grown cannot be seen: {error}"
        if claim is None:
            return f"{change.object} is gone"
        has = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
        try:
            short = [size for size in wanted if has is None or parse_bytes(has) < parse_bytes(size)]
        except UnreadableQuantity as error:
            return f"how large {change.object} is cannot be read: {error}"
        return f"{change.object} has not grown: it has {has or 'nothing'} of {short[0]}" if short else ""
