"""The words as JSON and back. A value that does not decode raises ``Undecodable``, naming what was expected.

msgspec works out what a type is made of at its first use, and shows it to other threads before that is complete: two
threads of the store that met there ended the whole process. So it is worked out here under a lock, once for each type.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, TypeVar

import msgspec
import orjson

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}  # one for each type that is stored or received
_working_out = threading.Lock()


class Undecodable(ValueError):
    """Stored or received JSON that is not what it claims to be."""


def encode(value: object) -> str:
    """A value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def decode(text: str | bytes, as_type: type[T]) -> T:
    """JSON text as a value of ``as_type``. Raises Undecodable."""
    try:
        found: T = _decoder(as_type).decode(text)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Undecodable(f"not a {as_type.__name__}: {error}") from error
    return found


def _decoder(as_type: type[T]) -> msgspec.json.Decoder[T]:
    found = _decoders.get(as_type)
    if found is None:
        with _working_out:
            found = _decoders.get(as_type) or msgspec.json.Decoder(as_type)
            _decoders[as_type] = found
    return found


def to_json(value: object) -> Any:
    """A value as plain JSON data: dicts, lists, strings, numbers."""
    return msgspec.to_builtins(value)


def from_json(data: object, as_type: type[T]) -> T:
    """Plain JSON data as a value of ``as_type``. Raises Undecodable."""
    _decoder(as_type)  # so that the type is known to the full
    try:
        return msgspec.convert(data, type=as_type)
    except msgspec.ValidationError as error:
        raise Undecodable(f"not a {as_type.__name__}: {error}") from error


def digest(*values: object) -> str:
    """A SHA-256 over values in canonical JSON, as 64 hex digits."""
    body = orjson.dumps([to_json(value) for value in values], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).hexdigest()
