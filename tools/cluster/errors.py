"""What the API server answers when it does not do what was asked: types that say what to do next.

The text is the server's own ``Status.message``, trimmed; it never carries a token or a request body.
"""

from __future__ import annotations

from typing import Any

import orjson

from incidents.signals import clean


class ClusterError(Exception):
    """The API server refused or failed. ``code`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class NotFound(ClusterError):
    """There is no such object, or no such kind."""


class Unauthorized(ClusterError):
    """The credentials were not accepted."""


class Forbidden(ClusterError):
    """The credentials were accepted, but may not do this."""


class Conflict(ClusterError):
    """The object has moved on since it was read."""


class Invalid(ClusterError):
    """The object would not be valid, or a ``test`` operation did not hold."""


class Gone(ClusterError):
    """The resourceVersion is too old: list again."""


class Busy(ClusterError):
    """Asked to come back later. ``retry_after_seconds`` is the server's own wish."""

    def __init__(self, message: str, *, code: int, reason: str = "", retry_after_seconds: float = 1.0) -> None:
        super().__init__(message, code=code, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class ServerFailed(ClusterError):
    """The server failed on this very request; a webhook that cannot be called answers so too."""


class Unreachable(ClusterError):
    """No answer: connection refused, cut, timed out."""


class Misconfigured(ClusterError):
    """The kubeconfig cannot be used; the text names the file or field and the remedy."""


# What reading an object of an unforeseen shape raises. It costs that object, and never what watches all others.
ODD_OBJECT = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)

_BY_CODE: dict[int, type[ClusterError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def error_from(code: int, body: bytes, retry_after: str | None = None) -> ClusterError:
    """The error for an answer that is not a success."""
    status = _status(body)
    message = clean(status.get("message") or f"the API server answered {code}", 500)
    reason = clean(status.get("reason"), 64)
    if code in (429, 503, 504):
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
        return Busy(message, code=code, reason=reason, retry_after_seconds=seconds)
    error = ServerFailed if code >= 500 else _BY_CODE.get(code, ClusterError)
    return error(message, code=code, reason=reason)


def _status(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
