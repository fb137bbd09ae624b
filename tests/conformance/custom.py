"""A kind of its own for a check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import Api

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "colour": {"type": "string", "default": "blue", "enum": ["blue", "red"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def definition(group: str) -> dict[str, Any]:
    """Widgets: a spec with a required size and a colour that has a default; a status of its own."""
    schema = {
        "type": "object",
        "properties": {
            "spec": _SPEC,
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}}, "additionalPrinterColumns": columns,
    }  # fmt: skip
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


@contextmanager
def custom_resource(api: Api) -> Iterator[str]:
    """The path of the widgets of this namespace; the kind is gone afterwards."""
    group = f"{api.namespace}.example"
    path = f"/apis/{group}/v1/namespaces/{api.namespace}/widgets"
    api.request("POST", _DEFINITIONS, definition(group)).ok()
    try:
        api.eventually(lambda: api.request("GET", path).code == 200)
        yield path
    finally:
        api.request("DELETE", f"{_DEFINITIONS}/widgets.{group}")
