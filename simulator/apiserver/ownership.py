"""Keeping managedFields for every kind: which fields count on which path, and in which words it is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from simulator.apiserver.apply import refusal
from simulator.apiserver.field_sets import FieldSet
from simulator.apiserver.field_types import type_of
from simulator.apiserver.field_walks import NotOfType
from simulator.apiserver.kinds import Kind
from simulator.apiserver.managed_fields import ApplyConflict, FieldManager, apply, record_change
from simulator.apiserver.objects import Object, timestamp
from simulator.apiserver.status_errors import StatusError

# What a write through a path cannot change is nobody's by it: `GetResetFields` of the real strategies.
_SCALE_VERSION = "autoscaling/v1"
_NOT_STATUS: FieldSet = {"f:status": {}}
_ONLY_STATUS: FieldSet = {"f:spec": {}}
_ONLY_STATUS_OF_WORKLOADS: FieldSet = {"f:spec": {}, "f:metadata": {"f:labels": {}}}


class Ownerships:
    """`now` is the time that managers are recorded with."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now

    def record(self, kind: Kind, old: Object, new: Object, manager: FieldManager) -> None:
        """Writes into `new` who owns its fields once it takes the place of `old`; {} for a new object."""
        ignored, now = _ignored(kind, manager), timestamp(self._now())
        record_change(old, new, manager, type_of(kind), ignored=ignored, now=now)

    def record_scaling(self, kind: Kind, old: Object, new: Object, manager: FieldManager) -> None:
        """As `record`, of a change through the scale subresource; the real server tells no time for these."""
        record_change(old, new, manager, type_of(kind), ignored={}, now="")

    def apply(self, kind: Kind, live: Object, config: Object, manager: FieldManager, *, force: bool) -> Object:
        """The live object with the configuration applied. Raises StatusError 409."""
        ignored, now = _ignored(kind, manager), timestamp(self._now())
        try:
            return apply(live, config, manager, type_of(kind), force=force, ignored=ignored, now=now)
        except ApplyConflict as error:
            raise refusal(error) from error
        except NotOfType as error:  # what is stored does not fit: it is older than its schema
            raise StatusError(500, "", f"failed to create typed live object: {error}") from error

    def apply_scale(self, kind: Kind, live: Object, replicas: int, manager: FieldManager, *, force: bool) -> Object:
        """The workload with an applied Scale. Raises StatusError 409, which speaks of Scales."""
        said = {"spec": {"replicas": replicas}}
        try:
            return apply(live, said, manager, type_of(kind), force=force, ignored={}, now="")
        except ApplyConflict as error:
            told = [(replace(other, api_version=_SCALE_VERSION), path) for other, path in error.conflicts]
            raise refusal(ApplyConflict(told)) from error


def _ignored(kind: Kind, manager: FieldManager) -> FieldSet:
    if manager.subresource == "status":
        return _ONLY_STATUS_OF_WORKLOADS if kind.group == "apps" else _ONLY_STATUS
    return _NOT_STATUS if "status" in kind.subresources else {}
