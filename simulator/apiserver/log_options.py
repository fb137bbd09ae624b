"""What a request for a log may ask: numbers, a time, a stream; with the real server's refusals (`PodLogOptions`)."""

from collections.abc import Iterator, Mapping

from simulator.apiserver import status_errors
from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value
from simulator.apiserver.kind import Kind
from simulator.apiserver.objects import parse_time

_OPTIONS = Kind("", "v1", "PodLogOptions", "podlogoptions")
_LAYOUT = "2006-01-02T15:04:05Z07:00"


def check_log_options(name: str, query: Mapping[str, str]) -> None:
    """Raises StatusError 400 for what cannot be read, 422 for what makes no sense."""
    numbers = {word: _number(query[word]) for word in ("tailLines", "sinceSeconds", "limitBytes") if query.get(word)}
    since = query.get("sinceTime", "")
    if since and parse_time(since) is None:
        text = f'parsing time "{since}" as "{_LAYOUT}": cannot parse "{since}" as "2006"'
        raise status_errors.bad_request(text)
    errors = list(_errors(numbers, since, query.get("stream", "")))
    if errors:
        raise status_errors.invalid(_OPTIONS, name, errors)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise status_errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _errors(numbers: Mapping[str, int], since: str, stream: str) -> Iterator[FieldError]:
    if numbers.get("tailLines", 0) < 0:
        yield invalid_value("tailLines", numbers["tailLines"], "must be greater than or equal to 0")
    if numbers.get("limitBytes", 1) < 1:
        yield invalid_value("limitBytes", numbers["limitBytes"], "must be greater than 0")
    if since and "sinceSeconds" in numbers:
        yield forbidden_field("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    elif numbers.get("sinceSeconds", 1) < 1:
        yield invalid_value("sinceSeconds", numbers["sinceSeconds"], "must be greater than 0")
    if stream:
        yield forbidden_field("stream", "may not be specified")
