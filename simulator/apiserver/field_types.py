"""What a field is to server-side apply: a scalar, a struct, a map, a list of what kind.

A view of the schema's facts with the words of structured-merge-diff. Structs and maps are granular unless
the schema calls them atomic; lists are atomic unless it calls them a set or a map by keys. Custom resources have
the types of their own schema; what it leaves free is taken as it comes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from simulator.apiserver.custom.structural import StructuralSchema
from simulator.apiserver.kind import Kind
from simulator.apiserver.schema import Field, Struct, struct, struct_of

Form = Literal["scalar", "struct", "map", "list", "set", "atomic", "free"]


@dataclass(frozen=True, eq=False)
class FieldType:
    """`word` is the schema's name of the type; `free` types are what their values are."""

    form: Form
    word: str = ""
    keys: tuple[str, ...] = ()
    inner: "Callable[[], FieldType] | None" = None
    facts: Struct | None = None
    own: Mapping[str, Any] | None = None

    @cached_property
    def element(self) -> "FieldType":
        """Of lists, sets and maps."""
        return FREE if self.inner is None else self.inner()

    @cached_property
    def fields(self) -> "dict[str, FieldType]":
        """Of a struct, atomic or not."""
        if self.own is not None:
            return {name: _of_schema(one) for name, one in self.own.items()} | self._of_root
        return {name: _of_field(one) for name, one in self.facts.fields.items()} if self.facts else {}

    @property
    def _of_root(self) -> "dict[str, FieldType]":
        """What a custom resource has besides its schema."""
        if self.word != _ROOT:
            return {}
        text = FieldType("scalar", "string")
        return {"apiVersion": text, "kind": text, "metadata": _named("meta/v1.ObjectMeta")}

    @cached_property
    def kept(self) -> dict[str, Any]:
        """The structs, lists and maps that are written even when they are empty, with what is written then.

        They count as present on both sides of a comparison.
        """
        always = self.facts.always if self.facts else ()
        return {one.name: [] if one.is_list else {} for one in always if self.fields[one.name].form != "scalar"}

    @cached_property
    def key_defaults(self) -> dict[str, Any]:
        """Of a list by keys: what a key is when an element does not say."""
        if self.element.own is not None:
            return {key: self.element.own.get(key, {}).get("default") for key in self.keys}
        fields = self.element.facts.fields if self.element.facts else {}
        return {key: _default_of(fields[key]) for key in self.keys if key in fields}

    def field(self, name: str) -> "FieldType | None":
        """The type of what a struct or map has under a name; None if a struct has no such field."""
        return self.fields.get(name) if self.form == "struct" else self.element


_ROOT = "custom resource"
_SCALARS = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
FREE = FieldType("free")
FREE_MAP = FieldType("map", inner=lambda: FREE)


def type_of(kind: Kind) -> FieldType:
    """Of a whole object."""
    if isinstance(kind.custom, StructuralSchema) and not kind.custom.preserves:
        return FieldType("struct", _ROOT, own=kind.custom.schema.get("properties") or {})
    found = None if kind.custom is not None else struct_of(kind.group, kind.version, kind.kind)
    return FREE_MAP if found is None else _named(found.name)


def _default_of(field: Field) -> Any:
    """Of a key: what the server's schema says, or Go's zero for one that is always written."""
    if field.default is not None or field.presence != "kept":
        return field.default
    return "" if field.type == "string" else 0


def _of_schema(schema: Mapping[str, Any]) -> FieldType:
    """Of a part of a custom resource."""
    listed, kind = schema.get("x-kubernetes-list-type", "atomic"), schema.get("type", "")
    if kind == "array":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        form: Form = "list" if listed == "map" and keys else "set" if listed == "set" else "atomic"
        return FieldType(form, "[]", keys, inner=lambda: _of_schema(schema.get("items") or {}))
    if schema.get("x-kubernetes-map-type") == "atomic":
        return FieldType("atomic")
    if schema.get("x-kubernetes-preserve-unknown-fields") or (kind not in _SCALARS and kind != "object"):
        return FREE
    if schema.get("properties"):
        return FieldType("struct", "{}", own=schema["properties"])
    if isinstance(schema.get("additionalProperties"), dict):
        return FieldType("map", "{}", inner=lambda: _of_schema(schema["additionalProperties"]))
    return FieldType("scalar", _SCALARS[kind]) if kind in _SCALARS else FREE


@cache
def _named(name: str) -> FieldType:
    facts = struct(name)
    return FieldType("atomic" if facts.atomic else "struct", name, facts=facts)


def _of_field(field: Field) -> FieldType:
    if field.is_list:
        listed = field.list_type or ("set" if field.strategy == "merge" else "atomic")
        if listed == "map" and field.map_keys:
            return FieldType("list", field.type, field.map_keys, lambda: _of_word(field.item))
        return FieldType("set" if listed == "set" else "atomic", field.type, inner=lambda: _of_word(field.item))
    if field.is_map:
        form: Form = "atomic" if field.map_type == "atomic" else "map"
        return FieldType(form, field.type, inner=lambda: _of_word(field.item))
    found = _of_word(field.type)
    if field.map_type == "atomic" and found.facts is not None:
        return FieldType("atomic", found.word, facts=found.facts)
    return found


@cache
def _of_word(word: str) -> FieldType:
    if word.startswith("[]"):
        return FieldType("atomic", word, inner=lambda: _of_word(word[2:]))
    if word.startswith("{}"):
        return FieldType("map", word, inner=lambda: _of_word(word[2:]))
    if "/" in word:
        return _named(word)
    return FieldType("atomic" if word == "any" else "scalar", word)
