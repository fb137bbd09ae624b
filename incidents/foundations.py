"""What a case rests on besides its subject: what the pods name, and the quota that refused them.

If one of these changes, a person has been at work on it, and what failed may be worth another try. Secrets and
ConfigMaps are not among them: the program has no right to read them, and pods notice those by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from incidents.causes import causes_named
from incidents.health import Health
from incidents.object_health import claims_of
from incidents.objects import AUTOSCALER, CLAIM, QUOTA, SERVICE, Kind
from incidents.snapshot import Snapshot, pod_template

FOUNDATIONS = 8  # objects looked at for one case


class Foundation(msgspec.Struct, frozen=True):
    """One object by kind and name, in the subject's namespace."""

    kind: Kind
    name: str


def as_text(digests: Mapping[str, str]) -> str:
    """Digests by object as an incident keeps them."""
    return ",".join(f"{name}={digest}" for name, digest in sorted(digests.items()))


def as_digests(text: str) -> dict[str, str]:
    """What an incident keeps, as digests by object; an older form of it names none."""
    return dict(pair for part in text.split(",") if len(pair := part.split("=")) == 2)


def rests_on(snapshot: Snapshot, health: Health) -> list[Foundation]:
    """The objects that a case rests on, in an order that does not depend on the moment."""
    template = pod_template(snapshot.workload)
    found = {Foundation(CLAIM, name) for name in claims_of(template)}
    found |= {Foundation(named.kind, named.name) for named in causes_named(snapshot, health) if named.kind == QUOTA}
    for item in snapshot.related:
        kind = {CLAIM.kind: CLAIM, AUTOSCALER.kind: AUTOSCALER, SERVICE.kind: SERVICE}.get(str(item.get("kind")))
        if kind is not None:
            found.add(Foundation(kind, item["metadata"]["name"]))
    return sorted(found, key=lambda one: (one.kind.kind, one.name))[:FOUNDATIONS]
