"""Which finalizers an object may have: standard ones and qualified names, and no new ones while it goes."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value
from simulator.apiserver.names import qualified_name_problems
from simulator.apiserver.objects import Object, metadata

_STANDARD = frozenset({"foregroundDeletion", "kubernetes", "orphan"})
_FIELD = "metadata.finalizers"


def finalizer_errors(obj: Object) -> Iterator[FieldError]:
    """Of any object that is to be stored (`ValidateFinalizers` of k8s.io/apimachinery)."""
    names = metadata(obj).get("finalizers") or []
    for index, name in enumerate(names):
        yield from (invalid_value(_FIELD, name, problem) for problem in qualified_name_problems(name))
        if "/" not in name and name not in _STANDARD:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"{_FIELD}[{index}]", name, why)
    if {"foregroundDeletion", "orphan"} <= set(names):
        yield invalid_value(_FIELD, names, "finalizer orphan and foregroundDeletion cannot be both set")


def new_finalizer_errors(old: Object, new: Object) -> Iterator[FieldError]:
    """Of an update of an object that is being deleted; told twice, as the real server does."""
    if not metadata(old).get("deletionTimestamp"):
        return
    before = metadata(old).get("finalizers") or []
    added = sorted(set(metadata(new).get("finalizers") or []) - set(before))
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        why = "no new finalizers can be added if the object is being deleted, found new finalizers []string{%s}"
        yield from [forbidden_field(_FIELD, why % listed)] * 2
