"""The facts about API types as objects: `Struct` and its `Field`s, loaded by name and kept.

A field's `type` is a word: `string`, `bool`, `int32`, `int64`, `float64`, `bytes` (base64 text), `quantity`,
`int-or-string`, `time`, `micro-time`, `any`, or the name of a struct ("core/v1.PodSpec"); in front of it
stands `[]` for a list and `{}` for a map of such values.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson

_FOLDER = Path(__file__).parent / "facts"

Presence = Literal["kept", "null", "omitted", "pointer"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    `presence` says what becomes of it when it is empty: "omitted" fields are left out, "pointer" fields unless they
    were given, "null" fields are null unless they were given, "kept" fields are always there, as their type's zero.
    `strategy` is that of strategic merge patches ("merge", "replace", "retainKeys", or two with a comma), `merge_key`
    the key they merge a list by. `list_type` is "atomic", "set", "map" or nothing, with `map_keys` of a map;
    `map_type` is "atomic" or nothing. `number` is the field's number in protobuf, or the
    numbers that lead to it through a message which JSON has inline.
    """

    name: str
    type: str
    presence: Presence
    required: bool = False
    default: Any = None
    enum: tuple[str, ...] = ()
    merge_key: str = ""
    strategy: str = ""
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    map_type: str = ""
    number: tuple[int, ...] = ()

    is_list: bool = field(init=False, repr=False, compare=False)
    is_map: bool = field(init=False, repr=False, compare=False)
    item: str = field(init=False, repr=False, compare=False)
    """The type of the values of a list or map; of any other field its own."""

    def __post_init__(self) -> None:
        """What every value that is read asks for, worked out once."""
        is_list, is_map = self.type.startswith("[]"), self.type.startswith("{}")
        object.__setattr__(self, "is_list", is_list)
        object.__setattr__(self, "is_map", is_map)
        object.__setattr__(self, "item", self.type[2:] if is_list or is_map else self.type)

    @property
    def inner(self) -> "Struct | None":
        """The struct that this field, or each of its values, is; None for a plain value."""
        return struct(self.item) if "/" in self.item else None


@dataclass(frozen=True)
class Struct:
    """One API type. `always` are the fields that an encoded object has whatever it holds; `atomic` is said of
    types that server-side apply takes as one value.
    """

    name: str
    fields: dict[str, Field]
    always: tuple[Field, ...]
    atomic: bool = False

    @property
    def word(self) -> str:
        """The Go name: `DeploymentSpec`."""
        return self.name.partition(".")[2]

    def at(self, *path: str) -> Field | None:
        """The field at a path of names, through lists and maps; None where there is none."""
        here: Struct | None = self
        found: Field | None = None
        for name in path:
            found = here.fields.get(name) if here is not None else None
            if found is None:
                return None
            here = found.inner
        return found


@cache
def struct(name: str) -> Struct:
    """The type of that name ("apps/v1.Deployment"). Raises KeyError if there is none."""
    package, _, word = name.partition(".")
    facts = _package(package)[word]
    fields = {field: _field(field, *entry) for field, entry in facts["fields"].items()}
    always = tuple(one for one in fields.values() if one.presence in ("kept", "null"))
    return Struct(name, fields, always, atomic=facts.get("atomic", False))


def struct_of(group: str, version: str, kind: str) -> Struct | None:
    """The type of a built-in kind; None for a kind the real server does not have built in."""
    name = f"{group.partition('.')[0] or 'core'}/{version}.{kind}"
    try:
        return struct(name)
    except KeyError:
        return None


@cache
def _package(name: str) -> dict[str, Any]:
    path = _FOLDER / f"{name.replace('/', '_')}.json"
    found: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return found


def _field(name: str, type_: str, presence: Presence, facts: dict[str, Any] | None = None) -> Field:
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in (facts or {}).items()
    }
    return Field(name, type_, presence, **known)
