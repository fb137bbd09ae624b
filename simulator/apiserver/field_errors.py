"""What is wrong with a field, in the words of the API server (`field.Error` of k8s.io/apimachinery).

Strategies yield these; `status_errors.invalid` makes one 422 of them. The words matter: clients show
them, and controllers put them into events.
"""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class FieldError:
    """One complaint: `reason` is the machine-readable cause type, `message` the text without the field."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(field, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(field, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def forbidden_field(field: str, detail: str) -> FieldError:
    return FieldError(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    names = ", ".join(f'"{one}"' for one in supported)
    return FieldError(field, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {names}")


def not_found_value(field: str, value: Any) -> FieldError:
    return FieldError(field, "FieldValueNotFound", f"Not found: {_shown(value)}")


def immutable(field: str, value: Any) -> FieldError:
    return invalid_value(field, value, "field is immutable")
