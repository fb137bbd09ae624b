"""Reading a JSON value as an API type, as the real server does when it decodes into a Go struct and encodes again.

One pass does what clients see of that: values of another JSON type are refused in the decoder's words, fields
that the type does not have are dropped and reported, quantities take their canonical form, empty fields go
or stay as the type says, and fields that are always encoded appear.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.apiserver.schema.types import Field, Struct, struct
from simulator.quantities import QuantityError, canonical

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
    return _Reader(reading).struct(value, type_, "", "")


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
            return {key: self._item(one, known, owner, f"{at}.{key}", go) for key, one in value.items()}
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
    try:
        return canonical(value if isinstance(value, str | int | float) and not isinstance(value, bool) else "no")
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
        b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (Base64Error, ValueError) as error:
        good = len(value) - len(value.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
        raise Misfit(f"illegal base64 data at input byte {good}") from error
    return value


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
