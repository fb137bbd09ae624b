"""Applying a patch body to an object: JSON Patch, JSON merge patch, strategic merge patch.

Owns the content types and how each kind of failure is answered. JSON Patch follows the library of the
real API server where it differs from Python's (evanphx/json-patch v4, as used by Kubernetes v1.36): `test` with value
null passes where the last key is absent and its parent exists, `replace` sets a key that is absent, `copy` of one makes
a null, an index below zero counts from the end, a value that is left out is null, what stands before the first slash of
a path is not looked at, and the whole document can only be replaced or tested. A string of a `test` is compared with
the object's as both are spelled in JSON: one that Go's encoder would have spelled otherwise is never equal. Server-side
apply is not a patch of this kind: see `apply`.
"""

import re
from typing import Any

import jsonpatch
import orjson
from jsonpointer import JsonPointer, JsonPointerException

from simulator.apiserver import status_errors
from simulator.apiserver.go_words import cannot_unmarshal, json_problem
from simulator.apiserver.objects import Object, copy_of
from simulator.apiserver.strategic_merge import StrategicMergeError, strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
ACCEPTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
ALL_ACCEPTED = (*ACCEPTED, "application/apply-patch+yaml")
_MAXIMUM_OPERATIONS = 10_000
_SPELLED = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)|[&<>\u2028\u2029]")  # an escape, or what Go escapes
_SHORT = {f"\\{mark}" for mark in '"\\bfnrt'}
_LONG = {f"\\u{code:04x}" for code in (*range(0x20), *map(ord, "&<>\u2028\u2029")) if chr(code) not in "\b\f\n\r\t"}
_SECOND_HALF = re.compile(r"\\u[dD][c-fC-F].{2}")  # of a pair of escapes; the first one is marked
_OTHERWISE = "\ue000"  # marks a character that is spelled otherwise; of private use, so that nobody else says it
_FROM_THE_END = re.compile(r"-[1-9]\d*")
_ABSENT = object()


class _CannotApply(Exception):
    """An operation of a JSON Patch that does not fit the document."""


class Patch:
    """A patch as it was sent; read once, applied to whatever object stands when it is its turn."""

    def __init__(self, content_type: str, body: bytes) -> None:
        """Raises StatusError: 415 for a content type that is not served, 400 for a body that is not a patch."""
        if content_type not in ACCEPTED:
            raise status_errors.unsupported_media_type(ALL_ACCEPTED)
        self.content_type = content_type
        try:
            self.document: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise self._undecodable(json_problem(body)) from error
        if content_type == JSON_PATCH:
            self._check_operations()
            self._spelled: list[Any] = orjson.loads(_marked(body)) or []
        elif self.document is None and content_type == MERGE_PATCH:
            raise status_errors.bad_request("Invalid JSON Patch")
        elif self.document is None:
            self.document = {}
        elif not isinstance(self.document, dict):
            raise self._undecodable(cannot_unmarshal(self.document, "value of type map[string]interface {}"))

    def _undecodable(self, problem: str) -> status_errors.StatusError:
        """400; of a strategic merge patch the real server tells the problem alone."""
        before = "" if self.content_type == STRATEGIC_PATCH else "error decoding patch: "
        return status_errors.bad_request(before + problem)

    def apply(self, original: Object) -> Object:
        """A new object; the original stays as it is. Raises StatusError."""
        if self.content_type == JSON_PATCH:
            return self._apply_operations(original)
        if self.content_type == MERGE_PATCH:
            return _checked(merge(copy_of(original), self.document))
        try:
            return strategic_merge(original, self.document)
        except StrategicMergeError as error:
            if error.server_fault:
                raise status_errors.StatusError(500, "", str(error)) from error
            raise status_errors.bad_request(str(error)) from error

    def _check_operations(self) -> None:
        if self.document is None:
            self.document = []
        if not isinstance(self.document, list):
            raise self._undecodable(cannot_unmarshal(self.document, "value of type []handlers.jsonPatchOp"))
        for operation in self.document:
            if operation is not None and not isinstance(operation, dict):
                raise self._undecodable(cannot_unmarshal(operation, "value of type handlers.jsonPatchOp"))
            for name in ("op", "from", "path"):
                said = (operation or {}).get(name) or ""
                if not isinstance(said, str):
                    where = f"struct field jsonPatchOp.{name} of type string"
                    raise self._undecodable(cannot_unmarshal(said, where))
        if len(self.document) > _MAXIMUM_OPERATIONS:
            raise status_errors.StatusError(
                413,
                "RequestEntityTooLarge",
                f"The allowed maximum operations in a JSON patch is {_MAXIMUM_OPERATIONS}, got {len(self.document)}",
            )

    def _apply_operations(self, original: Object) -> Object:
        document = copy_of(original)
        try:
            for said, spelled in zip(self.document, self._spelled, strict=True):
                operation = _fitted(document, said or {})
                if operation.get("op") == "test":
                    _test(document, operation, (spelled or {}).get("value"))
                else:
                    document = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
        except (jsonpatch.JsonPatchException, JsonPointerException, _CannotApply) as error:
            raise status_errors.unprocessable_patch() from error
        except (TypeError, KeyError, ValueError, IndexError) as error:
            # jsonpatch lets these out for operations with members of the wrong type ("path": 3, no "value").
            raise status_errors.unprocessable_patch() from error
        return _checked(document)


def merge(original: Any, patch: Any) -> Any:
    """RFC 7386; changes `original` in place where it is an object."""
    if not isinstance(patch, dict):
        return patch
    target = original if isinstance(original, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


def _checked(document: Any) -> Object:
    if not isinstance(document, dict):
        raise status_errors.unprocessable_patch()
    return document


def _fitted(document: Any, said: dict[str, Any]) -> dict[str, Any]:
    """An operation as Python's library has to be told it."""
    operation = dict(said)
    adds = said.get("op") in ("add", "move", "copy")
    for name in ("path", "from"):
        if name in said:
            whole = name == "path" and said.get("op") in ("replace", "test")
            pointer = _pointer(str(said[name]), whole=whole)
            operation[name] = _counted(document, pointer, one_more=adds and name == "path")
    if said.get("op") in ("add", "replace"):
        operation.setdefault("value", None)
    if said.get("op") == "replace" and _lacks(document, operation["path"]):
        operation["op"] = "add"
    if said.get("op") == "copy" and _lacks(document, operation["from"]):
        return {"op": "add", "path": operation["path"], "value": None}
    return operation


def _pointer(path: str, *, whole: bool) -> str:
    """From the first slash on; without one it names nothing, but for the whole document where that may be meant."""
    if whole and not path:
        return ""
    _, slash, rest = path.partition("/")
    if not slash:
        raise _CannotApply
    return f"/{rest}"


def _lacks(document: Any, path: str) -> bool:
    """Whether the last key of a path is one that the object above it does not have."""
    *above, last = JsonPointer(path).parts or [""]
    parent = document
    for part in above:
        parent = _step(parent, part)
    return isinstance(parent, dict) and last not in parent


def _counted(document: Any, path: str, *, one_more: bool) -> str:
    """The pointer with indexes from the end counted from the start; `one_more` if the last is a place to add at."""
    parts, place = JsonPointer(path).parts, document
    for index, part in enumerate(parts):
        if isinstance(place, list) and _FROM_THE_END.fullmatch(part):
            parts[index] = part = str(len(place) + int(part) + (one_more and index == len(parts) - 1))
        place = _step(place, part)
    return JsonPointer.from_parts(parts).path


def _marked(body: bytes) -> str:
    """The JSON with a mark before every character that Go's encoder would have spelled otherwise."""

    def marked(found: re.Match[str]) -> str:
        spelling = found[0]
        as_it_should = spelling in _SHORT or spelling in _LONG or _SECOND_HALF.fullmatch(spelling)
        return spelling if as_it_should else f"{_OTHERWISE}{spelling}"

    return _SPELLED.sub(marked, body.decode())


def _test(document: Any, operation: dict[str, Any], wanted: Any) -> None:
    parts = JsonPointer(operation["path"]).parts
    if not parts:
        found = document
    else:
        parent = document
        for part in parts[:-1]:
            parent = _step(parent, part)
        if not isinstance(parent, dict | list):
            raise _CannotApply
        found = _step(parent, parts[-1])
        if found is _ABSENT and isinstance(parent, list):
            raise _CannotApply
    if found is _ABSENT or found is None:
        if wanted is not None:
            raise _CannotApply
    elif orjson.dumps(found, option=orjson.OPT_SORT_KEYS) != orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS):
        raise _CannotApply


def _step(parent: Any, part: str) -> Any:
    if isinstance(parent, dict):
        return parent.get(part, _ABSENT)
    if isinstance(parent, list) and part.isdigit() and int(part) < len(parent):
        return parent[int(part)]
    return _ABSENT
