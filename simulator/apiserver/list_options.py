"""What the query of a list or watch asks besides selectors, and which combinations are refused.

The counterpart of `ListOptions` and of `ValidateListOptions`
(`k8s.io/apimachinery/pkg/apis/meta/internalversion/validation`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.apiserver import status_errors
from simulator.apiserver.field_errors import FieldError, forbidden_field, unsupported
from simulator.apiserver.kind import Kind
from simulator.apiserver.paths import is_true

_OPTIONS = Kind("meta.k8s.io", "v1", "ListOptions", "listoptions")
_MATCH, _INITIAL = "resourceVersionMatch", "sendInitialEvents"
EXACT, NOT_OLDER = "Exact", "NotOlderThan"


@dataclass(frozen=True)
class ListOptions:
    """`version` is the resourceVersion as a number (0 too if there is none: `text` tells), `match` how to take it."""

    text: str = ""
    version: int = 0
    match: str = ""
    limit: int = 0
    token: str = ""
    initial: bool | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], *, watch: bool) -> "ListOptions":
        """Raises StatusError 400, 422, and 500 for a watch from a version that is no number."""
        initial = is_true(query[_INITIAL]) if _INITIAL in query else None
        limit = whole_number(query, "limit")
        errors = list(_watch_errors(query) if watch else _list_errors(query))
        if errors:
            raise status_errors.invalid(_OPTIONS, "", errors)
        text = query.get("resourceVersion", "")
        if text and not (text.isascii() and text.isdigit()):
            raise _no_version(text, watch=watch)
        return cls(text, int(text or 0), query.get(_MATCH, ""), max(limit, 0), query.get("continue", ""), initial)

    @property
    def exact(self) -> bool:
        """Whether the list is to be as of its version; with a limit that is so unless something else is said."""
        return self.match == EXACT or (not self.match and bool(self.limit) and self.version > 0)


def whole_number(query: Mapping[str, str], field: str) -> int:
    """A number of the query, 0 if it is absent. Raises StatusError 400."""
    text = query.get(field, "")
    if not text:
        return 0
    if not text.removeprefix("-").isdigit():
        raise status_errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _no_version(text: str, *, watch: bool) -> status_errors.StatusError:
    why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
    if watch:
        return status_errors.StatusError(500, "", why)
    return status_errors.bad_request(f"invalid resource version: {why}")


def _list_errors(query: Mapping[str, str]) -> Iterator[FieldError]:
    match, version = query.get(_MATCH, ""), query.get("resourceVersion", "")
    if _INITIAL in query:
        yield forbidden_field(_INITIAL, "sendInitialEvents is forbidden for list")
    if not match:
        return
    if query.get("continue"):
        yield forbidden_field(_MATCH, "resourceVersionMatch is forbidden when continue is provided")
    elif not version:
        yield forbidden_field(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match not in (EXACT, NOT_OLDER):
        yield unsupported(_MATCH, match, (EXACT, NOT_OLDER, ""))
    elif match == EXACT and version == "0":
        yield forbidden_field(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')


def _watch_errors(query: Mapping[str, str]) -> Iterator[FieldError]:
    match = query.get(_MATCH, "")
    if _INITIAL not in query:
        if query.get("continue"):
            yield forbidden_field(_MATCH, "resourceVersionMatch is forbidden when continue is provided")
        elif match:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            yield forbidden_field(_MATCH, why)
        return
    if match != NOT_OLDER:
        yield forbidden_field(_MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        if match:
            yield unsupported(_MATCH, match, (NOT_OLDER,))
