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
from simulator.apiserver.kinds import Kind, kind_named
from simulator.apiserver.objects import Object
from simulator.apiserver.protobuf import MEDIA_TYPE, ProtobufError, decode_protobuf
from simulator.apiserver.schema import Misfit, Reading, read, struct_of

_ACCEPTED = ("application/json", "application/yaml", MEDIA_TYPE)
_NOTHING = Kind("", "", "", "")


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
    return typed(kind, _parse(body, content_type))


def decode_options(body: bytes, content_type: str) -> Object:
    """The DeleteOptions of a request, in whatever API version they come; nothing for an empty body."""
    return _parse(body, content_type) if body.strip() else {}


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


def patched(kind: Kind, found: Object, checks: FieldChecks, *, patch: Any, raw: bytes = b"") -> Object:
    """What a patch has made of an object, as it is kept. Raises StatusError 422.

    `patch` is what the server blames: the patch of a strategic merge, the whole object of any other.
    """
    try:
        kept, unknown = _kept(kind, found)
        complaint = checks.settle(unknown, _duplicates(raw, "", checks))
    except Misfit as error:
        complaint = str(error)
    if not complaint:
        return kept
    shown = orjson.dumps(found).decode() if patch is found else go_map(patch)
    raise status_errors.invalid(_NOTHING, "", [invalid_value("patch", shown, complaint)])


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
    except (orjson.JSONDecodeError, yaml.YAMLError) as error:
        raise status_errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(found, dict):
        raise status_errors.bad_request("couldn't get version/kind; json parse error: the body is not an object")
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
        raise status_errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    rest = {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}
    rest.setdefault("metadata", {})
    if rest["metadata"] is None:
        rest["metadata"] = {}
    return {"kind": kind.kind, "apiVersion": kind.api_version, **rest}


def _another_kind(kind: Kind, version: str, word: str) -> str:
    group, _, short = version.rpartition("/")
    name = f'{word} in version "{short}" cannot be handled as a {kind.kind}: '
    if kind_named(group, short, word) is None:
        return f'{name}no kind "{word}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
    own = (kind.group.partition(".")[0] or "core") + f".{kind.kind}"
    return f"{name}converting ({short}.{word}) to ({own}): unknown conversion"


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


def go_map(value: Any) -> str:
    """A value as Go's `%v` prints it: `map[spec:map[replicas:2]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_map(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_map(one) for one in value)}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
