"""Walking values along their types: which fields one has, how two differ, merging, removing.

The four walks of sigs.k8s.io/structured-merge-diff v6 (`typed/tofieldset.go`, `compare.go`, `merge.go`,
`remove.go`), on plain dictionaries. A comparison skips what is equal without looking inside, so that its cost
follows the size of the change and not of the object.
"""

from collections.abc import Iterator
from typing import Any

from simulator.apiserver import field_sets
from simulator.apiserver.field_sets import FieldSet, by_keys, by_name, by_value, is_member, node_of
from simulator.apiserver.field_types import FREE, FREE_MAP, FieldType
from simulator.apiserver.go_words import go_map

_ABSENT: Any = object()


class NotOfType(Exception):
    """A value that does not fit its type; the text begins with the field's path."""


def as_go_prints(value: Any) -> str:
    """As Go's %v prints the value that the walk stands at."""
    return f"&{{{go_map(value)}}}"


def element_key(element: Any, of: FieldType) -> str:
    """The path element of a list's element. Raises NotOfType."""
    if of.form == "set":
        return by_value(element)
    if not isinstance(element, dict):
        raise NotOfType(f": expected map, got {as_go_prints(element)}")
    keys = {}
    for key in of.keys:
        value = element.get(key, of.key_defaults.get(key))
        if value is not None:
            keys[key] = value
    if not keys:
        wanted = ", ".join(f'"{key}"' for key in of.keys)
        raise NotOfType(f": element 0: associative list with keys has an element that omits key field {wanted}")
    return by_keys(keys)


def _granular(of: FieldType, value: Any) -> FieldType | None:
    """The type to descend into, or None for what is one field as a whole."""
    if of.form in ("struct", "map", "list", "set"):
        return of
    return FREE_MAP if of.form == "free" and isinstance(value, dict) else None


def _entries(value: Any, of: FieldType) -> dict[str, tuple[Any, FieldType]]:
    """The parts of a granular value by path element. Of equal elements of a list the first counts."""
    found: dict[str, tuple[Any, FieldType]] = {}
    if of.form in ("list", "set"):
        for one in value or ():
            found.setdefault(element_key(one, of), (one, of.element))
        return found
    for name, one in (value or {}).items():
        inner = of.field(name)
        if inner is not None:
            found[by_name(name)] = (one, inner)
    return found


def fields_of(value: Any, of: FieldType) -> FieldSet:
    """The fields that a value has, as an applied configuration owns them."""
    whole = {}
    granular = _granular(of, value)
    if granular is None:
        return {}
    for key, (one, inner) in _entries(value, granular).items():
        below = _granular(inner, one)
        children = fields_of(one, inner) if below is not None and one else {}
        named = granular.form != "struct"
        empty = below is None or not one
        node = node_of(children, member=named or empty)
        if node is not None:
            whole[key] = node
    return whole


def compare(old: Any, new: Any, of: FieldType) -> tuple[FieldSet, FieldSet]:
    """The fields that are new or other in `new`, and those that are gone from it."""
    changed, removed = _compare(old, new, of)
    return changed or {}, removed or {}


def _compare(old: Any, new: Any, of: FieldType) -> tuple[FieldSet | None, FieldSet | None]:
    """The nodes for one pair of values; None where there is nothing to say."""
    if old is _ABSENT:
        return _added(new, of), None
    if new is not _ABSENT and _same(old, new):
        return None, None
    granular = _granular(of, old if new is _ABSENT or new is None else new)
    empty = not old and (new is _ABSENT or not new)
    if granular is None or (empty and old is not new) or not (_fits(old, granular) and _fits(new, granular)):
        return _whole(old, new)
    changed, removed = {}, {}
    for key, mine, theirs, inner in _pairs(old, new, granular):
        more, less = _compare(mine, theirs, inner)
        if more is not None:
            changed[key] = more
        if less is not None:
            removed[key] = less
    return node_of(changed, member=False), node_of(removed, member=new is _ABSENT)


def _added(new: Any, of: FieldType) -> FieldSet:
    """The node for a value where nothing stood: it and all that it has. Whole new objects are compared so."""
    if of.form in ("scalar", "atomic") or not new:
        return {}
    granular = _granular(of, new)
    if granular is None or not _fits(new, granular):
        return {}
    if granular.form == "struct":
        fields = granular.fields
        children = {by_name(name): _added(one, fields[name]) for name, one in new.items() if name in fields}
        children |= {by_name(name): {} for name in granular.kept if name not in new}
    else:
        children = {key: _added(one, inner) for key, (one, inner) in _entries(new, granular).items()}
    return node_of(children, member=True) or {}


def _same(old: Any, new: Any) -> bool:
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _whole(old: Any, new: Any) -> tuple[FieldSet | None, FieldSet | None]:
    if new is _ABSENT:
        return None, {}
    if not old and not new and type(old) is type(new):
        return None, None
    return {}, None


def _fits(value: Any, of: FieldType) -> bool:
    return value is _ABSENT or value is None or isinstance(value, list if of.form in ("list", "set") else dict)


def _pairs(old: Any, new: Any, of: FieldType) -> Iterator[tuple[str, Any, Any, FieldType]]:
    """The parts that differ, as path element, both values and their type."""
    if of.form not in ("list", "set"):
        yield from _pairs_of_fields(old, new, of)
        return
    olds = _entries(None if old is _ABSENT else old, of)
    news = _entries(None if new is _ABSENT else new, of)
    nobody = (_ABSENT, FREE)
    for key, (mine, inner) in olds.items():
        yield key, mine, news.get(key, nobody)[0], inner
    for key, (theirs, inner) in news.items():
        if key not in olds:
            yield key, _ABSENT, theirs, inner


def _pairs_of_fields(old: Any, new: Any, of: FieldType) -> Iterator[tuple[str, Any, Any, FieldType]]:
    kept = of.kept if of.form == "struct" else {}
    olds = {} if old is _ABSENT or old is None else old
    news = {} if new is _ABSENT or new is None else new
    for name in dict.fromkeys([*olds, *news, *kept]):
        mine, theirs = olds.get(name, _ABSENT), news.get(name, _ABSENT)
        if mine is _ABSENT and name in kept and old is not _ABSENT:
            mine = kept[name]
        if theirs is _ABSENT and name in kept and new is not _ABSENT:
            theirs = kept[name]
        if mine is theirs or mine == theirs:
            continue
        inner = of.field(name)
        if inner is not None:
            yield by_name(name), mine, theirs, inner


def merge(live: Any, config: Any, of: FieldType) -> Any:
    """`live` with what the configuration says; neither is changed, parts are shared."""
    granular = _granular(of, config)
    if granular is None or not live or not _fits(live, granular) or not _fits(config, granular):
        return config
    if not config:
        return live
    if granular.form in ("list", "set"):
        return _merge_lists(live, config, granular)
    merged = dict(live)
    for name, one in config.items():
        inner = granular.field(name) or FREE
        merged[name] = merge(live[name], one, inner) if name in live else one
    return merged


def _merge_lists(live: list[Any], config: list[Any], of: FieldType) -> list[Any]:
    """Elements that both have follow the configuration's order, the others stay where they are."""
    mine = {element_key(one, of): one for one in reversed(live)}
    theirs = {element_key(one, of): one for one in config}
    left, right = [element_key(one, of) for one in live], list(theirs)
    shared = [key for key in right if key in mine]
    merged: list[Any] = []

    def take(key: str) -> None:
        merged.append(merge(mine[key], theirs[key], of.element) if key in mine else theirs[key])
        if shared and shared[0] == key:
            shared.pop(0)

    at = 0
    for key in right:
        while at < len(left) and left[at] != key:
            other = left[at]
            if other not in theirs:
                merged.append(mine[other])
            elif not shared or other == shared[0]:
                break
            at += 1
        take(key)
        if at < len(left) and left[at] == key:
            at += 1
    merged += [mine[key] for key in left[at:] if key not in theirs]
    return merged


def remove(value: Any, unwanted: FieldSet, of: FieldType) -> Any:
    """The value without some fields; what becomes empty by it is None."""
    granular = _granular(of, value)
    if granular is None or not unwanted or not value or not _fits(value, granular):
        return value
    if granular.form in ("list", "set"):
        return _remove_elements(value, unwanted, granular) or None
    left = {}
    for name, one in value.items():
        node, inner = unwanted.get(by_name(name)), granular.field(name) or FREE
        if node is None:
            left[name] = one
        elif not is_member(node):
            left[name] = remove(one, node, inner)
    return left or None


def _remove_elements(value: list[Any], unwanted: FieldSet, of: FieldType) -> list[Any]:
    left = []
    for one in value:
        node = unwanted.get(element_key(one, of))
        if node is None:
            left.append(one)
        elif not is_member(node):
            left.append(remove(one, node, of.element))
    return left


def with_parents(fields: FieldSet, of: FieldType) -> FieldSet:
    """The set together with every struct field on the way to its members."""
    whole = {}
    for key, node in fields.items():
        if key == field_sets.MEMBER:
            continue
        name, inner = key[2:], of.element if of.form != "struct" else FREE
        struct_field = of.form == "struct" and key.startswith("f:") and name in of.fields
        if struct_field:
            inner = of.fields[name]
        below = with_parents(field_sets.children(node), inner)
        kept = node_of(below, member=is_member(node) or struct_field)
        if kept is not None:
            whole[key] = kept
    return whole
