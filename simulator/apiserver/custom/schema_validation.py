"""Validating a custom resource by its OpenAPI schema, in the words of the real server
(`k8s.io/kube-openapi/pkg/validation` and `k8s.io/apiextensions-apiserver`, Kubernetes v1.36).
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from simulator.apiserver.field_errors import FieldError, duplicate, invalid_value, required, unsupported

Schema = dict[str, Any]
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def schema_errors(value: Any, schema: Schema, at: str = "") -> Iterator[FieldError]:
    """Everything in a value that its schema does not allow; `at` is where it stands."""
    if value is None and schema.get("nullable"):
        return
    wrong = list(_type_errors(value, schema, at))
    yield from wrong
    if wrong:
        return
    if "enum" in schema and value not in schema["enum"]:
        yield unsupported(at, value, tuple(str(one) for one in schema["enum"]))
    if isinstance(value, str):
        yield from _text(value, schema, at)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        yield from _number(value, schema, at)
    elif isinstance(value, list):
        yield from _list(value, schema, at)
    elif isinstance(value, dict):
        yield from _object(value, schema, at)
    yield from _combinations(value, schema, at)


def _word(value: Any) -> str:
    if value is None:
        return "null"
    words = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return words[type(value)]


def _type_errors(value: Any, schema: Schema, at: str) -> Iterator[FieldError]:
    found = _word(value)
    accepted: tuple[str, ...] = (schema["type"],) if schema.get("type") else ()
    if schema.get("x-kubernetes-int-or-string"):
        accepted = ("integer", "string")
    if accepted and found not in accepted and not (found == "integer" and "number" in accepted):
        wanted = ",".join(accepted)
        yield FieldError(
            at, "FieldValueTypeInvalid", f'Invalid value: "{found}": {at} in body must be of type {wanted}: "{found}"'
        )
        if found == "number" and accepted == ("integer",):
            yield _of_all(f"Checked value must be of type integer (default format) in {at}")


def _invalid(at: str, value: Any, what: str) -> FieldError:
    return invalid_value(at, value, f"{at} in body {what}")


def _text(value: str, schema: Schema, at: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        longest = schema["maxLength"]
        yield FieldError(at, "FieldValueTooLong", f"Too long: may not be more than {longest} bytes")
    if len(value) < schema.get("minLength", 0):
        yield _invalid(at, value, f"should be at least {schema['minLength']} chars long")
    elif "pattern" in schema and not _matches(schema["pattern"], value):
        yield _invalid(at, value, f"should match '{schema['pattern']}'")
    check = _FORMATS.get(schema.get("format", ""))
    if check is not None and not check(value):
        text = f'Invalid value: "{value}": {at} in body must be of type {schema["format"]}: "{value}"'
        yield FieldError(at, "FieldValueTypeInvalid", text)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # Go's syntax has a few forms that Python's does not: such a pattern is not judged by
        return True


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return "T" in value.upper()


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": _is_time,
    "date": _is_date,
    "uuid": re.compile("(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}").fullmatch,
    "ipv4": re.compile(r"(\d{1,3}\.){3}\d{1,3}").fullmatch,
    "byte": re.compile("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?").fullmatch,
}


def _number(value: int | float, schema: Schema, at: str) -> Iterator[FieldError]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _invalid(at, value, f"should be {words} {low}")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _invalid(at, value, f"should be {words} {high}")
    if schema.get("multipleOf") and value % schema["multipleOf"]:
        yield _invalid(at, value, f"should be a multiple of {schema['multipleOf']}")
    smallest, largest = _RANGES.get(schema.get("format", ""), (value, value))
    if not smallest <= value <= largest:
        text = f'Invalid value: "": Checked value must be of type integer with format {schema["format"]} in {at}'
        yield FieldError("<nil>", "FieldValueInvalid", text)


def _list(value: list[Any], schema: Schema, at: str) -> Iterator[FieldError]:
    most = schema.get("maxItems")
    if most is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} items"
        yield FieldError(at, "FieldValueTooMany", text)
    if len(value) < schema.get("minItems", 0):
        yield _invalid(at, len(value), f"should have at least {schema['minItems']} items")
    kind, keys, seen = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or (), list[Any]()
    for index, one in enumerate(value):
        identity = {key: one.get(key) for key in keys} if kind == "map" and isinstance(one, dict) else one
        if (kind in ("set", "map") or schema.get("uniqueItems")) and identity in seen:
            yield duplicate(f"{at}[{index}]", identity)
        seen.append(identity)
        if isinstance(schema.get("items"), dict):
            yield from schema_errors(one, schema["items"], f"{at}[{index}]")


def _object(value: dict[str, Any], schema: Schema, at: str) -> Iterator[FieldError]:
    prefix = f"{at}." if at else ""
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{prefix}{name}")
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        yield FieldError(at, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items")
    if len(value) < schema.get("minProperties", 0):
        yield _invalid(at, value, f"should have at least {schema['minProperties']} properties")
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, inner in value.items():
        if name in properties:
            yield from schema_errors(inner, properties[name], f"{prefix}{name}")
        elif isinstance(more, dict):
            yield from schema_errors(inner, more, f"{prefix}{name}")


def _combinations(value: Any, schema: Schema, at: str) -> Iterator[FieldError]:
    def fits(one: Schema) -> bool:
        return not list(schema_errors(value, one, at))

    if "oneOf" in schema:
        count = sum(map(fits, schema["oneOf"]))
        if count != 1:
            found = "Found none valid" if not count else f"Found {count} valid alternatives"
            yield _of_all(f'"{at}" must validate one and only one schema (oneOf). {found}')
        if not count and schema["oneOf"]:
            yield from schema_errors(value, schema["oneOf"][0], at)
    if "anyOf" in schema and not any(map(fits, schema["anyOf"])):
        yield _of_all(f'"{at}" must validate at least one schema (anyOf)')
        if schema["anyOf"]:
            yield from schema_errors(value, schema["anyOf"][0], at)
    if "allOf" in schema and not all(map(fits, schema["allOf"])):
        yield _of_all(f'"{at}" must validate all the schemas (allOf)')
        for one in schema["allOf"]:
            yield from schema_errors(value, one, at)
    if "not" in schema and fits(schema["not"]):
        yield _of_all(f'"{at}" must not validate the schema (not)')


def _of_all(text: str) -> FieldError:
    return FieldError("<nil>", "FieldValueInvalid", f'Invalid value: "": {text}')
