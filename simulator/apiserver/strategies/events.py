"""Events: what makes one valid, in either of its groups (`pkg/apis/core/validation/events.go` of Kubernetes v1.36).

An event with an eventTime is held to the rules of the newer API through whichever group it comes; that it has one, and
that what is reported does not change, only events.k8s.io insists.
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, immutable, invalid_value, required
from simulator.apiserver.names import qualified_name_problems
from simulator.apiserver.objects import Object, at, namespace_of
from simulator.apiserver.strategies.strategy import Strategy

_MISMATCH = "does not match event.namespace"
_LONGEST, _LONGEST_MESSAGE = 128, 1024
_REPORTED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reportingComponent",
    "reportingInstance", "type", "eventTime", "action", "related",
)  # fmt: skip
_INTERNAL_NAMES = {"reportingComponent": "reportingController"}


def _errors(event: Object, *, reporter: str) -> Iterator[FieldError]:
    about, own = str(at(event, "involvedObject.namespace") or ""), namespace_of(event)
    if not event.get("eventTime"):
        if about != own and not (not about and own == "default"):
            yield invalid_value("involvedObject.namespace", about, _MISMATCH)
        return
    if not about and own not in ("default", "kube-system"):
        yield invalid_value("involvedObject.namespace", about, _MISMATCH)
    controller = str(event.get("reportingComponent") or "")
    if not controller:
        yield required(reporter)
    yield from (invalid_value(reporter, controller, problem) for problem in qualified_name_problems(controller))
    for field in ("reportingInstance", "action", "reason"):
        if not event.get(field):
            yield required(field)
        elif len(str(event[field])) > _LONGEST:
            yield invalid_value(field, "", f"can have at most {_LONGEST} characters")
    if len(str(event.get("message") or "")) > _LONGEST_MESSAGE:
        yield invalid_value("message", "", f"can have at most {_LONGEST_MESSAGE} characters")


def _validate(event: Object) -> Iterator[FieldError]:
    yield from _errors(event, reporter="reportingComponent")


def _validate_new(event: Object) -> Iterator[FieldError]:
    yield from _errors(event, reporter="reportingController")
    if not event.get("metadata", {}).get("resourceVersion"):
        yield from _validate_first(event)


def _validate_first(event: Object) -> Iterator[FieldError]:
    """Of an event that was not there before."""
    yield from _series_errors(event)
    if not event.get("eventTime"):
        yield required("eventTime")
    if event.get("type") not in ("Normal", "Warning"):
        yield invalid_value("type", "", f"has invalid value: {event.get('type') or ''}")
    for field in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(field):
            yield invalid_value(field, "", "needs to be unset")


def _series_errors(event: Object) -> Iterator[FieldError]:
    series = event.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield invalid_value("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield required("series.lastObservedTime")


def _validate_new_update(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("series") != old.get("series"):
        yield from _series_errors(new)
    for field in _REPORTED:
        if (new.get(field) or None) != (old.get(field) or None):
            yield immutable(_INTERNAL_NAMES.get(field, field), new.get(field))


EVENT = Strategy(validate=_validate)
NEW_EVENT = Strategy(validate=_validate_new, validate_update=_validate_new_update)
