"""How long a request may take: the `timeout` of its query, a minute at most.

As the filters of k8s.io/apiserver (`request_deadline.go`, `timeout.go`): what has not been answered by then is answered
with 504 and goes no further, so that a write does not land late; a watch or a log may take as long as it likes. Times
are real seconds, whatever the cluster's speed, as they are the client's.
"""

import re
from collections.abc import Mapping

from simulator.apiserver.call import Answer
from simulator.apiserver.rbac import Attributes
from simulator.apiserver.status_errors import bad_request

LONGEST_SECONDS = 60.0
_LONG_VERBS = frozenset({"watch", "proxy"})
_LONG_SUBRESOURCES = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_NANOSECONDS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_MESSAGE = "Timeout: request did not complete within the allotted timeout"


class _NotADuration(ValueError):
    """The message is that of Go's `time.ParseDuration`."""


def allowed_seconds(query: Mapping[str, str], wanted: Attributes) -> float | None:
    """How long the request may take; None if it has no end. Raises StatusError 400 for a `timeout` that is none."""
    if wanted.verb in _LONG_VERBS or wanted.subresource in _LONG_SUBRESOURCES:
        return None
    asked = query.get("timeout")
    if not asked:
        return LONGEST_SECONDS
    try:
        seconds = _duration_seconds(asked)
    except _NotADuration as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from error
    return min(seconds, LONGEST_SECONDS) if seconds > 0 else LONGEST_SECONDS


def out_of_time() -> Answer:
    """The filter writes its Status by itself, past what gives others their kind and content type."""
    body = {"metadata": {}, "status": "Failure", "message": _MESSAGE, "reason": "Timeout", "details": {}, "code": 504}
    made = Answer.of(body, 504)
    return Answer(made.body + b"\n", 504, "text/plain; charset=utf-8")


def _duration_seconds(text: str) -> float:
    """As Go reads durations ("1.5s", "1m30s", "0"). Raises _NotADuration."""
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total = 0.0
    while (match := _NUMBER.match(rest)) is not None:
        number, unit = match.groups()
        if not unit:
            raise _NotADuration(f'time: missing unit in duration "{text}"')
        if unit not in _NANOSECONDS:
            raise _NotADuration(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _NANOSECONDS[unit]
        rest = rest[match.end() :]
        if not rest:
            return sign * total / 1e9
    raise _NotADuration(f'time: invalid duration "{text}"')
