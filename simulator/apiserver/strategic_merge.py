"""Strategic merge patch, as `k8s.io/apimachinery/pkg/util/strategicpatch` applies it on the server.

Lists that Kubernetes marks with a merge key are merged element by element, all others are replaced; the marks are
those of the object's type in `schema`. Directives: `$patch` (replace, delete, merge), `$retainKeys`,
`$setElementOrder/LIST`, `$deleteFromPrimitiveList/LIST`.
"""

from typing import Any

from simulator.apiserver.objects import Object, copy_of
from simulator.apiserver.schema import Field, Struct, struct_of

_ORDER, _DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"
_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"


class StrategicMergeError(ValueError):
    """The patch is not a strategic merge patch; `server_fault` marks what the real server answers with 500."""

    def __init__(self, message: str, *, server_fault: bool = False) -> None:
        super().__init__(message)
        self.server_fault = server_fault


def strategic_merge(original: Object, patch: Object) -> Object:
    """A new object: `original` with the patch applied. Raises StrategicMergeError."""
    group, _, version = str(original.get("apiVersion") or "").rpartition("/")
    facts = struct_of(group, version, str(original.get("kind") or ""))
    return _merge_object(copy_of(original), copy_of(patch), facts)


def _merge_object(original: Object, patch: Object, facts: Struct | None) -> Object:
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise StrategicMergeError(f"Unknown patch type found: {directive}", server_fault=True)
    _retain(original, patch)
    orders = {key.removeprefix(_ORDER): patch.pop(key) for key in list(patch) if key.startswith(_ORDER)}
    _delete_primitives(original, patch)
    for key, value in patch.items():
        if value is None:
            original.pop(key, None)
        else:
            original[key] = _merge_value(original.get(key), value, _field(facts, key))
    for key, order in orders.items():
        _reorder(original, key, order, _field(facts, key))
    return original


def _field(facts: Struct | None, key: str) -> Field | None:
    return facts.fields.get(key) if facts is not None else None


def _merge_value(original: Any, patch: Any, field: Field | None) -> Any:
    inner = field.inner if field is not None else None
    if isinstance(patch, dict):
        return _merge_object(original if isinstance(original, dict) else {}, patch, inner)
    if not isinstance(patch, list) or field is None or "merge" not in field.strategy:
        return patch
    if field.merge_key:
        return _merge_list(original if isinstance(original, list) else [], patch, field.merge_key, inner)
    if isinstance(original, list):
        return original + [one for one in patch if one not in original]
    return patch


def _merge_list(original: list[Any], patch: list[Any], merge_key: str, facts: Struct | None) -> list[Any]:
    if any(isinstance(one, dict) and one.get(_DIRECTIVE) == "replace" for one in patch):
        return [one for one in patch if _DIRECTIVE not in one]
    merged = list(original)
    for element in patch:
        if not isinstance(element, dict) or element.get(merge_key) is None:
            raise StrategicMergeError(
                f"map: {element} does not contain declared merge key: {merge_key}", server_fault=True
            )
        places = [index for index, one in enumerate(merged) if one.get(merge_key) == element[merge_key]]
        if element.get(_DIRECTIVE) == "delete":
            merged = [one for index, one in enumerate(merged) if index not in places]
        elif places:
            merged[places[0]] = _merge_object(merged[places[0]], element, facts)
        else:
            merged.append(_merge_object({}, element, facts))
    return merged


def _retain(original: Object, patch: Object) -> None:
    kept = patch.pop(_RETAIN, None)
    if kept is None:
        return
    if not isinstance(kept, list) or any(key not in kept for key in patch if not key.startswith("$")):
        raise StrategicMergeError("invalid patch format of retainKeys")
    for key in [key for key in original if key not in kept]:
        del original[key]


def _delete_primitives(original: Object, patch: Object) -> None:
    for directive in [key for key in patch if key.startswith(_DELETE_FROM)]:
        unwanted, key = patch.pop(directive), directive.removeprefix(_DELETE_FROM)
        if not isinstance(unwanted, list):
            raise StrategicMergeError("invalid patch format of primitive list")
        if isinstance(original.get(key), list):
            original[key] = [one for one in original[key] if one not in unwanted]


def _reorder(original: Object, key: str, order: Any, field: Field | None) -> None:
    """Puts the elements that the patch orders into that order; the others keep their place among them."""
    elements = original.get(key)
    if not isinstance(order, list):
        raise StrategicMergeError("invalid patch format of setElementOrder list")
    if not isinstance(elements, list):
        return
    merge_key = field.merge_key if field is not None else ""

    def identity(element: Any) -> Any:
        return element.get(merge_key) if merge_key and isinstance(element, dict) else element

    wanted = [identity(one) for one in order]
    named = sorted((one for one in elements if identity(one) in wanted), key=lambda one: wanted.index(identity(one)))
    others = [one for one in elements if identity(one) not in wanted]
    original[key] = _interleave(named, others, [identity(one) for one in elements], identity)


def _interleave(named: list[Any], others: list[Any], before: list[Any], identity: Any) -> list[Any]:
    merged: list[Any] = []
    while named and others:
        first = before.index(identity(named[0])) < before.index(identity(others[0]))
        merged.append(named.pop(0) if first else others.pop(0))
    return merged + named + others
