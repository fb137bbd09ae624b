"""What an incident explains: asked by everybody who has to tell how a cause is doing."""

from __future__ import annotations

from incidents.incident import Incident, Status
from incidents.objects import AROUND_WORKLOADS
from tools.store import Store

EVERYTHING = 1_000_000  # incidents: all that are not closed


async def explained_by(store: Store, incident: Incident) -> list[Incident]:
    """The incidents that are not closed and that this one explains."""
    if incident.subject.kind not in AROUND_WORKLOADS:
        return []
    unclosed = await store.incidents(Status.OPEN, Status.WAITING, Status.HANDED_OVER, limit=EVERYTHING)
    return [one for one in unclosed if one.caused_by == incident.id]
