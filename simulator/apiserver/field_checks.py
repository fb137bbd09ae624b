"""Whether an applied configuration fits its kind, in the words of structured-merge-diff's validation
(`typed/validate.go`).
"""

from typing import Any

from simulator.apiserver import field_sets
from simulator.apiserver.field_types import FieldType
from simulator.apiserver.field_walks import NotOfType, as_go_prints, element_key


def check(value: Any, of: FieldType, path: str = "") -> None:
    """Raises NotOfType for unknown fields, wrong types and elements of the same key."""
    if value is None or of.form == "free":
        return
    if of.form == "scalar":
        _check_scalar(value, of.word, path)
    elif of.word.startswith("[]"):
        _check_list(value, of, path)
    elif of.facts is not None or of.form in ("map", "struct"):
        if not isinstance(value, dict):
            raise NotOfType(f"{path}: expected map, got {as_go_prints(value)}")
        for name, one in value.items():
            inner = of.element if of.form == "map" else of.fields.get(name)
            if inner is None:
                raise NotOfType(f"{path}.{name}: field not declared in schema")
            check(one, inner, f"{path}.{name}")


def _check_list(value: Any, of: FieldType, path: str) -> None:
    if not isinstance(value, list):
        raise NotOfType(f"{path}: expected list, got {as_go_prints(value)}")
    seen = set()
    for index, one in enumerate(value):
        place = f"[{index}]"
        if of.form in ("list", "set"):
            try:
                key = element_key(one, of)
            except NotOfType as error:
                raise NotOfType(f"{path}{error}".replace("element 0", f"element {index}")) from error
            place = next(field_sets.paths({key: {}}))
            if key in seen:
                raise NotOfType(f"{path}: duplicate entries for key {place}")
            seen.add(key)
        check(one, of.element, path + place)


def _check_scalar(value: Any, word: str, path: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if word in ("int32", "int64", "float64") and not number:
        raise NotOfType(f"{path}: expected numeric (int or float), got {_kind_word(value)}")
    if word in ("string", "bytes", "time", "micro-time") and not isinstance(value, str):
        raise NotOfType(f"{path}: expected string, got {as_go_prints(value)}")
    if word == "bool" and not isinstance(value, bool):
        raise NotOfType(f"{path}: expected boolean, got {as_go_prints(value)}")


def _kind_word(value: Any) -> str:
    return {str: "string", bool: "boolean", list: "list", dict: "map"}.get(type(value), "null")
