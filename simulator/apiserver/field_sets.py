"""Sets of fields in the form in which managedFields carry them: FieldsV1, a tree of path elements.

A set is a dictionary: `f:NAME` for a field, `k:{...}` for an element of a list by its keys, `v:...` for an
element of a set by its value. An empty node is a member of the set; a node with children is one only if it has
the child `.`. The operations below never change their operands and share what they do not touch, because every
write of every object goes through them (`fieldpath.Set` of sigs.k8s.io/structured-merge-diff v6).
"""

from collections.abc import Iterator
from typing import Any

import orjson

FieldSet = dict[str, Any]
MEMBER = "."


def is_member(node: FieldSet) -> bool:
    """Whether a node below the root stands for a field of the set itself."""
    return not node or MEMBER in node


def node_of(children: FieldSet, *, member: bool) -> FieldSet | None:
    """A node with these children; None for one that says nothing."""
    if member:
        return {MEMBER: {}, **children} if children else {}
    return children or None


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Of two whole sets."""
    if not other:
        return one
    if not one:
        return other
    merged = dict(one)
    for key, theirs in other.items():
        mine = merged.get(key)
        merged[key] = theirs if mine is None else _united(mine, theirs)
    return merged


def _united(one: FieldSet, other: FieldSet) -> FieldSet:
    if one is other or one == other:
        return one
    member = is_member(one) or is_member(other)
    return node_of(union(_children(one), _children(other)), member=member) or {}


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in `one` and not in `other`; a field does not stand for those below it."""
    if not other:
        return one
    left = {}
    for key, mine in one.items():
        theirs = other.get(key)
        node: FieldSet | None = mine
        if theirs is not None:
            below = difference(_children(mine), _children(theirs))
            node = node_of(below, member=is_member(mine) and not is_member(theirs))
        if node is not None:
            left[key] = node
    return left


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both."""
    both = {}
    for key, mine in one.items():
        theirs = other.get(key)
        if theirs is None:
            continue
        below = intersection(_children(mine), _children(theirs))
        node = node_of(below, member=is_member(mine) and is_member(theirs))
        if node is not None:
            both[key] = node
    return both


def without_below(one: FieldSet, prefixes: FieldSet) -> FieldSet:
    """`one` without the fields that `prefixes` has, and without all that is below those."""
    left = {}
    for key, mine in one.items():
        theirs = prefixes.get(key)
        node: FieldSet | None = mine
        if theirs is not None:
            node = None
            if not is_member(theirs):
                node = node_of(without_below(_children(mine), _children(theirs)), member=is_member(mine))
        if node is not None:
            left[key] = node
    return left


def _children(node: FieldSet) -> FieldSet:
    return {key: one for key, one in node.items() if key != MEMBER} if MEMBER in node else node


def children(node: FieldSet) -> FieldSet:
    """A node without the mark of its own membership."""
    return _children(node)


def paths(fields: FieldSet, above: str = "") -> Iterator[str]:
    """Every field as conflicts name it, `.spec.containers[name="c"].image`; members before what is below them."""
    below = sorted((key, node) for key, node in fields.items() if key != MEMBER)
    for key, node in below:
        if is_member(node):
            yield above + _printed(key)
    for key, node in below:
        yield from paths(node, above + _printed(key))


def _printed(element: str) -> str:
    form, _, text = element.partition(":")
    if form == "f":
        return f".{text}"
    if form == "k":
        keys = orjson.loads(text)
        return "[" + ",".join(f"{name}={orjson.dumps(keys[name]).decode()}" for name in sorted(keys)) + "]"
    return f"[={text}]" if form == "v" else f"[{text}]"


def by_name(name: str) -> str:
    """The path element of a field."""
    return f"f:{name}"


def by_keys(keys: dict[str, Any]) -> str:
    """The path element of a list's element that is known by keys."""
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def by_value(value: Any) -> str:
    """The path element of a set's element."""
    return "v:" + orjson.dumps(value).decode()
