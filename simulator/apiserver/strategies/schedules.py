"""Whether a CronJob's schedule and time zone can be read, in the words of the parser that the real server uses
(github.com/robfig/cron v3, standard form).
"""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|0")
_NO_ZONE = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
_WITH_ZONE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


class _Unreadable(ValueError):
    """The message is the real parser's."""


def schedule_problems(text: str) -> Iterator[str]:
    """Why a schedule is none that a CronJob may have."""
    if "TZ" in text:
        yield _WITH_ZONE
        return
    try:
        if text.startswith("@"):
            _check_descriptor(text)
        else:
            _check_fields(text)
    except _Unreadable as error:
        yield str(error)


def _check_descriptor(text: str) -> None:
    every, spoken = text.startswith("@every "), text.removeprefix("@every ")
    if every and not _DURATION.fullmatch(spoken):
        raise _Unreadable(f'failed to parse duration {text}: time: invalid duration "{spoken}"')
    if not every and text not in _DESCRIPTORS:
        raise _Unreadable(f"unrecognized descriptor: {text}")


def _check_fields(text: str) -> None:
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise _Unreadable(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    for part, (least, most, names) in zip(parts, _FIELDS, strict=True):
        for term in filter(None, part.split(",")):
            _check_range(term, least, most, names)


def _check_range(term: str, least: int, most: int, names: tuple[str, ...]) -> None:
    span, *steps = term.split("/")
    low, *highs = span.split("-")
    start, end = least, most
    if low not in ("*", "?"):
        start = end = _number(low, least, names)
        if len(highs) > 1:
            raise _Unreadable(f"too many hyphens: {term}")
        if highs:
            end = _number(highs[0], least, names)
    if len(steps) > 1:
        raise _Unreadable(f"too many slashes: {term}")
    step = _number(steps[0], 0, ()) if steps else 1
    if steps and not highs:
        end = most
    _check_bounds(term, (start, end), (least, most))
    if not step:
        raise _Unreadable(f"step of range should be a positive number: {term}")


def _check_bounds(term: str, found: tuple[int, int], allowed: tuple[int, int]) -> None:
    (start, end), (least, most) = found, allowed
    if start < least:
        raise _Unreadable(f"beginning of range ({start}) below minimum ({least}): {term}")
    if end > most:
        raise _Unreadable(f"end of range ({end}) above maximum ({most}): {term}")
    if start > end:
        raise _Unreadable(f"beginning of range ({start}) beyond end of range ({end}): {term}")


def _number(text: str, least: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + least
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise _Unreadable(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise _Unreadable(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


def time_zone_problems(zone: str) -> Iterator[str]:
    """Why a text is no time zone."""
    if not zone:
        yield "timeZone must be nil or non-empty string"
        return
    if zone.lower() == "local":
        yield _NO_ZONE
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # what ZoneInfo raises for names it does not know or cannot read
        yield f"unknown time zone {zone}"
