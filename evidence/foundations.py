"""Reading what a case rests on, as one digest that tells whether any of it has changed."""

from __future__ import annotations

import hashlib

from incidents.foundations import rests_on
from incidents.health import Health
from incidents.snapshot import Snapshot, spec_digest
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader


async def foundations_digest(reader: Reader, snapshot: Snapshot, health: Health) -> str:
    """A digest of the specs of what a case rests on. Raises ClusterError.

    What may not be read counts as unchanged, and content is only ever part of the digest.
    """
    namespace = str(snapshot.workload["metadata"].get("namespace", ""))
    parts = []
    for one in rests_on(snapshot, health):
        try:
            found = await reader.get(one.kind, namespace, one.name)
        except NotFound:
            parts.append(f"{one.kind.kind}/{one.name} absent")
        except Forbidden:
            parts.append(f"{one.kind.kind}/{one.name} unread")
        else:
            parts.append(f"{one.kind.kind}/{one.name} {found['metadata'].get('uid')} {spec_digest(found)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
