"""The OpenAPI v3 documents: one for each group version, made from the schema's facts when it is asked for.

Paths, parameters and schemas without descriptions: enough for kubectl to leave validation to the server, to make
strategic merge patches and to explain fields. The v2 document has no paths and the definitions alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.apiserver.kind import Kind
from simulator.apiserver.schema import Field, Struct, struct, struct_of

Document = dict[str, Any]
_V3, _V2 = "#/components/schemas/", "#/definitions/"
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_WORDS: dict[str, Document] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "quantity": {"type": "string"},
    "int-or-string": {"type": "string", "format": "int-or-string"},
    "time": {"type": "string", "format": "date-time"},
    "micro-time": {"type": "string", "format": "date-time"},
    "any": {"type": "object"},
}
_APIMACHINERY = frozenset({"meta", "runtime", "util"})


def root_of(kind: Kind) -> str:
    """The document that describes a kind: `apis/apps/v1`."""
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def version_document(root: str, kinds: Iterable[Kind], info: Document) -> Document:
    """The document of one group version."""
    listed = list(kinds)
    paths: Document = {}
    for kind in listed:
        space = "/namespaces/{namespace}" if kind.namespaced else ""
        base = f"/{root}{space}/{kind.plural}"
        if "create" in kind.verbs:
            paths[base] = {"post": _operation(kind, "post")}
        if not kind.virtual:
            verbs = (
                verb
                for verb, word in (("put", "update"), ("patch", "patch"), ("delete", "delete"))
                if word in kind.verbs
            )
            paths[f"{base}/{{name}}"] = {verb: _operation(kind, verb) for verb in verbs}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas(listed, _V3)}}


def version_two(kinds: Iterable[Kind], info: Document) -> Document:
    """The old document, definitions alone."""
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": schemas(kinds, _V2)}


def schemas(kinds: Iterable[Kind], references: str) -> Document:
    """The types of some kinds and of all that they are made of, by their OpenAPI names."""
    found: Document = {}
    waiting: list[Struct] = []
    for kind in kinds:
        facts = None if kind.custom is not None else struct_of(kind.group, kind.version, kind.kind)
        if facts is not None:
            named = {"group": kind.group, "kind": kind.kind, "version": kind.version}
            found[_name(facts)] = _schema(facts, references) | {"x-kubernetes-group-version-kind": [named]}
            waiting += _parts(facts)
    while waiting:
        facts = waiting.pop()
        if _name(facts) not in found:
            found[_name(facts)] = _schema(facts, references)
            waiting += _parts(facts)
    return dict(sorted(found.items()))


def _parts(facts: Struct) -> Iterator[Struct]:
    for field in facts.fields.values():
        word = field.type.replace("[]", "").replace("{}", "")
        if "/" in word:
            yield struct(word)


def _name(facts: Struct) -> str:
    package, _, word = facts.name.partition(".")
    group = package.partition("/")[0]
    base = "io.k8s.apimachinery.pkg.apis" if group in _APIMACHINERY else "io.k8s.api"
    return f"{base}.{package.replace('/', '.')}.{word}"


def _schema(facts: Struct, references: str) -> Document:
    schema: Document = {"type": "object"}
    wanted = [field.name for field in facts.fields.values() if field.required]
    if wanted:
        schema["required"] = wanted
    properties = {name: _property(field, references) for name, field in sorted(facts.fields.items())}
    if properties:
        schema["properties"] = properties
    return schema | ({"x-kubernetes-map-type": "atomic"} if facts.atomic else {})


def _property(field: Field, references: str) -> Document:
    schema = _typed(field.type, references)
    if field.default is not None:
        schema["default"] = field.default
    if field.enum:
        schema["enum"] = list(field.enum)
    extensions = {
        "x-kubernetes-list-type": field.list_type,
        "x-kubernetes-list-map-keys": list(field.map_keys),
        "x-kubernetes-map-type": field.map_type,
        "x-kubernetes-patch-merge-key": field.merge_key,
        "x-kubernetes-patch-strategy": field.strategy,
    }
    return schema | {name: value for name, value in extensions.items() if value}


def _typed(word: str, references: str) -> Document:
    if word.startswith("[]"):
        return {"type": "array", "items": _typed(word[2:], references)}
    if word.startswith("{}"):
        return {"type": "object", "additionalProperties": _typed(word[2:], references)}
    if "/" not in word:
        return dict(_WORDS.get(word, {"type": "object"}))
    reference = {"$ref": references + _name(struct(word))}
    return {"allOf": [reference]} if references == _V3 else reference


def _operation(kind: Kind, verb: str) -> Document:
    operation: Document = {
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in _WRITE_PARAMETERS
        ],
        "responses": {"200": {"description": "OK"}},
    }
    if verb == "patch":
        operation["requestBody"] = {"content": {one: {"schema": {"type": "object"}} for one in _PATCH_TYPES}}
    return operation
