"""What the query of a write says besides the object: the field manager, force, what to do about unknown fields.

The counterpart of `CreateOptions`, `UpdateOptions` and `PatchOptions` and of their validation
(`k8s.io/apimachinery/pkg/apis/meta/v1/validation`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from simulator.apiserver import status_errors
from simulator.apiserver.call import Call
from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value, required, unsupported
from simulator.apiserver.kinds import Kind
from simulator.apiserver.paths import is_true

APPLY_PATCH = "application/apply-patch+yaml"
_LONGEST_MANAGER_BYTES = 128
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True)
class WriteOptions:
    """`manager` is never empty: without a name the program in the User-Agent is it."""

    manager: str
    force: bool = False
    field_validation: str = "Warn"

    @classmethod
    def read(cls, call: Call, verb: str) -> "WriteOptions":
        """Raises StatusError 422."""
        applies = verb == "patch" and call.content_type == APPLY_PATCH
        errors = list(_errors(call, applies=applies))
        if errors:
            word = _OPTIONS.get(verb, "UpdateOptions")
            raise status_errors.invalid(Kind("meta.k8s.io", "v1", word, word.lower()), "", errors)
        return cls(
            manager=call.query.get("fieldManager") or program_of(call.user_agent),
            force=is_true(call.query.get("force")),
            field_validation=call.query.get("fieldValidation") or "Warn",
        )


def _errors(call: Call, *, applies: bool) -> Iterator[FieldError]:
    name, query = call.query.get("fieldManager", ""), call.query
    if applies and not name:
        yield required("fieldManager", "is required for apply patch")
    if not applies and "force" in query and call.content_type:
        yield forbidden_field("force", "may not be specified for non-apply patch")
    if len(name.encode()) > _LONGEST_MANAGER_BYTES:
        yield FieldError(
            "fieldManager", "FieldValueTooLong", f"Too long: may not be more than {_LONGEST_MANAGER_BYTES} bytes"
        )
    for index, letter in enumerate(name):
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {index})"
            yield invalid_value("fieldManager", name, text)
    if query.get("dryRun") not in (None, "", "All"):
        yield unsupported("dryRun", [query["dryRun"]], ("All",))
    if query.get("fieldValidation") and query["fieldValidation"] not in _VALIDATIONS:
        yield unsupported("fieldValidation", query["fieldValidation"], _VALIDATIONS)


@lru_cache(maxsize=256)
def program_of(user_agent: str) -> str:
    """The part of a User-Agent that names a manager: what stands before the version."""
    word = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    return word.encode()[:_LONGEST_MANAGER_BYTES].decode(errors="ignore")
