"""The schedule of a CronJob: five fields, or one of the @ words. Pure; times of day are those of a zone.

The grammar is that of robfig/cron's standard parser, which Kubernetes v1.36 uses: lists, ranges, steps, names of
months and days, ``?`` for ``*``, and @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @every.
A day fits when day of month and day of week fit, or either of them if neither is ``*``.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_HORIZON_DAYS = 366 * 5
_EVERY = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s))+")


class ScheduleError(ValueError):
    """The text is no schedule; the message says which part is wrong."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Schedule:
    """What ``parse`` understood."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: tzinfo
    every: timedelta | None = None

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than ``after`` (UTC), None when there is none in the next five years."""
        if self.every is not None:
            return after.replace(microsecond=0) + self.every
        local = after.astimezone(self.zone)
        for offset in range(_HORIZON_DAYS):
            day = local.date() + timedelta(days=offset)
            if self._fits(day):
                for moment in self._moments(day):
                    if moment > after:
                        return moment
        return None

    def _fits(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month and in_week if self.any_day or self.any_weekday else in_month or in_week

    def _moments(self, day: date) -> list[datetime]:
        """The day's moments in order; a time of day that the clocks skip does not happen."""
        found = []
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = datetime.combine(day, time(hour, minute), self.zone)
                moment = local.astimezone(UTC)
                if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    found.append(moment)
        return found


def zone_of(name: str | None) -> tzinfo:
    """The time zone of that name; UTC without one. Raises ScheduleError."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def parse(text: str, zone: tzinfo = UTC) -> Schedule:
    """Read a schedule. Raises ScheduleError."""
    if text.startswith("@every "):
        nothing: frozenset[int] = frozenset()
        return Schedule(nothing, nothing, nothing, nothing, nothing, True, True, zone, _duration(text[7:].strip()))
    if text.startswith("@") and text not in _WORDS:
        raise ScheduleError(f"unrecognized descriptor: {text}")
    parts = _WORDS.get(text, text).split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]")
    minutes, hours, days, months, weekdays = (_field(*pair) for pair in zip(parts, _FIELDS, strict=True))
    return Schedule(minutes, hours, days, months, weekdays, _is_any(parts[2]), _is_any(parts[4]), zone)


def _is_any(text: str) -> bool:
    return any(part in ("*", "?", "*/1", "?/1") for part in text.split(","))


def _field(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(text: str, field: _Field) -> range:
    span, _, step_text = text.partition("/")
    if "/" in step_text:
        raise ScheduleError(f"too many slashes: {text}")
    step = _number(step_text, _Field("step", 1, 1000)) if "/" in text else 1
    if span in ("*", "?"):
        return range(field.low, field.high + 1, step)
    first, dash, last = span.partition("-")
    start = _number(first, field)
    end = _number(last, field) if dash else (field.high if "/" in text else start)
    if start < field.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({field.low}): {text}")
    if end > field.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({field.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step < 1:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _number(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    if not text.isdecimal():
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _duration(text: str) -> timedelta:
    if not _EVERY.fullmatch(text):
        raise ScheduleError(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|m|s)", text))
    return timedelta(seconds=max(1, int(seconds)))
