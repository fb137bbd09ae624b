"""What every object's metadata is asked: names, labels, annotations, owners, finalizers (`ValidateObjectMeta` of
k8s.io/apimachinery, Kubernetes v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, immutable, invalid_value, required
from simulator.apiserver.finalizers import finalizer_errors, new_finalizer_errors
from simulator.apiserver.names import label_errors, name_problem, qualified_name_problems
from simulator.apiserver.objects import Object, metadata

_OWNERS = "metadata.ownerReferences"
_LARGEST_ANNOTATIONS_BYTES = 256 * 1024


def new_metadata_errors(body: Object, *, name_form: str) -> Iterator[FieldError]:
    """Of an object that is to be made; `name_form` is that of its kind's names."""
    meta = metadata(body)
    name, base = meta.get("name"), meta.get("generateName")
    if base and (problem := name_problem(f"{base[:-1]}a" if base.endswith("-") else base, name_form)):
        yield invalid_value("metadata.generateName", base, problem)
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif problem := name_problem(name, name_form):
        yield invalid_value("metadata.name", name, problem)
    yield from _shared(meta)
    yield from finalizer_errors(body)


def changed_metadata_errors(old: Object, new: Object) -> Iterator[FieldError]:
    """Of an object that is to be changed."""
    for field in ("name", "namespace"):
        if metadata(new).get(field) != metadata(old).get(field):
            yield immutable(f"metadata.{field}", metadata(new).get(field))
    yield from _shared(metadata(new))
    yield from finalizer_errors(new)
    yield from new_finalizer_errors(old, new)


def _shared(meta: Object) -> Iterator[FieldError]:
    yield from label_errors(meta.get("labels"), "metadata.labels")
    yield from annotation_errors(meta.get("annotations"), "metadata.annotations")
    yield from _owner_errors(meta)


def annotation_errors(annotations: Object | None, where: str) -> Iterator[FieldError]:
    """Keys of any case, and not more than a quarter of a mebibyte in all."""
    for key in annotations or {}:
        yield from (invalid_value(where, key, problem) for problem in qualified_name_problems(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (annotations or {}).items())
    if size > _LARGEST_ANNOTATIONS_BYTES:
        text = f"Too long: may not be more than {_LARGEST_ANNOTATIONS_BYTES} bytes"
        yield FieldError(where, "FieldValueTooLong", text)


def _owner_errors(meta: Object) -> Iterator[FieldError]:
    owners = meta.get("ownerReferences") or ()
    first = ""
    for owner in owners:
        yield from _owner(owner)
        if not owner.get("controller"):
            continue
        this = f"{owner.get('kind')}/{owner.get('name')}"
        if first:
            found = f'Found "true" in references for {first} and {this}'
            why = f"Only one reference can have Controller set to true. {found}"
            yield invalid_value(_OWNERS, [_as_sent(one) for one in owners], why)
        first = first or this


def _owner(owner: Object) -> Iterator[FieldError]:
    version = str(owner.get("apiVersion") or "")
    if not version or version.count("/") > 1:
        yield invalid_value(f"{_OWNERS}.apiVersion", version, "version must not be empty")
    for field in ("kind", "name", "uid"):
        if not owner.get(field):
            yield invalid_value(f"{_OWNERS}.{field}", "", "must not be empty")
    if (version, owner.get("kind")) == ("v1", "Event"):
        yield invalid_value(_OWNERS, _as_sent(owner), "/v1, Kind=Event is disallowed from being an owner")


def _as_sent(owner: Object) -> Object:
    """In the order in which the real server encodes it."""
    fields = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {field: owner[field] for field in fields if field in owner}
