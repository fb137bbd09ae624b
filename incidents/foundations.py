"""What a case rests on besides its subject: what the pods name, and the quota that refused them.

If one of these changes, a person has been at work on it, and what failed may be worth another try. Secrets are not
among them: nothing of them is read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from incidents.causes import causes_named
from incidents.health import Health
from incidents.object_health import claims_of
from incidents.objects import AUTOSCALER, CLAIM, CONFIG_MAP, QUOTA, SERVICE, Kind, Manifest
from incidents.snapshot import Snapshot, pod_template

FOUNDATIONS = 8  # objects looked at for one case


class Foundation(msgspec.Struct, frozen=True):
    """One object by kind and name, in the subject's namespace."""

    kind: Kind
    name: str


def rests_on(snapshot: Snapshot, health: Health) -> list[Foundation]:
    """The objects that a case rests on, in an order that does not depend on the moment."""
    template = pod_template(snapshot.workload)
    found = {Foundation(CLAIM, name) for name in claims_of(template)}
    found |= {Foundation(CONFIG_MAP, name) for name in _config_maps(template)}
    found |= {Foundation(named.kind, named.name) for named in causes_named(snapshot, health) if named.kind == QUOTA}
    for item in snapshot.related:
        kind = {CLAIM.kind: CLAIM, AUTOSCALER.kind: AUTOSCALER, SERVICE.kind: SERVICE}.get(str(item.get("kind")))
        if kind is not None:
            found.add(Foundation(kind, item["metadata"]["name"]))
    return sorted(found, key=lambda one: (one.kind.kind, one.name))[:FOUNDATIONS]


def _config_maps(template: Manifest) -> Iterator[str]:
    spec = template.get("spec", {})
    for volume in spec.get("volumes") or ():
        if name := (volume.get("configMap") or {}).get("name"):
            yield str(name)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for source in container.get("envFrom") or ():
            if name := (source.get("configMapRef") or {}).get("name"):
                yield str(name)
        for variable in container.get("env") or ():
            if name := ((variable.get("valueFrom") or {}).get("configMapKeyRef") or {}).get("name"):
                yield str(name)
