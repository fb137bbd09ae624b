"""Which volume suits a claim: shared by the binder and the scheduler. Pure.

After k8s.io/component-helpers/storage/volume/pv_helpers.go (v0.36): a volume reserved for the claim wins, else the
smallest that is large enough.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from simulator.controllers.selecting import matches
from simulator.informer import Object
from simulator.node_selection import matches_terms
from simulator.quantities import to_bytes
from simulator.storage.kinds import BETA_CLASS, SELECTED_NODE

WAITS = "WaitForFirstConsumer"


def annotations_of(obj: Object) -> Mapping[str, str]:
    """Its annotations; empty for none."""
    found: Mapping[str, str] = obj["metadata"].get("annotations") or {}
    return found


def class_of(obj: Object) -> str:
    """The name of the StorageClass of a claim or a volume; empty for none."""
    return str(annotations_of(obj).get(BETA_CLASS) or obj["spec"].get("storageClassName") or "")


def size_of(claim: Object) -> int:
    """The bytes that a claim asks for."""
    return to_bytes(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", 0))


def capacity_of(volume: Object) -> int:
    """The bytes that a volume has."""
    return to_bytes((volume["spec"].get("capacity") or {}).get("storage", 0))


def waits_for_consumer(claim: Object, storage_class: Object | None) -> bool:
    """Whether nobody has to act before a pod wants the claim."""
    return storage_class is not None and storage_class.get("volumeBindingMode") == WAITS


def was_given_node(claim: Object) -> bool:
    """Whether the scheduler has chosen a node to make the volume for."""
    return SELECTED_NODE in annotations_of(claim)


def is_reserved_for(volume: Object, claim: Object) -> bool:
    """Whether the volume's claimRef means this claim."""
    reference, metadata = volume["spec"].get("claimRef"), claim["metadata"]
    if not reference:
        return False
    named = (reference.get("namespace"), reference.get("name")) == (metadata.get("namespace"), metadata["name"])
    return named and reference.get("uid") in (None, "", metadata["uid"])


def reaches(volume: Object, node: Object) -> bool:
    """Whether the volume can be used on the node."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or matches_terms(required.get("nodeSelectorTerms"), node)


def offers_modes(volume: Object, claim: Object) -> bool:
    """Whether the volume has every access mode of the claim."""
    return set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ())


def matching_volume(
    claim: Object,
    volumes: Iterable[Object],
    *,
    node: Object | None = None,
    taken: Collection[str] = (),
    delayed: bool = False,
) -> Object | None:
    """The best volume for the claim; ``node``: the scheduler asks, for that node."""
    smallest: Object | None = None
    for volume in volumes:
        if volume["metadata"]["name"] in taken or not _might_suit(volume, claim):
            continue
        reachable = node is None or reaches(volume, node)
        if is_reserved_for(volume, claim):
            return volume if reachable else None
        if not reachable or (node is None and delayed) or not _is_free_for(volume, claim):
            continue
        if smallest is None or capacity_of(volume) < capacity_of(smallest):
            smallest = volume
    return smallest


def _might_suit(volume: Object, claim: Object) -> bool:
    if volume["spec"].get("claimRef") and not is_reserved_for(volume, claim):
        return False
    if volume["metadata"].get("deletionTimestamp") or capacity_of(volume) < size_of(claim):
        return False
    return _same(volume, claim, "volumeMode", "Filesystem") and _same(volume, claim, "volumeAttributesClassName", "")


def _same(volume: Object, claim: Object, field: str, usual: str) -> bool:
    ours: Any = claim["spec"].get(field) or usual
    return bool((volume["spec"].get(field) or usual) == ours)


def _is_free_for(volume: Object, claim: Object) -> bool:
    if (volume.get("status") or {}).get("phase") != "Available":
        return False
    selector = claim["spec"].get("selector")
    if selector is not None and not matches(selector, volume["metadata"].get("labels")):
        return False
    return class_of(volume) == class_of(claim) and offers_modes(volume, claim)


def claim_reference(claim: Object) -> Object:
    """The claimRef of a volume that is meant for the claim."""
    metadata = claim["metadata"]
    return {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


def same_mode(volume: Object, claim: Object) -> bool:
    """Whether both are file systems or both raw blocks."""
    return _same(volume, claim, "volumeMode", "Filesystem")


def misfit(volume: Object, claim: Object) -> str:
    """Why a volume that a claim asks for by name cannot be its; empty if it can."""
    if volume["metadata"].get("deletionTimestamp"):
        return f'the volume is marked for deletion "{volume["metadata"]["name"]}"'
    if capacity_of(volume) < size_of(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if not _same(volume, claim, "volumeAttributesClassName", ""):
        return "volumeAttributesClassName does not match"
    if not same_mode(volume, claim):
        return "incompatible volumeMode"
    return "" if offers_modes(volume, claim) else "incompatible accessMode"


def claim_names(pod: Object) -> Iterator[tuple[str, bool]]:
    """The names of the claims that the pod uses, and whether each is made for it."""
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield volume["persistentVolumeClaim"]["claimName"], False
        elif volume.get("ephemeral") is not None:
            yield f"{pod['metadata']['name']}-{volume['name']}", True
