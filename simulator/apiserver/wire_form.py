"""Reading a request's body into the form in which the API server keeps objects.

The real server decodes into Go structs and encodes them again. Clients meet that: an `env` list emptied by a
patch is no longer there, a field that does not exist is not stored. `schema.read` does the same by the facts about the
kind, custom resources by their own schema; here stand the formats of bodies, and what `fieldValidation` makes of
fields that are unknown or stand twice.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import yaml

from simulator.apiserver import status_errors
from simulator.apiserver.field_errors import invalid_value
from simulator.apiserver.go_words import cannot_unmarshal, go_map, go_type, json_problem, yaml_problem
from simulator.apiserver.kinds import Kind, kind_named
from simulator.apiserver.objects import Object
from simulator.apiserver.protobuf import MEDIA_TYPE, ProtobufError, decode_protobuf
from simulator.apiserver.schema import Misfit, Reading, read, struct_of

_ACCEPTED = ("application/json", "application/yaml", MEDIA_TYPE)
_NOTHING = Kind("", "", "", "")
_SHOWN_BYTES = 30
_SCHEME = "pkg/runtime/scheme.go:111"  # where the real server registers its kinds
_TYPE_META = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'


class _Undecodable(ValueError):
    """A body that is no object; the message is the real decoder's."""


@dataclass
class FieldChecks:
    """What a request wants done about fields that are unknown or stand twice: "Strict", "Warn" or "Ignore".

    `warnings` collects what the answer's Warning header says.
    """

    mode: str = "Warn"
    warnings: list[str] = field(default_factory=list)

    def settle(self, unknown: list[str], duplicates: list[str]) -> str:
        """The strict decoder's complaint in mode Strict, nothing in the others."""
        found = [f'unknown field "{one}"' for one in unknown] + [f'duplicate field "{one}"' for one in duplicates]
        if found and self.mode == "Strict":
            return f"strict decoding error: {', '.join(found)}"
        if self.mode == "Warn":
            self.warnings += found
        return ""


def decode(kind: Kind, body: bytes, content_type: str) -> Object:
    """The object of a request's body, with kind and apiVersion. Raises StatusError 400 or 415."""
    try:
        found = _parse(body, content_type)
        _check_type_meta(found)
    except _Undecodable as error:
        text = f"the object provided is unrecognized (must be of type {kind.kind}): {error} ({_summary(body)})"
        raise status_errors.bad_request(text) from error
    return typed(kind, found)


def _check_type_meta(found: Object) -> None:
    for name in ("apiVersion", "kind"):
        if not isinstance(found.get(name) or "", str):
            problem = cannot_unmarshal(found[name], f"struct field .{name} of type string")
            raise _Undecodable(f"couldn't get version/kind; json parse error: {problem}")
    version = found.get("apiVersion") or ""
    if version.count("/") > 1:
        raise _Undecodable(f"unexpected GroupVersion string: {version}")


def _summary(body: bytes) -> str:
    """The beginning of a body: as text if it looks like an object, else in hexadecimal."""
    if not body:
        return "<empty>"
    start, more = body[:_SHOWN_BYTES], " ..." if len(body) > _SHOWN_BYTES else ""
    return (start.decode(errors="replace") if body.startswith(b"{") else start.hex()) + more


def decode_options(body: bytes, content_type: str) -> Object:
    """The DeleteOptions of a request, in whatever API version; {} for an empty body. Raises StatusError 400."""
    try:
        return _parse(body, content_type) if body.strip() else {}
    except _Undecodable as error:
        raise status_errors.bad_request(str(error)) from error


def received(kind: Kind, body: bytes, content_type: str, checks: FieldChecks) -> Object:
    """The object of a request's body as it is kept. Raises StatusError 400 or 415."""
    found = decode(kind, body, content_type)
    try:
        kept, unknown = _kept(kind, found)
    except Misfit as error:
        raise status_errors.bad_request(_cannot_handle(kind, str(error))) from error
    complaint = checks.settle(unknown, _duplicates(body, content_type, checks))
    if complaint:
        raise status_errors.bad_request(_cannot_handle(kind, complaint))
    return kept


def patched(kind: Kind, found: Object, checks: FieldChecks, *, strategic: Any = None, raw: bytes = b"") -> Object:
    """What a patch has made of an object, as it is kept. Raises StatusError 422.

    `strategic` is a strategic merge patch: it is blamed itself, and its word on the kind does not count. Any other
    (None) may make another kind of the object, which is blamed.
    """
    try:
        own = _of_strategic(kind, found) if strategic is not None else _of_patch(kind, found)
        kept, unknown = _kept(kind, own)
        complaint = checks.settle(unknown, _duplicates(raw, "", checks))
    except (Misfit, _Undecodable) as error:
        complaint = str(error)
    if not complaint:
        return kept
    shown = orjson.dumps(found).decode() if strategic is None else go_map(strategic)
    raise status_errors.invalid(_NOTHING, "", [invalid_value("patch", shown, complaint)])


def _of_strategic(kind: Kind, found: Object) -> Object:
    for name in ("apiVersion", "kind"):
        if not isinstance(found.get(name, ""), str):
            raise _Undecodable(f"cannot convert {go_type(found[name])} to string")
    return typed(kind, {key: value for key, value in found.items() if key not in ("apiVersion", "kind")})


def _of_patch(kind: Kind, found: Object) -> Object:
    """The object, if it still is of this kind. Raises _Undecodable or Misfit, and of custom kinds StatusError."""
    if kind.custom is not None:
        return typed(kind, found)
    _check_type_meta(found)
    version, word = str(found.get("apiVersion") or ""), str(found.get("kind") or kind.kind)
    if word != kind.kind and not version:
        raise _Undecodable(
            f'no kind "{word}" is registered for the internal version of group "{kind.group}" in scheme "{_SCHEME}"'
        )
    if word != kind.kind or version not in ("", kind.api_version):
        other = kind_named(*_split(version), word)
        if other is not None:
            _kept(other, typed(other, found))
        if other is None or other.key != kind.key:
            raise _Undecodable(_no_conversion(kind, version, word))
        return kind.shown(other.kept(as_kept(other, typed(other, found))))
    return typed(kind, found)


def as_kept(kind: Kind, found: Object) -> Object:
    """An object as it is kept, without a word about what it loses. Raises StatusError 400."""
    try:
        return _kept(kind, found)[0]
    except Misfit as error:
        raise status_errors.bad_request(_cannot_handle(kind, str(error))) from error


def _kept(kind: Kind, found: Object) -> tuple[Object, list[str]]:
    reading = Reading()
    if kind.custom is not None:
        return kind.custom.read(found, reading), reading.unknown
    facts = struct_of(kind.group, kind.version, kind.kind)
    return (found if facts is None else read(found, facts, reading)), reading.unknown


def _cannot_handle(kind: Kind, why: str) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'


def _parse(body: bytes, content_type: str) -> Object:
    if content_type not in ("", "application/octet-stream", *_ACCEPTED):
        raise status_errors.unsupported_media_type(_ACCEPTED)
    try:
        if content_type == MEDIA_TYPE:
            return decode_protobuf(body)
        found = yaml.safe_load(body) if content_type.endswith("yaml") else orjson.loads(body)
    except ProtobufError as error:
        raise status_errors.StatusError(415, "UnsupportedMediaType", str(error)) from error
    except yaml.YAMLError as error:
        raise _Undecodable(yaml_problem(error)) from error
    except orjson.JSONDecodeError as error:
        raise _Undecodable(f"couldn't get version/kind; json parse error: {json_problem(body)}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        problem = cannot_unmarshal(found, f"value of type {_TYPE_META}")
        raise _Undecodable(f"couldn't get version/kind; json parse error: {problem}")
    return found


def typed(kind: Kind, found: Object) -> Object:
    """The object with the kind's own kind and apiVersion first. Raises StatusError 400 if it says it is another."""
    version, word = found.get("apiVersion") or kind.api_version, found.get("kind") or kind.kind
    if word != kind.kind and kind.custom is not None:
        raise status_errors.invalid(replace(kind, kind=str(word)), _name(found), [
            invalid_value("kind", word, f"must be {kind.kind}")
        ])  # fmt: skip
    if word != kind.kind:
        raise status_errors.bad_request(_another_kind(kind, str(version), str(word)))
    if version != kind.api_version:
        if kind.custom is None and kind_named(*_split(str(version)), kind.kind) is None:
            raise status_errors.bad_request(_another_kind(kind, str(version), str(word)))
        raise status_errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    rest = {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}
    rest.setdefault("metadata", {})
    if rest["metadata"] is None:
        rest["metadata"] = {}
    return {"kind": kind.kind, "apiVersion": kind.api_version, **rest}


def _split(version: str) -> tuple[str, str]:
    group, _, short = version.rpartition("/")
    return group, short


def _another_kind(kind: Kind, version: str, word: str) -> str:
    short = _split(version)[1]
    return f'{word} in version "{short}" cannot be handled as a {kind.kind}: {_no_conversion(kind, version, word)}'


def _no_conversion(kind: Kind, version: str, word: str) -> str:
    group, short = _split(version)
    if kind_named(group, short, word) is None:
        return f'no kind "{word}" is registered for version "{version}" in scheme "{_SCHEME}"'
    own = (kind.group.partition(".")[0] or "core") + f".{kind.kind}"
    return f"converting ({short}.{word}) to ({own}): unknown conversion"


def _name(found: Object) -> str:
    meta = found.get("metadata")
    return str(meta.get("name") or "") if isinstance(meta, dict) else ""


class _Doubled(dict[str, Any]):
    """A JSON object that had some of its keys twice."""

    keys_twice: tuple[str, ...] = ()


def _duplicates(body: bytes, content_type: str, checks: FieldChecks) -> list[str]:
    """The paths of fields that stand twice in a JSON body."""
    if checks.mode == "Ignore" or not body or content_type not in ("", "application/json"):
        return []
    if orjson.dumps(orjson.loads(body)) == body:  # nothing was lost on the way, as with most programs' bodies
        return []
    seen = False

    def pairs(listed: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal seen
        made = dict(listed)
        if len(made) == len(listed):
            return made
        seen, doubled = True, _Doubled(made)
        names = [name for name, _ in listed]
        doubled.keys_twice = tuple(name for name in made if names.count(name) > 1)
        return doubled

    found = json.loads(body, object_pairs_hook=pairs)
    return _places(found, "") if seen else []


def _places(value: Any, at: str) -> list[str]:
    if isinstance(value, list):
        return [place for index, one in enumerate(value) for place in _places(one, f"{at}[{index}]")]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for key, inner in value.items():
        path = f"{at}.{key}" if at else key
        if isinstance(value, _Doubled) and key in value.keys_twice:
            found.append(path)
        found += _places(inner, path)
    return found
