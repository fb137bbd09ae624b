"""From a raw Warning event to a Signal: one normalised, immutable hint about one object.

An event is a hint, never the truth: whoever decides reads the world again. Everything in it was written by
strangers, so texts are bounded and stripped of control characters here, once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from incidents.objects import Manifest, ObjectRef, Uid
from incidents.symptoms import Symptom, symptom_of

MESSAGE_LIMIT = 1024  # characters; the API server itself allows 1024 for an event's message
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Source(StrEnum):
    """Where a signal came from."""

    EVENT = "event"
    WORDS = "words"
    REQUEST = "request"
    SWEEP = "sweep"


class MalformedEvent(ValueError):
    """An event that names no object or carries unreadable fields; the text names the field."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One normalised hint that something is wrong with one object."""

    about: ObjectRef
    reason: str
    symptom: Symptom
    message: str
    first_seen: datetime
    last_seen: datetime
    count: int = 1
    source: Source = Source.EVENT
    event_uid: Uid = Uid("")


def clean(text: object, limit: int = MESSAGE_LIMIT) -> str:
    """Untrusted text as one bounded string without control or direction characters."""
    text = str(text or "")
    return _CONTROL.sub(" ", text)[:limit] if not text.isprintable() else text[:limit]


def signal_from_event(event: Manifest, *, now: datetime) -> Signal:
    """Normalise a core/v1 Event.

    ``now`` stands in for timestamps the event lacks. Raises MalformedEvent when it names no object or cannot be
    read.
    """
    about = event.get("involvedObject")
    if not isinstance(about, dict) or not about.get("kind") or not about.get("name"):
        raise MalformedEvent("involvedObject: an event has to name the kind and name of an object")
    reason, message = clean(event.get("reason"), 128), clean(event.get("message"))
    series, metadata = _fields(event, "series"), _fields(event, "metadata")
    last = _time(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime"), now)
    return Signal(
        about=ObjectRef(
            api_version=clean(about.get("apiVersion") or "v1", 253),
            kind=clean(about["kind"], 63),
            namespace=clean(about.get("namespace"), 63),
            name=clean(about["name"], 253),
            uid=Uid(clean(about.get("uid"), 64)),
        ),
        reason=reason,
        symptom=symptom_of(reason, message),
        message=message,
        first_seen=_time(event.get("firstTimestamp") or event.get("eventTime"), last),
        last_seen=last,
        count=_count(series.get("count") or event.get("count")),
        event_uid=Uid(clean(metadata.get("uid"), 64)),
    )


def _fields(event: Manifest, field: str) -> Manifest:
    found = event.get(field) or {}
    if not isinstance(found, Mapping):
        raise MalformedEvent(f"{field}: an event has an object there, not {clean(type(found).__name__, 40)}")
    return found


def _time(value: object, default: datetime) -> datetime:
    if not isinstance(value, str):
        return default
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return default
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 1
