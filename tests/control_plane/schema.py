"""Takes what is true of every built-in kind from a real API server into `simulator/apiserver/schema/facts`.

Owns: one JSON file for each Go package of API types, of the form that `simulator.apiserver.schema` reads.
Types, required fields, enums, defaults, list types, map keys and patch strategies come from the running
server's OpenAPI v3. Two things OpenAPI does not say, and clients meet both: whether an empty field is left
out of an answer, and the number a field has in protobuf. They stand in the struct tags of the Go modules
that the server was built from.

Refuses: descriptions (they are most of the size and no behaviour), and to guess: a field without a struct tag is
an error. Run it after a change of the Kubernetes version: `python -m tests.control_plane.schema`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .build import find_binaries
from .harness import ControlPlane

_HERE = Path(__file__).resolve().parent
_TARGET = _HERE.parents[1] / "simulator" / "apiserver" / "schema" / "facts"
_REFERENCE = "#/components/schemas/"
_MODULES = {
    "io.k8s.api.": "k8s.io/api",
    "io.k8s.apimachinery.": "k8s.io/apimachinery",
    "io.k8s.apiextensions-apiserver.": "k8s.io/apiextensions-apiserver",
    "io.k8s.kube-aggregator.": "k8s.io/kube-aggregator",
}
# Types with an encoding of their own, by the end of their OpenAPI name; they are words, not structs.
_WORDS = {
    "api.resource.Quantity": "quantity",
    "util.intstr.IntOrString": "int-or-string",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "micro-time",
    "meta.v1.FieldsV1": "any",
    "runtime.RawExtension": "any",
    "apiextensions.v1.JSON": "any",
    "apiextensions.v1.JSONSchemaProps": "any",
}
_STRUCT = re.compile(r"^type (\w+) struct ?\{(?:\}|\n(.*?)^\})", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?:(\w+)\s+)?(\S+)\s+`([^`]*)`", re.MULTILINE)
_TAG = re.compile(r'(\w+):"([^"]*)"')

Facts = dict[str, Any]


class SchemaError(Exception):
    """The server and the Go modules do not fit together; the text names the type."""


def short_name(name: str) -> str:
    """`io.k8s.api.apps.v1.Deployment` is `apps/v1.Deployment`."""
    group, version, word = name.split(".")[-3:]
    return f"{group}/{version}.{word}"


class GoTags:
    """The struct tags of API types, read from the sources of their modules as they are asked for."""

    def __init__(self) -> None:
        self._packages: dict[str, dict[str, str]] = {}
        self._folders = {prefix: _module_folder(module) for prefix, module in _MODULES.items()}

    def fields(self, name: str) -> dict[str, tuple[str, dict[str, str]]]:
        """Of an OpenAPI type: JSON name to Go type and tags; embedded structs are part of it. Raises SchemaError."""
        package, _, struct = name.rpartition(".")
        source = self._package(package).get(struct)
        if source is None:
            raise SchemaError(f"{name} is served, but its Go module has no such struct")
        found: dict[str, tuple[str, dict[str, str]]] = {}
        for _, go_type, text in _FIELD.findall(source):
            tags = dict(_TAG.findall(text))
            if "," in tags.get("protobuf", ""):
                tags["number"] = tags["protobuf"].split(",")[1]
            word, *options = tags.get("json", "-").split(",")
            if "inline" in options or not word:
                embedded = go_type.rpartition(".")[2]
                if embedded == "TypeMeta":
                    found |= dict.fromkeys(("kind", "apiVersion"), ("string", {"json": ",omitempty"}))
                else:
                    found |= _inside(self.fields(f"{package}.{embedded}"), tags)
            elif word not in ("", "-"):
                found[word] = (go_type, tags)
        return found

    def _package(self, package: str) -> dict[str, str]:
        if package not in self._packages:
            prefix = next((one for one in self._folders if package.startswith(one)), None)
            if prefix is None:
                raise SchemaError(f"{package} is of no module that is known here: add it to _MODULES")
            folder = self._folders[prefix] / package.removeprefix(prefix).replace(".", "/")
            text = "\n".join(path.read_text() for path in sorted(folder.glob("*.go")) if "generated" not in path.name)
            self._packages[package] = dict(_STRUCT.findall(text))
        return self._packages[package]


def _inside(fields: dict[str, tuple[str, dict[str, str]]], outer: dict[str, str]) -> dict[str, Any]:
    """The fields of an embedded struct, which is a message of its own in protobuf: two numbers lead to them."""
    if "number" not in outer:
        return fields
    return {
        name: (go_type, tags | {"number": f"{outer['number']} {tags['number']}"})
        for name, (go_type, tags) in fields.items()
    }


def _module_folder(module: str) -> Path:
    done = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=_HERE, check=True, capture_output=True, text=True
    )
    return Path(done.stdout.strip())


def presence(word: str, go_type: str, tags: dict[str, str]) -> str:
    """What becomes of a field that is empty or absent.

    "omitted": it is left out; "pointer": left out unless it was given; "null": null unless it was given; "kept": always
    there, as its type's zero. Go's encoder never takes a struct for empty.
    """
    options, pointer = tags["json"].split(",")[1:], go_type.startswith("*")
    if "omitzero" in options:
        return "omitted"
    if pointer:
        return "pointer" if "omitempty" in options else "null"
    struct = word in _WORDS.values() or ("/" in word and not word.startswith(("[", "{")))
    return "kept" if struct or "omitempty" not in options else "omitted"


def described(schema: Facts) -> tuple[str, Facts]:
    """A field's type in our words, and what else OpenAPI says of it."""
    reference = schema.get("$ref") or next((one["$ref"] for one in schema.get("allOf", ()) if "$ref" in one), None)
    if reference:
        return _referenced(reference.removeprefix(_REFERENCE)), {}
    if schema.get("type") == "array":
        word, more = described(schema["items"])
        return f"[]{word}", more
    if schema.get("type") == "object" and "additionalProperties" in schema:
        word, more = described(schema["additionalProperties"])
        return f"{{}}{word}", more
    plain = {"integer": schema.get("format", "int64"), "number": "float64", "boolean": "bool", "object": "any"}
    word = plain.get(schema.get("type", "object"), "bytes" if schema.get("format") == "byte" else "string")
    return word, {"enum": schema["enum"]} if "enum" in schema else {}


def _referenced(name: str) -> str:
    word = next((word for end, word in _WORDS.items() if name.endswith(end)), None)
    return word or short_name(name)


def field_facts(schema: Facts, go_type: str, tags: dict[str, str], *, required: bool) -> list[Any]:
    """[type, presence, everything else]."""
    word, facts = described(schema)
    zero = schema.get("default") in ("", 0, False, None) or schema.get("default") == {}
    if not zero:
        facts["default"] = schema["default"]
    if required:
        facts["required"] = True
    for extension, ours in (
        ("patch-merge-key", "merge_key"), ("patch-strategy", "strategy"), ("list-type", "list_type"),
        ("list-map-keys", "map_keys"), ("map-type", "map_type"),
    ):  # fmt: skip
        if f"x-kubernetes-{extension}" in schema:
            facts[ours] = schema[f"x-kubernetes-{extension}"]
    if "number" in tags:
        facts["number"] = [int(one) for one in tags["number"].split()]
    how = presence(word, go_type, tags)
    return [word, how, facts] if facts else [word, how]


def type_facts(name: str, schema: Facts, tags: GoTags) -> Facts:
    """Everything kept of one type."""
    found = tags.fields(name)
    fields = {}
    for field, inner in schema.get("properties", {}).items():
        if field not in found:
            raise SchemaError(f"{name}.{field} is served, but the Go struct has no such field")
        go_type, own = found[field]
        fields[field] = field_facts(inner, go_type, own, required=field in schema.get("required", ()))
    atomic = {"atomic": True} if schema.get("x-kubernetes-map-type") == "atomic" else {}
    return {"fields": fields, **atomic}


def served_types(control_plane: ControlPlane) -> dict[str, Facts]:
    """Every type of every group version, by its OpenAPI name."""
    found: dict[str, Facts] = {}
    paths = control_plane.request("GET", "/openapi/v3").json()["paths"]
    for path, entry in paths.items():
        if path.startswith("api") and path.rpartition("/")[2].startswith("v"):
            document = control_plane.request("GET", entry["serverRelativeURL"]).json()
            found |= document.get("components", {}).get("schemas", {})
    return found


def tables(types: dict[str, Facts], tags: GoTags) -> Iterator[tuple[str, Facts]]:
    """File names and what belongs into them."""
    files: dict[str, Facts] = {}
    for name, schema in sorted(types.items()):
        if _referenced(name) != short_name(name) or name.endswith("List"):
            continue
        package, _, word = short_name(name).partition(".")
        files.setdefault(package.replace("/", "_"), {})[word] = type_facts(name, schema, tags)
    yield from sorted(files.items())


def main() -> int:
    """Starts a control plane, asks it, writes the files."""
    binaries = find_binaries(os.environ)
    if binaries is None:
        print("the programs of a control plane are missing: run `make control-plane`", file=sys.stderr)
        return 1
    with ControlPlane(binaries) as control_plane:
        types = served_types(control_plane)
    _TARGET.mkdir(parents=True, exist_ok=True)
    for name, facts in tables(types, GoTags()):
        lines = ",\n".join(f"{json.dumps(word)}: {json.dumps(one, sort_keys=True)}" for word, one in facts.items())
        (_TARGET / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
