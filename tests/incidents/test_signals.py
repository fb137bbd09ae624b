"""From events that strangers wrote to signals that are safe to show."""

from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.signals import MESSAGE_LIMIT, MalformedEvent, clean, signal_from_event
from incidents.symptoms import Symptom
from tests.builders import NOW


def event(**fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"uid": "event-1"},
        "involvedObject": {"kind": "Pod", "name": "web-1", "namespace": "shop", "uid": "u"},
        "reason": "Failed",
        "message": "Error: ErrImagePull",
        "firstTimestamp": "2026-11-21T11:00:00Z",
        "lastTimestamp": "2026-11-21T11:30:00Z",
        "count": 4,
        **fields,
    }


def test_an_event_becomes_a_signal_about_the_object_it_names() -> None:
    found = signal_from_event(event(), now=NOW)
    assert (found.about.kind, found.about.name, found.about.namespace, found.about.uid) == ("Pod", "web-1", "shop", "u")
    assert (found.symptom, found.count, found.event_uid) == (Symptom.IMAGE_PULL, 4, "event-1")
    assert found.first_seen == datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
    assert found.last_seen == datetime(2026, 11, 21, 11, 30, tzinfo=UTC)


def test_a_series_tells_its_own_count_and_time() -> None:
    series = {"count": 9, "lastObservedTime": "2026-11-21T11:45:00.123456Z"}
    found = signal_from_event(event(series=series, count=None, lastTimestamp=None), now=NOW)
    assert found.count == 9
    assert found.last_seen == datetime(2026, 11, 21, 11, 45, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "yesterday", 7, "2026-99-01T00:00:00Z"])
def test_now_stands_in_for_times_that_cannot_be_read(value: object) -> None:
    found = signal_from_event(event(firstTimestamp=value, lastTimestamp=value, eventTime=value), now=NOW)
    assert found.first_seen == found.last_seen == NOW


@pytest.mark.parametrize("count", [None, 0, -3, "7", True, 1.5])
def test_a_count_that_is_none_counts_as_one(count: object) -> None:
    assert signal_from_event(event(count=count), now=NOW).count == 1


def test_texts_are_bounded_and_carry_no_control_or_direction_characters() -> None:
    nasty = "a\x1b[31mred\x00\u202egnp.exe\u200b\x9b" + "x" * 5000
    found = signal_from_event(event(message=nasty, reason="R\x07" * 500), now=NOW)
    assert len(found.message) == MESSAGE_LIMIT
    assert len(found.reason) == 128
    assert not set("\x1b\x00\u202e\u200b\x9b\x07") & set(found.message + found.reason)


def test_newlines_and_tabs_survive_cleaning() -> None:
    assert clean("one\ttwo\nthree\r") == "one\ttwo\nthree "


@pytest.mark.parametrize("about", [None, "web", [], {}, {"kind": "Pod"}, {"name": "web"}, {"kind": "", "name": "web"}])
def test_an_event_that_names_no_object_says_which_field_is_missing(about: object) -> None:
    with pytest.raises(MalformedEvent, match="involvedObject"):
        signal_from_event(event(involvedObject=about), now=NOW)


@pytest.mark.parametrize("field", ["series", "metadata"])
def test_a_field_of_another_shape_is_named(field: str) -> None:
    with pytest.raises(MalformedEvent, match=field):
        signal_from_event(event(**{field: "text"}), now=NOW)
