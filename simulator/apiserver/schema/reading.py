"""Reading a JSON value as an API type, as the real server does when it decodes into a Go struct and encodes again.

One pass does what clients see of that: values of another JSON type are refused in the decoder's words, fields
that the type does not have are dropped and reported, quantities take their canonical form, empty fields go
or stay as the type says, and fields that are always encoded appear.

Every write reads its object, and nearly all objects fit. So a plain reader goes first, which is worked out once for
each type and knows no paths; it gives up at the first thing that there is something to say about, and the reader that
can say it begins anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import Any

from simulator.apiserver.schema.base64_text import Base64Problem, canonical_base64
from simulator.apiserver.schema.types import Field, Struct, struct
from simulator.quantities import QuantityError, canonical, in_list

_ZEROS: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0, "quantity": "0", "int-or-string": 0,
    "bytes": "",
}  # fmt: skip
_RANGES = {"int32": 1 << 31, "int64": 1 << 63}
_GO_WORDS = {
    "float64": "float64",
    "bytes": "string",
    "time": "string",
    "micro-time": "string",
    "int-or-string": "int32",
}
_JSON_WORDS = {str: "string", bool: "bool", dict: "object", list: "array"}
_RESOURCE_LISTS = frozenset(
    {"limits", "requests", "capacity", "allocatable", "allocatedResources", "overhead", "hard", "used"}
)


class Misfit(ValueError):
    """A value that its type cannot hold; the message is the real decoder's."""


@dataclass
class Reading:
    """What a pass has met: `unknown` are the paths of dropped fields, in the order in which they stand."""

    unknown: list[str] = field(default_factory=list)


def read(value: Any, type_: Struct, reading: Reading) -> dict[str, Any]:
    """The object as it is kept; the given one stays as it is. Raises Misfit."""
    try:
        return _plain_struct(type_.name, value)
    except Misfit:  # or an unknown field
        return _Reader(reading).struct(value, type_, "", "")


_Plain = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the fields of one type are read: by name the reader, whether an empty value goes, and all that never does."""

    fields: dict[str, tuple[_Plain, bool]]
    always: tuple[Field, ...]


@cache
def _plan(name: str) -> _Plan:
    type_ = struct(name)
    fields = {}
    for known in type_.fields.values():
        goes = known.presence == "omitted" or (known.presence != "pointer" and (known.is_list or known.is_map))
        fields[known.name] = (_plain_reader(known.type, type_), goes)
    return _Plan(fields, type_.always)


def _plain_struct(name: str, value: Any) -> dict[str, Any]:
    plan = _plan(name)
    if not isinstance(value, dict):
        raise Misfit
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        known = plan.fields.get(key)
        if known is None:
            raise Misfit
        if inner is None:
            continue
        reader, goes = known
        found = reader(inner)
        if found or not goes:
            kept[key] = found
    for always in plan.always:
        if always.name not in kept:
            kept[always.name] = zero(always)
    return kept


def _plain_reader(word: str, owner: Struct) -> _Plain:
    if word.startswith("[]"):
        return partial(_plain_list, _plain_reader(word[2:], owner))
    if word == "{}quantity":
        return partial(_plain_map, lambda one: in_list(_scalar(one, "quantity", owner, "")))
    if word.startswith("{}"):
        return partial(_plain_map, _plain_reader(word[2:], owner))
    if "/" in word:
        return partial(_plain_struct, word)
    if word == "string":
        return _plain_string
    return partial(_plain_scalar, word, owner)


def _plain_list(item: _Plain, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Misfit
    return [item(one) for one in value]


def _plain_map(item: _Plain, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misfit
    return {key: item(one) for key, one in value.items()}


def _plain_string(value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit
    return value


def _plain_scalar(word: str, owner: Struct, value: Any) -> Any:
    if value is None:
        raise Misfit
    return _scalar(value, word, owner, "")


@dataclass
class _Reader:
    """`at` is the path with indexes, for what is unknown; `go` the path without, as decoder errors name it."""

    reading: Reading

    def struct(self, value: dict[str, Any], type_: Struct, at: str, go: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        fields = type_.fields
        for name, inner in value.items():
            known = fields.get(name)
            if known is None:
                self.reading.unknown.append(at + name)
                continue
            if inner is not None:
                inner = self._value(inner, known, type_, at + name, go + name)
            empty = inner is None or (not inner and (known.is_list or known.is_map))
            if empty and known.presence in ("kept", "null"):
                continue  # the loop below knows what stands for it; storage does not tell an empty list from none
            if not _left_out(inner, known):
                kept[name] = inner
        for known in type_.always:
            if known.name not in kept:
                kept[known.name] = zero(known)
        return kept

    def _value(self, value: Any, known: Field, owner: Struct, at: str, go: str) -> Any:
        if known.is_list:
            if not isinstance(value, list):
                raise _misfit(value, owner, go, _go_type(known))
            return [self._item(one, known, owner, f"{at}[{index}]", go) for index, one in enumerate(value)]
        if known.is_map:
            if not isinstance(value, dict):
                raise _misfit(value, owner, go, _go_type(known))
            kept = {key: self._item(one, known, owner, f"{at}.{key}", go) for key, one in value.items()}
            return {key: in_list(one) for key, one in kept.items()} if known.item == "quantity" else kept
        return self._item(value, known, owner, at, go)

    def _item(self, value: Any, known: Field, owner: Struct, at: str, go: str) -> Any:
        word = known.item
        if "/" in word:
            if value is None:
                value = {}
            if not isinstance(value, dict):
                raise _misfit(value, owner, go, _go_type(known, item=True))
            return self.struct(value, struct(word), f"{at}.", f"{go}.")
        if word.startswith(("[]", "{}")):  # a list inside a list or map
            return self._value(value, Field(known.name, word, "kept"), owner, at, go) if value is not None else None
        if value is None:
            return _ZEROS.get(word)
        return _scalar(value, word, owner, go)


def _scalar(value: Any, word: str, owner: Struct, go: str) -> Any:
    if word == "string":
        if not isinstance(value, str):
            raise _misfit(value, owner, go, "string")
    elif word in _RANGES:
        return _integer(value, word, owner, go)
    elif word == "bool":
        if not isinstance(value, bool):
            raise _misfit(value, owner, go, "bool")
    elif word == "quantity":
        return _quantity(value)
    elif word == "int-or-string":
        return value if isinstance(value, str) else _integer(value, "int32", owner, go)
    elif word in ("time", "micro-time"):
        _check_time(value, owner, go)
    elif word == "bytes":
        return _check_bytes(value, owner, go)
    elif word == "float64" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _misfit(value, owner, go, "float64")
    return value


def _integer(value: Any, word: str, owner: Struct, go: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _misfit(value, owner, go, word)
    if isinstance(value, float) or not -_RANGES[word] <= value < _RANGES[word]:
        raise _misfit(value, owner, go, word, shown=f"number {value}")
    return value


def _quantity(value: Any) -> str:
    if isinstance(value, str):
        return _quantity_of_text(value)
    try:
        return canonical(value if isinstance(value, int | float) and not isinstance(value, bool) else "no")
    except QuantityError as error:
        raise Misfit(str(error)) from error


@lru_cache(maxsize=4096)
def _quantity_of_text(text: str) -> str:
    try:
        return canonical(text)
    except QuantityError as error:
        raise Misfit(str(error)) from error


def _check_time(value: Any, owner: Struct, go: str) -> None:
    if not isinstance(value, str):
        raise _misfit(value, owner, go, "string")
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        text = f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"'
        raise Misfit(text) from error


def _check_bytes(value: Any, owner: Struct, go: str) -> str:
    if not isinstance(value, str):
        raise _misfit(value, owner, go, "[]uint8")
    try:
        return canonical_base64(value)
    except Base64Problem as error:
        raise Misfit(str(error)) from error


def _left_out(value: Any, known: Field) -> bool:
    if value is None:
        return True
    return known.presence == "omitted" and not value


def zero(known: Field) -> Any:
    """What a field that is always there is encoded as when it is empty."""
    if known.presence == "null" or known.is_list or known.is_map:
        return None
    if "/" in known.type:
        return {one.name: zero(one) for one in struct(known.type).always}
    return _ZEROS.get(known.type)


def _misfit(value: Any, owner: Struct, go: str, expected: str, *, shown: str = "") -> Misfit:
    found = shown or _JSON_WORDS.get(type(value), "number")
    return Misfit(f"json: cannot unmarshal {found} into Go struct field {owner.word}.{go} of type {expected}")


def _go_type(known: Field, *, item: bool = False) -> str:
    """As Go's reflection names the type: `[]v1.Container`, `map[string]string`, `v1.ResourceList`."""
    word = known.item
    name = f"{word.partition('/')[2]}" if "/" in word else _GO_WORDS.get(word, word)
    if item or not (known.is_list or known.is_map):
        return name
    if known.is_list:
        return f"[]{name}"
    return "v1.ResourceList" if known.name in _RESOURCE_LISTS and word == "quantity" else f"map[string]{name}"
