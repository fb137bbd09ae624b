"""events.k8s.io/v1 beside the core Event: the same objects under newer names of their fields.

As `pkg/apis/events/v1/conversion.go` of Kubernetes v1.36 names them.
"""

from dataclasses import replace

from simulator.apiserver.kind import Kind, OtherForm
from simulator.apiserver.objects import Object
from simulator.apiserver.schema import Reading, Struct, read, struct
from simulator.apiserver.strategies import events

_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_CORE_NAMES = {new: core for core, new in _NAMES.items()}
_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_LABELS = {
    **{f"regarding.{one}": f"involvedObject.{one}" for one in _REFERENCE},
    "reason": "reason",
    "type": "type",
    "reportingController": "reportingComponent",
}


def _renamed(event: Object, names: dict[str, str], api_version: str, facts: Struct) -> Object:
    found = {names.get(key, key): value for key, value in event.items() if key != "apiVersion"}
    return read({"apiVersion": api_version, **found}, facts, Reading())


def _to_core(event: Object) -> Object:
    return _renamed(event, _CORE_NAMES, "v1", struct("core/v1.Event"))


def _of_core(event: Object) -> Object:
    return _renamed(event, _NAMES, "events.k8s.io/v1", struct("events/v1.Event"))


def new_events(core: Kind) -> Kind:
    """The kind of the newer group, given the core one."""
    return replace(
        core,
        group="events.k8s.io",
        field_labels=_LABELS,
        strategy=events.NEW_EVENT,
        form_of=OtherForm(core, to_stored=_to_core, of_stored=_of_core),
    )
