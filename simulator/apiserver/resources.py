"""The life of an object: create, update, delete; the counterpart of the generic registry of
k8s.io/apiserver.

Owns identity (uid, name, creationTimestamp), optimistic concurrency, generation, finalizers, grace
periods and dry runs, the same for every kind; what differs by kind is asked of its strategy. Admission
comes before (`admission`), encoding after (`handlers`).

No method awaits, so each is one transaction on the store. A dry run does everything but the last step.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol
from uuid import UUID

from simulator.apiserver import status_errors
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.field_errors import FieldError, invalid_value
from simulator.apiserver.kinds import NAMESPACE, Kind
from simulator.apiserver.metadata_checks import changed_metadata_errors, new_metadata_errors
from simulator.apiserver.names import generated
from simulator.apiserver.objects import Object, at, copy_of, metadata, name_of, namespace_of, timestamp
from simulator.apiserver.store import Store

_FINALIZER_OF_POLICY = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
_GENERATED_NAME_ATTEMPTS = 8


@dataclass(frozen=True)
class Written:
    """The object after a write. `created` tells 201 from 200; `gone` that a deletion is finished."""

    body: Object
    created: bool = False
    gone: bool = False
    warnings: tuple[str, ...] = ()


class Judge(Protocol):
    """The last word of admission on a valid object, new where `old` is None."""

    def __call__(self, kind: Kind, new: Object, old: Object | None, *, dry_run: bool) -> list[str]:
        """Returns warnings. Raises StatusError."""


def _no_objection(kind: Kind, new: Object, old: Object | None, *, dry_run: bool) -> list[str]:
    return []


class Resources:
    """Every write of every kind goes through here."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], rng: Random, judge: Judge = _no_objection) -> None:
        self._store = store
        self._judge = judge
        self._now = now
        self._rng = rng

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """The stored object, not to be changed. Raises StatusError 404."""
        stored = self._store.of(kind).get(namespace, name)
        if stored is None:
            raise status_errors.not_found(kind, name)
        return stored.body

    def holds(self, kind: Kind, namespace: str, name: str, uid: str) -> bool:
        """Whether an object of that name is there and still the same one."""
        stored = self._store.of(kind).get(namespace, name)
        return stored is not None and metadata(stored.body)["uid"] == uid

    def create(self, kind: Kind, body: Object, *, dry_run: bool) -> Written:
        """Stores a new object; takes possession of `body`, whose namespace and defaults are set."""
        version = str(metadata(body).get("resourceVersion") or "")
        self._begin(kind, body)
        errors = [*new_metadata_errors(body, name_form=kind.name_form), *kind.strategy.validate(body)]
        _raise_invalid(kind, body, [*errors, *kind.strategy.validate_new(body)])
        if version.isdigit() and int(version) and not dry_run:
            raise status_errors.version_on_create()
        name = name_of(body)
        standing = self._store.of(kind).get(namespace_of(body), name)
        if standing is not None:
            raise status_errors.already_exists(kind, name, leaving="deletionTimestamp" in metadata(standing.body))
        warnings = (*kind.strategy.warnings(body), *self._judge(kind, body, None, dry_run=dry_run))
        if not dry_run:
            body = self._store.write(kind, body).body
        return Written(body, created=True, warnings=warnings)

    def _begin(self, kind: Kind, body: Object) -> None:
        meta = metadata(body)
        for field in (
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "selfLink",
        ):
            meta.pop(field, None)
        base = meta.get("generateName")
        if base and not meta.get("name"):
            meta["name"] = self._free_name(kind, namespace_of(body), base)
        meta["uid"] = str(UUID(int=self._rng.getrandbits(128), version=4))
        meta["creationTimestamp"] = timestamp(self._now())
        if kind.strategy.generation(body) is not None:
            meta["generation"] = 1
        kind.strategy.create(body)

    def _free_name(self, kind: Kind, namespace: str, base: str) -> str:
        name = generated(base, self._rng)
        for _ in range(_GENERATED_NAME_ATTEMPTS):
            if self._store.of(kind).get(namespace, name) is None:
                break
            name = generated(base, self._rng)
        return name

    def update(
        self,
        kind: Kind,
        old: Object,
        new: Object,
        *,
        status: bool = False,
        dry_run: bool,
    ) -> Written:
        """Replaces `old` by `new`, which it takes; either the status alone or all but the status."""
        self._check_versions(kind, old, new)
        self._keep_system_fields(kind, old, new, status=status)
        errors = list(changed_metadata_errors(old, new))
        if not status:
            kind.strategy.update(new, old)
            errors += kind.strategy.validate(new)
            errors += kind.strategy.validate_update(new, old)
            if kind.strategy.generation(new) != kind.strategy.generation(old):
                metadata(new)["generation"] = int(metadata(old).get("generation", 0)) + 1
        _raise_invalid(kind, new, errors)
        judged = [] if status else [*kind.strategy.warnings(new), *self._judge(kind, new, old, dry_run=dry_run)]
        warnings = tuple(judged)
        if _finished(new):
            return Written(new if dry_run else self._store.remove(kind, new).body, gone=True)
        if dry_run or new == old:  # a write that changes nothing takes no new version and wakes no watch
            return Written(new if dry_run else old, warnings=warnings)
        return Written(self._store.write(kind, new).body, warnings=warnings)

    def replace_unchecked(self, kind: Kind, new: Object, *, dry_run: bool) -> Written:
        """Stores what a subresource with rules of its own (binding, finalize) has made of an object."""
        if _finished(new):
            return Written(new if dry_run else self._store.remove(kind, new).body, gone=True)
        return Written(new if dry_run else self._store.write(kind, new).body)

    def _check_versions(self, kind: Kind, old: Object, new: Object) -> None:
        name, mine, theirs = name_of(old), metadata(new), metadata(old)
        uid = mine.get("uid")
        if uid and uid != theirs["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {theirs['uid']}"
            raise status_errors.conflict(kind, name, why)
        version = mine.get("resourceVersion")
        if version and version != theirs["resourceVersion"]:
            raise status_errors.modified(kind, name)
        if not version and not kind.unconditional_update:
            bad = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            by_resource = replace(kind, kind=kind.plural)  # the real server names the resource here
            raise status_errors.invalid(by_resource, name, [bad])

    def _keep_system_fields(self, kind: Kind, old: Object, new: Object, *, status: bool) -> None:
        mine, theirs = metadata(new), metadata(old)
        for field in (
            "uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp",
            "deletionGracePeriodSeconds", "generateName",
        ):  # fmt: skip
            mine.pop(field, None)
            if field in theirs:
                mine[field] = theirs[field]
        mine.pop("selfLink", None)
        if status:
            for field in [field for field in new if field not in ("metadata", "status")]:
                del new[field]
            new.update({key: value for key, value in old.items() if key not in ("metadata", "status")})
            kind.strategy.update_status(new, old)
        elif "status" in kind.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]

    def delete(self, kind: Kind, old: Object, options: DeleteOptions) -> Written:
        """Begins or finishes a deletion: at once, or after finalizers and the grace period of a running pod."""
        self.check_preconditions(kind, old, options)
        body: Object = old | {"metadata": copy_of(old["metadata"])}
        meta = metadata(body)
        finalizer = _FINALIZER_OF_POLICY.get(
            options.propagation_policy or ("Orphan" if kind.orphans_dependents else "")
        )
        for one in (finalizer, kind.deletion_finalizer):
            if one and one not in meta.get("finalizers", ()):
                meta["finalizers"] = [*meta.get("finalizers", ()), one]
        grace = _grace_seconds(kind, old, options)
        if kind is NAMESPACE and at(body, "spec.finalizers"):
            body["status"] = (body.get("status") or {}) | {"phase": "Terminating"}
            grace = 0
        elif not grace and not meta.get("finalizers"):
            if "deletionTimestamp" in meta or kind.graceful:
                self._mark_deleted(meta, grace)
                if not options.dry_run and "deletionTimestamp" not in metadata(old):
                    self._store.write(kind, body)  # the real server marks, then removes: watches see both
            return Written(body if options.dry_run else self._store.remove(kind, body).body, gone=True)
        self._mark_deleted(meta, grace)
        if body == old:
            return Written(old)
        return Written(body if options.dry_run else self._store.write(kind, body).body)

    def _mark_deleted(self, meta: Object, grace: int) -> None:
        """Sets the moment of deletion; a later request may only bring it forward."""
        if "deletionTimestamp" in meta and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return
        if "deletionTimestamp" not in meta and "generation" in meta:
            meta["generation"] += 1
        meta["deletionTimestamp"] = timestamp(self._now() + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace

    def check_preconditions(self, kind: Kind, old: Object, options: DeleteOptions) -> None:
        """Raises StatusError 409 if the object is not what a deletion wants to delete."""
        meta = metadata(old)
        for word, wanted, found, perhaps in (
            ("UID", options.uid, meta["uid"], "deleted and then recreated"),
            ("ResourceVersion", options.resource_version, meta["resourceVersion"], "modified"),
        ):
            if wanted and wanted != found:
                why = (
                    f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). "
                    f"The object might have been {perhaps}"
                )
                raise status_errors.precondition_failed(kind, name_of(old), why)


def _grace_seconds(kind: Kind, old: Object, options: DeleteOptions) -> int:
    """Only a pod that a node runs is given time; the node's kubelet ends it with grace 0."""
    if not kind.graceful or not at(old, "spec.nodeName"):
        return 0
    if at(old, "status.phase") in ("Failed", "Succeeded"):
        return 0
    if options.grace_period_seconds is not None:
        return options.grace_period_seconds
    return int(at(old, "spec.terminationGracePeriodSeconds") or 0)


def _finished(body: Object) -> bool:
    """Whether a deletion that was waiting for finalizers has nothing left to wait for."""
    meta = metadata(body)
    if not meta.get("deletionTimestamp") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not meta.get("finalizers") and not (body.get("kind") == "Namespace" and at(body, "spec.finalizers"))


def _raise_invalid(kind: Kind, body: Object, errors: Iterable[FieldError]) -> None:
    found = list(errors)
    if found:
        raise status_errors.invalid(kind, name_of(body), found)
