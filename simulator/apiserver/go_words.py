"""What Go's decoders say of text that they cannot read; clients and their users meet these words in refusals.

Owns the wording alone: whoever reads a body asks here only after his own decoder has refused it. The scanner follows
`encoding/json` (its `scanner.go`), YAML's problems are those of the `yaml` package that Kubernetes uses.
"""

import json
import re
from typing import Any

import yaml

ENDS_EARLY = "unexpected end of JSON input"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_BLANK = re.compile(r"[ \t\r\n]*")
_KINDS = {bool: "bool", str: "string", dict: "object", list: "array"}
_YAML_PROBLEMS = (
    ("expected the node content", "did not find expected node content"),
    ("mapping values are not allowed", "mapping values are not allowed in this context"),
    ("that cannot start any token", "found character that cannot start any token"),
    ("expected ',' or ']'", "did not find expected ',' or ']'"),
    ("expected ',' or '}'", "did not find expected ',' or '}'"),
    ("expected <block end>", "did not find expected key"),
    ("could not find expected ':'", "could not find expected ':'"),
)


class _Refused(Exception):
    """The scanner has met what it says."""


def json_problem(body: bytes) -> str:
    """Why Go does not read a body as JSON; in general words for what only our own decoder refuses."""
    text = body.decode(errors="replace")
    try:
        end = _blank(text, _value(text, 0))
        if end < len(text):
            raise _refused(text, end, "after top-level value")
    except _Refused as refusal:
        return str(refusal)
    return "invalid character in JSON text"


def cannot_unmarshal(value: Any, where: str) -> str:
    """Of a value that is JSON, for a Go variable of another type: `where` is "value of type X", say."""
    return f"json: cannot unmarshal {_KINDS.get(type(value), 'number')} into Go {where}"


def go_type(value: Any) -> str:
    """The Go type of a decoded value."""
    if isinstance(value, dict | list):
        return "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
    return {bool: "bool", str: "string", float: "float64"}.get(type(value), "int64")


def yaml_problem(error: yaml.YAMLError) -> str:
    """Why Go does not read a text as YAML."""
    problem, mark = str(getattr(error, "problem", "") or error), getattr(error, "problem_mark", None)
    words = next((theirs for ours, theirs in _YAML_PROBLEMS if ours in problem), problem.partition("\n")[0])
    if mark is None or (not mark.line and isinstance(error, yaml.scanner.ScannerError)):
        return f"yaml: {words}"
    return f"yaml: line {mark.line + 1}: {words}"


def _refused(text: str, at: int, where: str) -> _Refused:
    if at >= len(text):
        return _Refused(ENDS_EARLY)
    shown = {"'": "'\\''", '"': "'\"'"}.get(text[at], json.dumps(text[at])[1:-1])
    return _Refused(f"invalid character {shown if shown[0] == chr(39) else chr(39) + shown + chr(39)} {where}")


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> int:
    """Where the value that begins at a place ends."""
    at = _blank(text, at)
    first = text[at : at + 1]
    if first in ("{", "["):
        return _members(text, at + 1, closing="}" if first == "{" else "]")
    if first == '"':
        return _string(text, at)
    if first in _LITERALS and first:
        return _literal(text, at, _LITERALS[first])
    number = _NUMBER.match(text, at)
    if number is None:
        if first == "-":
            raise _refused(text, at + 1, "in numeric literal")
        raise _refused(text, at, "looking for beginning of value")
    return number.end()


def _members(text: str, at: int, *, closing: str) -> int:
    """Through an object or an array, whose opening bracket stands before."""
    is_object = closing == "}"
    at = _blank(text, at)
    if text[at : at + 1] == closing:
        return at + 1
    while True:
        if is_object:
            at = _key(text, at)
        at = _blank(text, _value(text, at))
        sign = text[at : at + 1]
        if sign == closing:
            return at + 1
        if sign != ",":
            raise _refused(text, at, "after object key:value pair" if is_object else "after array element")
        at = _blank(text, at + 1)


def _key(text: str, at: int) -> int:
    """Past a key and its colon."""
    if text[at : at + 1] != '"':
        raise _refused(text, at, "looking for beginning of object key string")
    at = _blank(text, _string(text, at))
    if text[at : at + 1] != ":":
        raise _refused(text, at, "after object key")
    return at + 1


def _string(text: str, at: int) -> int:
    at += 1
    while at < len(text):
        sign = text[at]
        if sign == '"':
            return at + 1
        if sign == "\\":
            at += 1
            if text[at : at + 1] not in tuple('"\\/bfnrtu'):
                raise _refused(text, at, "in string escape code")
        elif sign < " ":
            raise _refused(text, at, "in string literal")
        at += 1
    raise _Refused(ENDS_EARLY)


def _literal(text: str, at: int, word: str) -> int:
    for index, expected in enumerate(word):
        if text[at + index : at + index + 1] != expected:
            if at + index >= len(text):
                text += " "  # Go lets the end of the text count as a blank inside a literal
            raise _refused(text, at + index, f"in literal {word} (expecting {expected!r})")
    return at + len(word)


def go_map(value: Any) -> str:
    """A value as Go's `%v` prints it: `map[spec:map[replicas:2]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_map(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_map(one) for one in value)}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
