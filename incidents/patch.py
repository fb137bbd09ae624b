"""Patch algebra: what differs between two forms of an object, and the exact operations from one to the other.

Operations come with ``test`` operations for everything they replace, remove or add, so that they apply to the
object that was looked at and to no other. For an addition the test is ``null`` at the first missing path: the
API server's patch library passes it only if nothing is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from incidents.changes import LeafChange, Operation
from incidents.objects import Manifest
from incidents.pointers import ABSENT, PathNotFound, item_of, parts_of, pointer, resolve, value_at

Parts = tuple[str | int, ...]

# What the API server and the controllers keep by themselves; a difference there is nobody's change.
_SERVED = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_OURS = ("k8s-auto-fixer/",)
_ANNOTATIONS = ("metadata", "annotations")
_CONTROLLERS = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")


def meaningful(manifest: Manifest) -> dict[str, Any]:
    """An object without its status and without what the server keeps by itself."""
    body = {key: value for key, value in manifest.items() if key not in ("status", "metadata")}
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _SERVED}
    annotations = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if not key.startswith(_OURS) and key not in _CONTROLLERS
    }
    return {**body, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def leaf_diff(before: Manifest, after: Manifest) -> tuple[LeafChange, ...]:
    """Every leaf that differs between two forms of one object, status and served metadata left out."""
    return tuple(_leaves(meaningful(before), meaningful(after), ()))


def _leaves(before: Any, after: Any, at: Parts) -> Iterator[LeafChange]:
    if _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _leaves(before.get(key, ABSENT), after.get(key, ABSENT), (*at, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else ABSENT
            new = after[index] if index < len(after) else ABSENT
            yield from _leaves(old, new, (*at, index))
    elif isinstance(before, dict | list) and before and after is ABSENT:
        yield from _leaves(before, type(before)(), at)
    elif isinstance(after, dict | list) and after and before is ABSENT:
        yield from _leaves(type(after)(), after, at)
    else:
        yield LeafChange(pointer=pointer(at), before=_shown(before), after=_shown(after))


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: unlike Python's, 1 is neither true nor 1.0, at any depth."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _shown(value: Any) -> Any:
    return None if value is ABSENT else value


def edited(document: Manifest, path: str, value: Any) -> tuple[list[str | int], Any]:
    """Where a field path leads and the value that has to stand there; ABSENT removes the field.

    A named list item that comes or goes changes its list as a whole: the place is then the list, the value the new
    list. Raises PathNotFound.
    """
    item = item_of(document, path)
    if item is None:
        return resolve(document, path), value
    place, name = item
    items = value_at(document, place)
    items = list(items) if isinstance(items, list) else []
    there = any(isinstance(one, dict) and one.get("name") == name for one in items)
    if there and value is not ABSENT:
        return resolve(document, path), value
    if there:
        return place, [one for one in items if not (isinstance(one, dict) and one.get("name") == name)] or ABSENT
    if not isinstance(value, dict) or value.get("name") != name:
        raise PathNotFound(f"{path}: nothing has that name, and what is to be added is called otherwise")
    return place, [*items, value]


def replacing(document: Manifest, parts: Sequence[str | int], value: Any) -> list[Operation]:
    """Tested operations that give the field at ``parts`` a value; ABSENT removes it.

    Adds the parents that are missing. Empty when the field has that value already.
    """
    found = value_at(document, parts)
    if found is not ABSENT:
        return list(between(found, value, tuple(parts)))
    if value is ABSENT:
        return []
    depth = next(n for n in range(1, len(parts) + 1) if value_at(document, parts[:n]) is ABSENT)
    for part in reversed(parts[depth:]):
        value = {part: value}
    return [
        {"op": "test", "path": pointer(parts[:depth]), "value": None},
        {"op": "add", "path": pointer(parts[:depth]), "value": value},
    ]


def between(old: Any, new: Any, at: Parts) -> Iterator[Operation]:
    """Tested operations from one value to another, touching no more than what differs.

    Lists of equally named items in equal order are compared item by item; any other list that differs is
    replaced as a whole, tested against its whole old value.
    """
    if _same(old, new):
        return
    path = pointer(at)
    if old is ABSENT:
        yield from ({"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": new})
    elif new is ABSENT:
        yield from ({"op": "test", "path": path, "value": old}, {"op": "remove", "path": path})
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from between(old.get(key, ABSENT), new.get(key, ABSENT), (*at, key))
    elif _same_names(old, new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from between(one, other, (*at, index))
    else:
        yield from ({"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new})


def unmarked(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations without those on the annotations by which a change marks its object."""
    marks = tuple(pointer((*_ANNOTATIONS, prefix)) for prefix in _OURS)
    return tuple(
        operation
        for operation in operations
        if operation["path"] != pointer(_ANNOTATIONS) and not operation["path"].startswith(marks)
    )


def _same_names(old: Any, new: Any) -> bool:
    if not (isinstance(old, list) and isinstance(new, list) and len(old) == len(new)):
        return False
    items = [*old, *new]
    if not all(isinstance(item, dict) and "name" in item for item in items):
        return False
    return [item["name"] for item in old] == [item["name"] for item in new]


def named_items(document: Manifest, operations: Iterable[Operation]) -> list[Operation]:
    """Tests that every named list item which the operations reach into still has its name at its index."""
    tests: dict[str, Operation] = {}
    for operation in operations:
        parts = parts_of(operation["path"])
        for depth, part in enumerate(parts[:-1], 1):
            name = value_at(document, [*parts[:depth], "name"]) if part.isdecimal() else ABSENT
            if isinstance(name, str):
                path = pointer([*parts[:depth], "name"])
                tests[path] = {"op": "test", "path": path, "value": name}
    return list(tests.values())
