"""Why none of the volumes that are there is bound to a claim, in words: whose it still is, how large, for what use.

Rule: pkg/controller/volume/persistentvolume (a volume is bound to a claim of its class that asks for no more than it
has, in ways that it allows; one that is Released keeps what its last claim left, and is bound to nobody else).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from incidents.objects import Manifest
from incidents.quantities import UnreadableQuantity, parse_bytes

_TOLD = 3  # volumes; more would be a wall of text


def unfit(claim: Manifest, volumes: Sequence[Manifest]) -> str:
    """What keeps the volumes of its class, or the one it wants by name, from it; empty where nothing is known to."""
    spec = claim.get("spec", {})
    if wanted := spec.get("volumeName"):
        found = next((one for one in volumes if one["metadata"]["name"] == wanted), None)
        if found is None:
            return f"it wants the volume {wanted}, which does not exist"
        return f"it wants the volume {wanted}: {'; '.join(_against(claim, found))}"
    same = [
        one for one in volumes if (one.get("spec", {}).get("storageClassName") or "") == spec.get("storageClassName")
    ]
    told = [f"{one['metadata']['name']}: {'; '.join(why)}" for one in same if (why := list(_against(claim, one)))]
    return ", ".join(told[:_TOLD])


def _against(claim: Manifest, volume: Manifest) -> Iterator[str]:
    spec, wants = volume.get("spec", {}), claim.get("spec", {})
    owner = spec.get("claimRef") or {}
    mine = (owner.get("namespace"), owner.get("name")) == (
        claim["metadata"].get("namespace", owner.get("namespace")),
        claim["metadata"]["name"],
    )
    if owner and not (mine and owner.get("uid", claim["metadata"].get("uid")) == claim["metadata"].get("uid")):
        state = volume.get("status", {}).get("phase") or "taken"
        yield f"it is {state}, and still belongs to the claim {owner.get('namespace')}/{owner.get('name')}"
    modes = [mode for mode in wants.get("accessModes") or () if mode not in (spec.get("accessModes") or ())]
    if modes:
        allowed = ", ".join(spec.get("accessModes") or ()) or "nothing"
        yield f"{', '.join(modes)} is asked for, and it allows {allowed}"
    asked = ((wants.get("resources") or {}).get("requests") or {}).get("storage")
    has = (spec.get("capacity") or {}).get("storage")
    try:
        if asked is not None and has is not None and parse_bytes(asked) > parse_bytes(has):
            yield f"{asked} is asked for, and it has {has}"
    except UnreadableQuantity:
        return
