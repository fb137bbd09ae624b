"""Reading what a case rests on, as digests that tell whether any of it has changed."""

from __future__ import annotations

import hashlib

from incidents.foundations import rests_on
from incidents.health import Health
from incidents.snapshot import Snapshot, spec_digest
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader


async def foundations_digests(reader: Reader, snapshot: Snapshot, health: Health) -> dict[str, str]:
    """By kind and name, a digest of the spec of everything a case rests on. Raises ClusterError.

    What may not be read counts as unchanged, and content is only ever part of the digest.
    """
    namespace = str(snapshot.workload["metadata"].get("namespace", ""))
    found: dict[str, str] = {}
    for one in rests_on(snapshot, health):
        try:
            manifest = await reader.get(one.kind, namespace, one.name)
        except NotFound:
            said = "absent"
        except Forbidden:
            said = "unread"
        else:
            said = f"{manifest['metadata'].get('uid')} {spec_digest(manifest)}"
        found[f"{one.kind.kind}/{one.name}"] = hashlib.sha256(said.encode()).hexdigest()[:12]
    return found
