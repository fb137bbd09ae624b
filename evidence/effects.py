"""What an incident explains: asked by everybody who has to tell how a cause is doing."""

from __future__ import annotations

from incidents.incident import Incident
from tools.store import Store


async def explained_by(store: Store, incident: Incident) -> list[Incident]:
    """The incidents that are not closed and that this one explains."""
    return await store.explained_by(incident.id)
