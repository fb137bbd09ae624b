"""Strategic merge patch, as `k8s.io/apimachinery/pkg/util/strategicpatch` applies it on the server.

Lists that Kubernetes marks with a merge key are merged element by element, all others are replaced; the marks are
those of the object's type in `schema`. What a patch names in such a list comes in the patch's order, new elements as
early as that lets them. Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/LIST`,
`$deleteFromPrimitiveList/LIST`.
"""

from typing import Any

from simulator.apiserver.go_words import go_map, go_type
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
        shown = go_map({_DIRECTIVE: directive, **patch})
        raise StrategicMergeError(f"unknown patch type: {directive} in map: {shown}", server_fault=True)
    _retain(original, patch)
    orders = {key.removeprefix(_ORDER): patch.pop(key) for key in list(patch) if key.startswith(_ORDER)}
    _delete_primitives(original, patch)
    before = {key: original.get(key) for key in orders}
    for key, order in orders.items():
        _check_order(patch.get(key), order, _field(facts, key))
    for key, value in patch.items():
        if value is None:
            original.pop(key, None)
        else:
            original[key] = _merge_value(original.get(key), value, _field(facts, key))
    for key, order in orders.items():
        if isinstance(original.get(key), list):
            original[key] = _ordered(original[key], order, before[key], _merge_key(_field(facts, key)))
    return original


def _field(facts: Struct | None, key: str) -> Field | None:
    return facts.fields.get(key) if facts is not None else None


def _merge_value(original: Any, patch: Any, field: Field | None) -> Any:
    inner = field.inner if field is not None else None
    if isinstance(patch, dict):
        return _merge_object(original if isinstance(original, dict) else {}, patch, inner)
    if not isinstance(patch, list) or field is None or "merge" not in field.strategy:
        return patch
    if not isinstance(original, list):
        return [_merge_object({}, one, inner) if isinstance(one, dict) else one for one in patch if _stays(one)]
    if field.merge_key:
        return _merge_list(original, patch, field.merge_key, inner)
    merged = original + [one for one in patch if one not in original]
    return _ordered(merged, patch, original, "")


def _stays(element: Any) -> bool:
    """Whether an element of a patch is one of the list, not a word about it."""
    return not isinstance(element, dict) or element.get(_DIRECTIVE) not in ("delete", "replace")


def _merge_list(original: list[Any], patch: list[Any], merge_key: str, facts: Struct | None) -> list[Any]:
    if any(isinstance(one, dict) and one.get(_DIRECTIVE) == "replace" for one in patch):
        return [one for one in patch if _DIRECTIVE not in one]
    merged = list(original)
    for element in patch:
        if not isinstance(element, dict) or element.get(merge_key) is None:
            raise StrategicMergeError(
                f"map: {go_map(element)} does not contain declared merge key: {merge_key}", server_fault=True
            )
        places = [index for index, one in enumerate(merged) if one.get(merge_key) == element[merge_key]]
        if element.get(_DIRECTIVE) == "delete":
            merged = [one for index, one in enumerate(merged) if index not in places]
        elif places:
            merged[places[0]] = _merge_object(merged[places[0]], element, facts)
        else:
            merged.append(_merge_object({}, element, facts))
    return _ordered(merged, [one for one in patch if _stays(one)], original, merge_key)


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


def _merge_key(field: Field | None) -> str:
    return field.merge_key if field is not None else ""


def _identity(element: Any, merge_key: str) -> Any:
    return element.get(merge_key) if merge_key and isinstance(element, dict) else element


def _check_order(patch: Any, order: Any, field: Field | None) -> None:
    """What a patch changes stands in its stated order, in that order. Raises StrategicMergeError."""
    if not isinstance(order, list):
        raise StrategicMergeError(f"expected a []interface {{}}, but received a {go_type(order)}", server_fault=True)
    merge_key = _merge_key(field)
    stated = iter(_identity(one, merge_key) for one in order)
    changed = [one for one in patch if _stays(one)] if isinstance(patch, list) else []
    if all(_identity(one, merge_key) in stated for one in changed):  # `in` goes on from where it found the one before
        return
    text = f"The order in patch list:\n{go_map(patch)}\n doesn't match {_ORDER[:-1]} list:\n{go_map(order)}\n"
    raise StrategicMergeError(text, server_fault=True)


def _ordered(merged: list[Any], order: list[Any], before: Any, merge_key: str) -> list[Any]:
    """The elements that a patch names, in its order, among the others in theirs (`normalizeElementOrder`)."""
    wanted = [_identity(one, merge_key) for one in order]
    stood = [_identity(one, merge_key) for one in before or ()]
    known = [one for one in merged if _identity(one, merge_key) in wanted]
    named = sorted(known, key=lambda one: wanted.index(_identity(one, merge_key)))
    others = [one for one in merged if _identity(one, merge_key) not in wanted]
    placed: list[Any] = []
    while named and others:
        mine, other = _identity(named[0], merge_key), _identity(others[0], merge_key)
        waits = mine in stood and other in stood and stood.index(other) < stood.index(mine)
        placed.append(others.pop(0) if waits else named.pop(0))
    return placed + named + others
