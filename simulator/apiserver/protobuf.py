"""Reading Kubernetes protobuf bodies.

Some commands of kubectl (`create`, `auth can-i`, `drain`) send protobuf and do not fall back to JSON. Field numbers are
facts of the kind's type (`schema`). A field that the type does not have and that carries a value is refused, never
dropped. Answers are always JSON, which these clients accept.
"""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from struct import unpack
from typing import Any

import orjson

from simulator.apiserver.schema import Field, struct, struct_of

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_META = ("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions")
_Numbers = dict[int, "Field | _Numbers"]


class ProtobufError(ValueError):
    """The body is no Kubernetes protobuf, or holds something that is not read here; the message says what."""


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """The object in a body, with its apiVersion and kind. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not start with the protobuf prefix of Kubernetes")
    envelope = dict(_fields(body[len(_MAGIC) :]))  # runtime.Unknown: 1 is the TypeMeta, 2 the object
    about = dict(_fields(_inner(envelope.get(1, b""))))
    version, kind = _text(about.get(1, b"")), _text(about.get(2, b""))
    group, _, short = version.rpartition("/")
    facts = struct("meta/v1.DeleteOptions") if kind in _META else struct_of(group, short, kind)
    if facts is None:
        raise ProtobufError(f"a {kind or 'nameless kind'} in protobuf is not read by the embedded server: send JSON")
    return {"apiVersion": version, "kind": kind} | _message(facts.name, _inner(envelope.get(2, b"")))


@cache
def _numbers(name: str) -> _Numbers:
    """The fields of a type by number; a message that JSON has inline is one more level."""
    found: _Numbers = {}
    for field in struct(name).fields.values():
        level = found
        for number in field.number[:-1]:
            inner = level.setdefault(number, {})
            if isinstance(inner, Field):
                raise ProtobufError(f"{name} has two fields with the number {number}")
            level = inner
        if field.number:
            level[field.number[-1]] = field
    return found


def _message(name: str, body: bytes) -> dict[str, Any]:
    return _read(name, _numbers(name), body)


def _read(name: str, known: _Numbers, body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(body):
        field = known.get(number)
        if field is None:
            if value not in (0, b""):
                word = name.partition(".")[2]
                raise ProtobufError(
                    f"field {number} of {word} in protobuf is not read by the embedded server: send JSON"
                )
        elif isinstance(field, dict):
            found |= _read(name, field, _inner(value))
        elif field.is_list:
            found.setdefault(field.name, []).append(_value(field.item, value))
        elif field.is_map:
            parts = dict(_fields(_inner(value)))
            found.setdefault(field.name, {})[_text(parts.get(1, b""))] = _value(field.item, parts.get(2, b""))
        else:
            found[field.name] = _value(field.type, value)
    return found


def _value(word: str, value: int | bytes) -> Any:
    if "/" in word:
        return _message(word, _inner(value))
    if word.startswith("[]"):  # a list as the value of a map is a message with one repeated field
        return [_value(word[2:], one) for _, one in _fields(_inner(value))]
    if word == "bool":
        return bool(value)
    if word in ("int32", "int64"):
        number = int(value) if isinstance(value, int) else 0
        return number - (1 << 64) if number >= 1 << 63 else number
    if word == "bytes":
        return b64encode(_inner(value)).decode()
    read = {"quantity": _quantity, "int-or-string": _int_or_text, "any": _raw, "float64": _float}.get(word)
    if read is not None:
        return read(_inner(value))
    return _moment(_inner(value), micro=word == "micro-time") if word.endswith("time") else _text(value)


def _quantity(body: bytes) -> str:
    return _text(dict(_fields(body)).get(1, b"")) or "0"


def _int_or_text(body: bytes) -> Any:
    parts = dict(_fields(body))  # IntOrString: 1 says which, 2 is the number, 3 the text
    return _value("string", parts.get(3, b"")) if parts.get(1) else _value("int32", parts.get(2, 0))


def _raw(body: bytes) -> Any:
    raw = _inner(dict(_fields(body)).get(1, b""))
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError as error:
        raise ProtobufError("a free field holds no JSON: send the whole object as JSON") from error


def _float(body: bytes) -> float:
    return float(unpack("<d", body)[0]) if len(body) == 8 else 0.0


def _moment(body: bytes, *, micro: bool) -> str | None:
    """Seconds and nanoseconds since 1970; an empty message is no time."""
    parts = dict(_fields(body))
    if not parts:
        return None
    seconds, nanos = _value("int64", parts.get(1, 0)), _value("int64", parts.get(2, 0))
    try:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError as error:
        raise ProtobufError("a time is out of range") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise ProtobufError("a text field holds a number")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text field is not UTF-8") from error


def _inner(value: int | bytes) -> bytes:
    """The bytes of a nested message. Raises ProtobufError for a number in its place."""
    if isinstance(value, int):
        raise ProtobufError("a number stands where a message belongs")
    return value


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one message, in order."""
    position = 0
    while position < len(body):
        tag, position = _varint(body, position)
        wire, size = tag & 7, {_FIXED64: 8, _FIXED32: 4}.get(tag & 7, 0)
        if wire == _VARINT:
            value, position = _varint(body, position)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            size, position = _varint(body, position)
        elif not size:
            raise ProtobufError(f"wire type {wire} is none that Kubernetes uses")
        if position + size > len(body):
            raise ProtobufError("the body ends in the middle of a field")
        yield tag >> 3, body[position : position + size]
        position += size


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(body) and shift < 70:
        byte = body[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position
    raise ProtobufError("the body ends in the middle of a number")
