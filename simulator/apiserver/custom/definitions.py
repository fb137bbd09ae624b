"""CustomResourceDefinitions themselves: defaults, and what makes one invalid
(`k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`, Kubernetes v1.36).
"""

from collections.abc import Iterator
from typing import Any

from simulator.apiserver.field_errors import FieldError, immutable, invalid_value, required, unsupported
from simulator.apiserver.names import name_problem
from simulator.apiserver.objects import Object, at, items_at, name_of
from simulator.apiserver.strategies.strategy import Strategy, spec_generation

_SCOPES = ("Cluster", "Namespaced")
_NO_TYPE_NEEDED = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = str(names.get("kind") or "")
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    spec.setdefault("conversion", {"strategy": "None"})


def _create(obj: Object) -> None:
    stored = [str(one.get("name")) for one in items_at(obj, "spec.versions") if one.get("storage")]
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored or None,
    }


def _validate(obj: Object) -> Iterator[FieldError]:
    spec, names = obj["spec"], at(obj, "spec.names") or {}
    if name_of(obj) != f"{names.get('plural') or ''}.{spec.get('group') or ''}":
        yield invalid_value("metadata.name", name_of(obj), 'must be spec.names.plural+"."+spec.group')
    if not spec.get("group"):
        yield required("spec.group")
    elif len(str(spec["group"]).split(".")) < 2:
        yield invalid_value("spec.group", spec["group"], "should be a domain with at least one dot")
    if not spec.get("scope"):
        yield required("spec.scope")
    elif spec["scope"] not in _SCOPES:
        yield unsupported("spec.scope", spec["scope"], _SCOPES)
    yield from _validate_versions(spec)
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
        elif problem := name_problem(str(names[field]).lower(), "dns-1035"):
            yield invalid_value(f"spec.names.{field}", names[field], problem)
    if spec["conversion"].get("strategy") not in ("None", "Webhook"):
        yield unsupported("spec.conversion.strategy", spec["conversion"].get("strategy"), ("None", "Webhook"))
    if not at(obj, "status.storedVersions"):
        yield invalid_value("status.storedVersions", None, "must have at least one stored version")


def _validate_versions(spec: Object) -> Iterator[FieldError]:
    versions = spec.get("versions") or []
    if sum(bool(one.get("storage")) for one in versions) != 1:
        shown = spec.get("versions")
        yield invalid_value("spec.versions", shown, "must have exactly one version marked as storage version")
    seen: set[str] = set()
    for index, version in enumerate(versions):
        where, name = f"spec.versions[{index}]", str(version.get("name") or "")
        if problem := name_problem(name, "dns-1035"):
            yield invalid_value(f"{where}.name", name, problem)
        if name in seen:
            yield invalid_value("spec.versions", versions, "must contain unique version names")
        seen.add(name)
        schema = at(version, "schema.openAPIV3Schema")
        path = f"{where}.schema.openAPIV3Schema"
        if schema is None:
            yield required(path)
        else:
            yield from _validate_schema(schema, path, root=True)


def _validate_schema(schema: Any, where: str, *, root: bool = False) -> Iterator[FieldError]:
    """That the schema is structural: every field has a type, the root is an object."""
    if not isinstance(schema, dict):
        yield invalid_value(where, schema, "must be an object")
        return
    if not schema.get("type") and not any(schema.get(one) for one in _NO_TYPE_NEEDED):
        yield required(
            f"{where}.type", "must not be empty " + ("at the root" if root else "for specified object fields")
        )
    elif root and schema.get("type") not in (None, "object"):
        yield invalid_value(f"{where}.type", schema["type"], "must be object at the root")
    for name, inner in (schema.get("properties") or {}).items():
        if not (root and name == "metadata"):
            yield from _validate_schema(inner, f"{where}.properties[{name}]")
    if isinstance(schema.get("items"), dict):
        yield from _validate_schema(schema["items"], f"{where}.items")
    elif schema.get("type") == "array":
        yield required(f"{where}.items", "must be specified")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _validate_schema(schema["additionalProperties"], f"{where}.additionalProperties")


def _stays(new: Object, old: Object) -> Iterator[FieldError]:
    for path in ("spec.group", "spec.names.plural", "spec.names.kind", "spec.scope"):
        if at(new, path) != at(old, path):
            yield immutable(path, at(new, path))


def rules_left_out(schema: Any, where: str = "") -> Iterator[str]:
    """The paths of a schema that have rules in CEL, which nobody evaluates here."""
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from rules_left_out(one, f"{where}[{index}]")
    elif isinstance(schema, dict):
        for key, inner in schema.items():
            if key == "x-kubernetes-validations":
                yield where or "the root"
            else:
                yield from rules_left_out(inner, f"{where}.{key}" if where else key)


DEFINITION = Strategy(
    default=_default, create=_create, validate=_validate, validate_update=_stays, generation=spec_generation
)
