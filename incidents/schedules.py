"""When a CronJob should have run: the last moments of a schedule before now.

Only to tell that one has stopped, so what cannot be read (an odd zone, ``@every``) has no moments rather than
wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS_SEARCHED = 800  # the 29th of February aside, every schedule that ever comes comes within them
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),
)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A cron schedule as sets of numbers. Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # day and weekday are both restricted: one of them is enough

    def runs_on(self, day: date) -> bool:
        """Whether it runs at all on a day."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either else in_month and in_week


def parse_schedule(text: str) -> Schedule | None:
    """Read a schedule of five fields or a macro; None if it is neither."""
    fields = _MACROS.get(text.strip().lower(), text).lower().split()
    if len(fields) != len(_FIELDS):
        return None
    try:
        sets = [_field(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
    except ValueError:
        return None
    minutes, hours, days, months, weekdays = sets
    return Schedule(
        minutes=tuple(sorted(minutes, reverse=True)),
        hours=tuple(sorted(hours, reverse=True)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        either=not any(field.startswith(("*", "?")) for field in (fields[2], fields[4])),
    )


def last_moments(text: str, zone: str, now: datetime) -> Iterator[datetime]:
    """The moments of a schedule up to ``now``, latest first; none where schedule or zone cannot be read."""
    schedule = parse_schedule(text)
    try:
        local = now.astimezone(ZoneInfo(zone) if zone else UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return
    if schedule is None:
        return
    for back in range(DAYS_SEARCHED):
        day = local.date() - timedelta(days=back)
        if not schedule.runs_on(day):
            continue
        for hour in schedule.hours:
            for minute in schedule.minutes:
                moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=local.tzinfo)
                if moment <= local:
                    yield moment.astimezone(UTC)


def _field(text: str, low: int, high: int, names: Mapping[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = int(step_text) if step_text else 1
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = _number(begin, names)
            last = _number(end, names) if dash else (high if step_text else first)
        if step < 1 or not low <= first <= last <= high:
            raise ValueError(part)
        found.update(range(first, last + 1, step))
    return found


def _number(text: str, names: Mapping[str, int]) -> int:
    return names[text] if text in names else int(text)
