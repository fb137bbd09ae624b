"""When a CronJob should have run."""

from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.schedules import last_moments, parse_schedule

SATURDAY = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


def last(schedule: str, zone: str = "", count: int = 2) -> list[str]:
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in islice(last_moments(schedule, zone, SATURDAY), count)]


@pytest.mark.parametrize(
    ("schedule", "moments"),
    [
        ("* * * * *", ["2026-11-21 12:00", "2026-11-21 11:59"]),
        ("*/20 * * * *", ["2026-11-21 12:00", "2026-11-21 11:40"]),
        ("0 3 * * *", ["2026-11-21 03:00", "2026-11-20 03:00"]),
        ("@daily", ["2026-11-21 00:00", "2026-11-20 00:00"]),
        ("15 10 1 * *", ["2026-11-01 10:15", "2026-10-01 10:15"]),
        ("0 9 * * mon-fri", ["2026-11-20 09:00", "2026-11-19 09:00"]),
        ("0 9 * * 7", ["2026-11-15 09:00", "2026-11-08 09:00"]),
        ("0 0 1,20 * mon", ["2026-11-20 00:00", "2026-11-16 00:00"]),  # the day of the month, or that of the week
        ("0 0 29 feb *", []),
        ("5/30 8-10 * * *", ["2026-11-21 10:35", "2026-11-21 10:05"]),
    ],
)
def test_the_last_moments_of_a_schedule(schedule: str, moments: list[str]) -> None:
    assert last(schedule) == moments


def test_a_zone_moves_it() -> None:
    assert last("0 3 * * *", "America/New_York", 1) == ["2026-11-21 08:00"]


@pytest.mark.parametrize(
    "text", ["", "* * * *", "61 * * * *", "* * * * * *", "@every 5m", "a b c d e", "*/0 * * * *", "5-1 * * * *"]
)
def test_what_is_no_schedule_has_no_moments(text: str) -> None:
    assert parse_schedule(text) is None
    assert last(text) == []


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    list(islice(last_moments(text, text, SATURDAY), 3))
