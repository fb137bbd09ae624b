"""JSON pointers (RFC 6901) and the field paths of proposals, in which list items are addressed by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_NAMED = re.compile(r"(?P<field>[^\[\]/]+)\[(?P<name>[A-Za-z0-9_]([-A-Za-z0-9._]*[A-Za-z0-9_])?)\]")
ABSENT: Any = object()  # what a document has where it has nothing; None is JSON's null


class PathNotFound(LookupError):
    """A field path that the document has no place for."""


def pointer(parts: Iterable[object]) -> str:
    """A JSON pointer of unescaped parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts_of(text: str) -> list[str]:
    """The unescaped parts of a JSON pointer."""
    if text and not text.startswith("/"):
        raise PathNotFound(f"{text!r}: a pointer starts with '/'")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def value_at(document: Any, parts: Sequence[object]) -> Any:
    """What stands at a place, or ABSENT."""
    for part in parts:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and str(part).isdecimal() and int(str(part)) < len(document):
            document = document[int(str(part))]
        else:
            return ABSENT
    return document


def resolve(document: Any, path: str) -> list[str | int]:
    """The parts of a field path with each ``field[name]`` turned into the index of the item so named.

    Only the named items have to exist; what follows the last of them may be absent. Raises PathNotFound when
    no item, or more than one, has the name, and when a list of named items is addressed by index.
    """
    parts: list[str | int] = []
    for part in parts_of(path):
        named = _NAMED.fullmatch(part)
        if named is None:
            if part.isdecimal() and _has_names(value_at(document, parts)):
                raise PathNotFound(f"{path}: items of {parts[-1]} are addressed by name, as in {parts[-1]}[NAME]")
            parts.append(part)
            continue
        parts.append(named["field"])
        items = value_at(document, parts)
        places = [
            index
            for index, item in enumerate(items if isinstance(items, list) else ())
            if isinstance(item, dict) and item.get("name") == named["name"]
        ]
        if len(places) != 1:
            raise PathNotFound(f"{path}: {len(places)} items of {named['field']} are named {named['name']!r}")
        parts.append(places[0])
    return parts


def item_of(document: Any, path: str) -> tuple[list[str | int], str] | None:
    """The list and the name, where a path ends with a named item (``env[LOG_LEVEL]``); None where it does not.

    Raises PathNotFound as ``resolve`` does for what stands before that item.
    """
    head, _, last = path.rpartition("/")
    named = _NAMED.fullmatch(last)
    return (resolve(document, f"{head}/{named['field']}"), named["name"]) if named is not None else None


def _has_names(items: Any) -> bool:
    return isinstance(items, list) and any(isinstance(item, dict) and "name" in item for item in items)


def matches(text: str, pattern: str) -> bool:
    """Whether a pointer fits a pattern: ``*`` is any one part, a trailing ``**`` any rest."""
    have, want = parts_of(text), parts_of(pattern)
    if want and want[-1] == "**":
        want = want[:-1]
        have = have[: len(want)] if len(have) > len(want) else [*have, "\0"]
    return len(have) == len(want) and all(w in ("*", h) for h, w in zip(have, want, strict=True))
