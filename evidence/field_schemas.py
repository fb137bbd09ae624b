"""What the API server says of a field: its type, its description and the fields below it, from its OpenAPI v3 document.

One GET for each group and version, kept for the life of the process as the bytes that came (some hundred kilobytes);
a field is looked up in them when somebody asks. The document is the server's own word, yet it is bounded like any
other text: aggregated servers and custom resources put words into it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from incidents.pointers import parts_of
from incidents.signals import clean
from tools.cluster.reader import Reader

KEPT = 8  # documents
LARGEST_BYTES = 16 << 20
_DEPTH = 32  # references followed for one field; a document may refer to itself


class FieldSchemas:
    """Looks fields up. Raises ClusterError when the server does not give the document."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._documents: dict[str, bytes] = {}

    async def describe(self, api_version: str, kind: str, path: str) -> str:
        """A field in a few lines of text; a text that says so where there is no such field."""
        schemas = orjson.loads(await self._document(api_version)).get("components", {}).get("schemas") or {}
        schema = _of_kind(schemas, api_version, kind)
        if schema is None:
            return f"The server publishes no schema of {kind}."
        walked = ""
        for part in _names(path):
            below = _below(schema, part, schemas)
            if below is None:
                return f"There is no field {part!r} below {walked or kind}. {_fields(schema, schemas)}"
            schema, walked = below, f"{walked}/{part}"
        return _told(walked or kind, schema, schemas)

    async def _document(self, api_version: str) -> bytes:
        if api_version not in self._documents:
            root = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
            found = await self._reader.raw(f"/openapi/v3/{root}", {})
            if len(self._documents) >= KEPT:
                self._documents.pop(next(iter(self._documents)))
            self._documents[api_version] = found if len(found) <= LARGEST_BYTES else b"{}"
        return self._documents[api_version]


def _names(path: str) -> Iterator[str]:
    """The field names of a path; the names and indices of list items say nothing about the schema."""
    for part in parts_of(path):
        name = part.partition("[")[0]
        if name and not name.isdecimal():
            yield name


def _of_kind(schemas: dict[str, Any], api_version: str, kind: str) -> dict[str, Any] | None:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": version}
    return next((one for one in schemas.values() if wanted in (one.get("x-kubernetes-group-version-kind") or ())), None)


def _below(schema: dict[str, Any], name: str, schemas: dict[str, Any]) -> dict[str, Any] | None:
    schema = _resolved(schema, schemas)
    if "items" in schema:
        schema = _resolved(schema["items"], schemas)
    found = (schema.get("properties") or {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    return found if isinstance(found, dict) else None


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema that is meant, with the description that stands where it is referred to."""
    for _ in range(_DEPTH):
        inner = schema
        if len(schema.get("allOf") or ()) == 1:
            inner = {**schema["allOf"][0], "description": schema.get("description")}
        reference = str(inner.get("$ref", "")).rpartition("/")[2]
        if not reference:
            return inner
        found = schemas.get(reference) or {}
        schema = {**found, "description": inner.get("description") or found.get("description")}
    return {}


def _told(path: str, schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    found = _resolved(schema, schemas)
    kind = found.get("type") or ("string or number" if found.get("oneOf") or found.get("anyOf") else "object")
    lines = [f"{path}: {clean(kind, 40)}"]
    if found.get("enum"):
        lines.append(f"one of {', '.join(clean(one, 40) for one in found['enum'][:20])}")
    if found.get("description"):
        lines.append(" ".join(clean(found["description"], 500).split()))
    lines.append(_fields(schema, schemas))
    return "\n".join(line for line in lines if line)


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    found = _resolved(schema, schemas)
    found = _resolved(found["items"], schemas) if "items" in found else found
    names = sorted(found.get("properties") or ())
    return f"Fields: {', '.join(clean(name, 60) for name in names[:60])}" if names else ""
