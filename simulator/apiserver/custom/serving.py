"""Keeping the kinds that a server serves in step with its CustomResourceDefinitions.

A new definition is accepted and served at once, in the same turn as its creation; one that is being deleted takes its
objects with it, waits for their finalizers, and goes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulator.apiserver.custom.custom_kinds import kinds_of
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.kind import Kind
from simulator.apiserver.kinds import CUSTOM_RESOURCE_DEFINITION, Registry
from simulator.apiserver.objects import Object, at, copy_of, metadata, timestamp
from simulator.apiserver.resources import Resources
from simulator.apiserver.store import Change, Store

_FINALIZER = CUSTOM_RESOURCE_DEFINITION.deletion_finalizer


class CustomResources:
    """Follows the definitions of one store."""

    def __init__(self, store: Store, registry: Registry, resources: Resources, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._registry = registry
        self._resources = resources
        self._now = now
        self._cleaning = False
        store.listen(CUSTOM_RESOURCE_DEFINITION, self._definition_changed)

    def _definition_changed(self, change: Change) -> None:
        definition = change.stored.body
        if change.type == "DELETED":
            self._withdraw(definition)
        elif "deletionTimestamp" in metadata(definition):
            self._clean(definition)
        else:
            self._serve(definition)

    def _serve(self, definition: Object) -> None:
        clash = self._clash(definition)
        if not clash:
            kinds = list(kinds_of(definition))
            group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
            self._registry.serve(group, plural, kinds)
            if kinds:
                self._store.add(kinds[0])
                self._store.listen(kinds[0], self._object_changed)
        self._tell(definition, clash)

    def _clash(self, definition: Object) -> str:
        """Why the names cannot be accepted; nothing if they can."""
        spec, names = definition["spec"], definition["spec"]["names"]
        for other in self._registry.all():
            if other.group != spec["group"] or other.plural == names["plural"]:
                continue
            if other.kind == names["kind"]:
                return f'"{names["kind"]}" is already in use'
        return ""

    def _tell(self, definition: Object, clash: str) -> None:
        """Writes the status that the real server's controllers write."""
        status = copy_of(definition.get("status") or {})
        if clash:
            conditions = [("NamesAccepted", "False", "KindConflict", clash)]
            conditions.append(("Established", "False", "NotAccepted", "not all names are accepted"))
        else:
            status["acceptedNames"] = dict(definition["spec"]["names"])
            conditions = [("NamesAccepted", "True", "NoConflicts", "no conflicts found")]
            conditions.append(("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"))
        listed = status.get("conditions") or []
        status["conditions"] = [self._condition(listed, *one) for one in conditions]
        stored = status.get("storedVersions") or []
        now_stored = [one["name"] for one in definition["spec"]["versions"] if one.get("storage")]
        status["storedVersions"] = [*stored, *(one for one in now_stored if one not in stored)]
        new = definition | {"status": status}
        if new != definition:
            self._store.write(CUSTOM_RESOURCE_DEFINITION, new)

    def _condition(self, listed: list[Any], kind: str, status: str, reason: str, message: str) -> Object:
        same = [one for one in listed if one.get("type") == kind and one.get("status") == status]
        moment = same[0]["lastTransitionTime"] if same else timestamp(self._now())
        return {
            "type": kind, "status": status, "lastTransitionTime": moment, "reason": reason, "message": message,
        }  # fmt: skip

    def _kind(self, definition: Object) -> Kind | None:
        spec = definition["spec"]
        return self._registry.any_version(spec["group"], at(definition, "spec.names.plural") or "")

    def _clean(self, definition: Object) -> None:
        """Deletes the objects; when none are left, the definition."""
        if _FINALIZER not in metadata(definition).get("finalizers", ()):
            return
        kind = self._kind(definition)
        if kind is not None and not self._emptied(kind):
            return
        meta = copy_of(metadata(definition))
        meta["finalizers"] = [one for one in meta["finalizers"] if one != _FINALIZER]
        if not meta["finalizers"]:
            del meta["finalizers"]
        self._resources.replace_unchecked(CUSTOM_RESOURCE_DEFINITION, definition | {"metadata": meta}, dry_run=False)

    def _emptied(self, kind: Kind) -> bool:
        """Asks every object to go; whether none is left."""
        self._cleaning = True  # their going must not begin another cleaning inside this one
        try:
            for stored in list(self._store.of(kind).all()):
                if "deletionTimestamp" not in metadata(stored.body):
                    self._resources.delete(kind, stored.body, DeleteOptions())
        finally:
            self._cleaning = False
        return not list(self._store.of(kind).all())

    def _object_changed(self, change: Change) -> None:
        """The last object of a definition that is waiting to go lets it go."""
        if change.type != "DELETED" or self._cleaning:
            return
        for stored in list(self._store.of(CUSTOM_RESOURCE_DEFINITION).all()):
            definition = stored.body
            group, _, _ = str(change.stored.body.get("apiVersion") or "").rpartition("/")
            mine = definition["spec"]["group"] == group
            if mine and "deletionTimestamp" in metadata(definition):
                self._clean(definition)

    def _withdraw(self, definition: Object) -> None:
        kind = self._kind(definition)
        if kind is not None:
            self._registry.withdraw(*kind.key)
            self._store.drop(kind)
