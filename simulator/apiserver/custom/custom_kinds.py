"""The kinds that a CustomResourceDefinition makes, one for each version it serves."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from simulator.apiserver import columns as table
from simulator.apiserver.custom.schema_validation import schema_errors
from simulator.apiserver.custom.structural import Schema, StructuralSchema
from simulator.apiserver.field_errors import FieldError
from simulator.apiserver.kind import Kind
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.plain import content_generation
from simulator.apiserver.strategies.strategy import Strategy

_STEP = re.compile(r"\.([\w/-]+)|\['([^']+)'\]|\[(\d+)\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]|\.([^.\[]+)")


def kinds_of(definition: Object) -> Iterator[Kind]:
    """The served kinds; the version that discovery prefers comes first."""
    spec = definition["spec"]
    names = at(definition, "spec.names") or {}
    for version in sorted(items_at(spec, "versions"), key=lambda one: _age(str(one.get("name"))), reverse=True):
        if not version.get("served"):
            continue
        schema = at(version, "schema.openAPIV3Schema") or {}
        parts = version.get("subresources") or {}
        yield Kind(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            namespaced=spec["scope"] == "Namespaced",
            subresources=tuple(one for one in ("status", "scale") if parts.get(one) is not None),
            strategy=_strategy(schema, status=parts.get("status") is not None),
            columns=_columns(version),
            field_labels={path: path for path in _selectable(version)},
            custom=StructuralSchema(schema, preserves=bool(spec.get("preserveUnknownFields"))),
            scale_paths=parts.get("scale") or {},
            singular_name=str(names.get("singular") or ""),
        )


def _age(version: str) -> tuple[int, int, int]:
    """v2 before v1 before v1beta2 before v1beta1 before v1alpha1, as Kubernetes orders versions."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return 0, 0, 0
    stage = {"alpha": 1, "beta": 2, None: 3}[match[2]]
    return stage, int(match[1]), int(match[3] or 0)


def _selectable(version: Object) -> list[str]:
    return [str(one.get("jsonPath")).removeprefix(".") for one in items_at(version, "selectableFields")]


def _strategy(schema: Schema, *, status: bool) -> Strategy:
    def create(obj: Object) -> None:
        if status:
            obj.pop("status", None)

    def validate(obj: Object) -> Iterator[FieldError]:
        body = {key: value for key, value in obj.items() if key != "metadata"}
        required = [one for one in schema.get("required") or () if one != "metadata"]
        yield from schema_errors(body, schema | {"required": required})

    def content(obj: Object) -> Any:
        kept = content_generation(obj)
        return kept if status or "status" not in obj else kept | {"status": obj["status"]}

    return Strategy(create=create, validate=validate, generation=content)


def _columns(version: Object) -> tuple[table.Column, ...]:
    listed = version.get("additionalPrinterColumns")
    if not listed:
        return table.GENERIC
    return (table.NAME, *(_column(one) for one in listed))


def _column(entry: Object) -> table.Column:
    path, kind = str(entry.get("jsonPath") or ""), str(entry.get("type") or "string")

    def cell(obj: Object, now: datetime) -> Any:
        found = value_at(obj, path)
        if kind == "date":
            return table.since(found, now) if isinstance(found, str) else None
        if found is None or kind not in ("string", "integer", "number", "boolean"):
            return found
        if kind == "string" and not isinstance(found, str):
            return str(found).lower() if isinstance(found, bool) else str(found)
        return found

    name, shape = str(entry.get("name")), str(entry.get("format") or "")
    return table.Column(name, cell, type=kind, format=shape, priority=int(entry.get("priority") or 0))


def value_at(obj: Any, path: str) -> Any:
    """What a simple JSONPath finds first; names, indexes, one comparison: `.conditions[?(@.type=="Ready")].status`."""
    for name, quoted, index, key, wanted, other in _STEP.findall(path):
        if index:
            obj = obj[int(index)] if isinstance(obj, list) and int(index) < len(obj) else None
        elif key:
            listed = obj if isinstance(obj, list) else []
            obj = next((one for one in listed if isinstance(one, dict) and str(one.get(key)) == wanted), None)
        else:
            obj = obj.get(name or quoted or other) if isinstance(obj, dict) else None
    return obj
