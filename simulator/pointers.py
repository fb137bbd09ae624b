"""JSON pointers into Kubernetes objects, in which list items are called by their name. Pure.

``/spec/containers/web/image`` stays the same when containers are reordered, which an index does not. Patterns
use ``*`` for any one segment.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_IDENTITIES = ("name", "type", "containerPort", "mountPath", "port", "key", "uid")
_ABSENT = object()


def escape(segment: str) -> str:
    """A key as a segment of a pointer."""
    return segment.replace("~", "~0").replace("/", "~1")


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[str]:
    """The pointers of every leaf that differs, was added or was removed.

    Items without names are compared in their order while there are as many as before.
    """
    if isinstance(before, list) and isinstance(after, list):
        named = _named(before), _named(after)
        if named[0] is not None and named[1] is not None:
            before, after = named
        elif len(before) == len(after) and all(isinstance(item, Mapping) for item in (*before, *after)):
            before, after = ({str(place): item for place, item in enumerate(each)} for each in (before, after))
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            here = f"{pointer}/{escape(str(key))}"
            yield from differences(before.get(key, _ABSENT), after.get(key, _ABSENT), here)
    elif before is _ABSENT or after is _ABSENT:
        yield from leaves(after if before is _ABSENT else before, pointer)
    elif before != after:
        yield pointer


def leaves(value: Any, pointer: str) -> Iterator[str]:
    """The pointers of every leaf under ``value``; empty containers are leaves themselves."""
    if isinstance(value, list):
        value = _named(value) or {str(index): item for index, item in enumerate(value)}
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{escape(str(key))}")
    else:
        yield pointer


def by_name(pointer: str, *documents: Any) -> str:
    """A pointer with indices, as JSON Patch uses, with the names that the first fitting document gives them."""
    for document in documents:
        found = _renamed(pointer, document)
        if found is not None:
            return found
    return pointer


def matches(pointer: str, pattern: str) -> bool:
    """Whether the pattern names exactly this pointer."""
    parts, wanted = pointer.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(_fits(*pair) for pair in zip(parts, wanted, strict=True))


def is_above(pointer: str, pattern: str) -> bool:
    """Whether the pointer is an ancestor of something that the pattern names."""
    parts, wanted = pointer.split("/"), pattern.split("/")
    return len(parts) < len(wanted) and all(_fits(*pair) for pair in zip(parts, wanted, strict=False))


def _fits(part: str, wanted: str) -> bool:
    return wanted in ("*", part)


def _renamed(pointer: str, document: Any) -> str | None:
    found = ""
    for raw in pointer.split("/")[1:]:
        segment = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            if not segment.isdecimal() or int(segment) >= len(document):
                return None
            names = _named(document)
            name = list(names)[int(segment)] if names is not None else segment
            document = document[int(segment)]
            found += f"/{escape(name)}"
        else:
            document = document.get(segment) if isinstance(document, Mapping) else None
            found += f"/{raw}"
    return found


def _named(items: list[Any]) -> dict[str, Any] | None:
    """The items by name; None when they have none or share one."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return {} if not items else None
    for identity in _IDENTITIES:
        if all(identity in item for item in items):
            named = {str(item[identity]): item for item in items}
            if len(named) == len(items):
                return named
    return None
