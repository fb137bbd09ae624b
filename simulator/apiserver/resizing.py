"""The resize subresource of pods: the containers' cpu and memory, and nothing else, may change in place.

Whatever else a request changes is dropped without a word, as `podResizeStrategy` of Kubernetes v1.36 does; what the
kubelet makes of it is the kubelet's.
"""

from collections.abc import Iterator

from simulator.apiserver import status_errors
from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value
from simulator.apiserver.kinds import POD
from simulator.apiserver.objects import Object, copy_of, items_at, metadata, name_of
from simulator.apiserver.strategies.pod import quality_of_service

_GROUPS = ("containers", "initContainers")
_MUTABLE = frozenset({"cpu", "memory"})


def resized(old: Object, wanted: Object) -> Object:
    """The old pod with the resources of the new one, and its managedFields. Raises StatusError 422."""
    new: Object = copy_of(old)
    for group in _GROUPS:
        asked = {one.get("name"): one for one in items_at(wanted, f"spec.{group}")}
        for container in items_at(new, f"spec.{group}"):
            named = asked.get(container["name"])
            if named is not None:
                container["resources"] = copy_of(named.get("resources") or {})
    errors = list(_errors(old, new))
    if errors:
        raise status_errors.invalid(POD, name_of(old), errors)
    if new["spec"] != old["spec"] and "generation" in metadata(new):
        metadata(new)["generation"] += 1
    if "managedFields" in metadata(wanted):
        metadata(new)["managedFields"] = metadata(wanted)["managedFields"]
    return new


def _errors(old: Object, new: Object) -> Iterator[FieldError]:
    before, after = quality_of_service(old["spec"]), quality_of_service(new["spec"])
    if before != after:
        yield invalid_value("spec", before, "Pod QOS Class may not change as a result of resizing")
    for group in _GROUPS:
        pairs = zip(items_at(old, f"spec.{group}"), items_at(new, f"spec.{group}"), strict=True)
        for index, (mine, theirs) in enumerate(pairs):
            yield from _removed(mine.get("resources") or {}, theirs.get("resources") or {}, f"spec.{group}[{index}]")
    if _fixed(old) != _fixed(new):
        yield forbidden_field("spec", "only cpu and memory resources are mutable")
    yield from POD.strategy.validate(new)


def _removed(before: Object, after: Object, field: str) -> Iterator[FieldError]:
    for part in ("limits", "requests"):
        gone = set(before.get(part) or ()) - set(after.get(part) or ())
        if gone & _MUTABLE:
            yield forbidden_field(f"{field}.resources.{part}", f"resource {part} cannot be removed")


def _fixed(pod: Object) -> list[Object]:
    """What of the containers' resources a resize may not touch."""
    found = []
    for group in _GROUPS:
        for container in items_at(pod, f"spec.{group}"):
            resources = container.get("resources") or {}
            found.append({
                part: {key: value for key, value in (resources.get(part) or {}).items() if key not in _MUTABLE}
                for part in ("limits", "requests")
            } | {"claims": resources.get("claims")})  # fmt: skip
    return found
