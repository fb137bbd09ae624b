"""Reading a custom resource by its structural schema: unknown fields go, defaults come
(`k8s.io/apiextensions-apiserver/pkg/apiserver/schema`, Kubernetes v1.36).
"""

from dataclasses import dataclass
from typing import Any

from simulator.apiserver.objects import Object, copy_of
from simulator.apiserver.schema import Reading, read, struct

Schema = dict[str, Any]
_FREE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"


@dataclass(frozen=True)
class StructuralSchema:
    """The schema of one version of a custom resource."""

    schema: Schema
    preserves: bool = False

    def read(self, found: Object, reading: Reading) -> Object:
        """The object as it is kept. Raises Misfit for metadata that is none."""
        meta = read(found.get("metadata") or {}, struct("meta/v1.ObjectMeta"), reading)
        head = {"kind": found.get("kind"), "apiVersion": found.get("apiVersion"), "metadata": meta}
        rest = {key: value for key, value in found.items() if key not in head}
        kept = rest if self.preserves else _pruned(rest, self.schema, "", reading.unknown)
        whole: Object = head | _defaulted(kept, self.schema)
        return whole


def _pruned(value: Any, schema: Schema, at: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        return [_pruned(one, items, f"{at}[{index}]", unknown) for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, inner in sorted(value.items()):
        path = f"{at}.{key}" if at else key
        if key in properties:
            kept[key] = _pruned(inner, properties[key], path, unknown)
        elif isinstance(more, dict):
            kept[key] = _pruned(inner, more, path, unknown)
        elif more or schema.get(_FREE) or (schema.get(_EMBEDDED) and key in ("kind", "apiVersion", "metadata")):
            kept[key] = inner
        else:
            unknown.append(path)
    return kept


def _defaulted(value: Any, schema: Schema) -> Any:
    if isinstance(value, list):
        items = schema.get("items")
        return [_defaulted(one, items) for one in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    found, properties = dict(value), schema.get("properties") or {}
    for key, inner in properties.items():
        absent = key not in found or (found[key] is None and not inner.get("nullable"))
        if absent and "default" in inner:
            found[key] = copy_of(inner["default"])
        elif absent and key in found:
            del found[key]  # null where null is not allowed counts as absent
        if key in found:
            found[key] = _defaulted(found[key], inner)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        found |= {key: _defaulted(inner, more) for key, inner in found.items() if key not in properties}
    return found
