"""The words as JSON and back. A value that does not decode raises ``Undecodable``, naming what was expected."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec
import orjson

T = TypeVar("T")


class Undecodable(ValueError):
    """Stored or received JSON that is not what it claims to be."""


def encode(value: object) -> str:
    """A value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def decode(text: str | bytes, as_type: type[T]) -> T:
    """JSON text as a value of ``as_type``. Raises Undecodable."""
    try:
        return msgspec.json.decode(text, type=as_type)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Undecodable(f"not a {as_type.__name__}: {error}") from error


def to_json(value: object) -> Any:
    """A value as plain JSON data: dicts, lists, strings, numbers."""
    return msgspec.to_builtins(value)


def from_json(data: object, as_type: type[T]) -> T:
    """Plain JSON data as a value of ``as_type``. Raises Undecodable."""
    try:
        return msgspec.convert(data, type=as_type)
    except msgspec.ValidationError as error:
        raise Undecodable(f"not a {as_type.__name__}: {error}") from error


def digest(*values: object) -> str:
    """A SHA-256 over values in canonical JSON, as 64 hex digits."""
    body = orjson.dumps([to_json(value) for value in values], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).hexdigest()
