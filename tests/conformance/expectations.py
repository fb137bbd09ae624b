"""How a refusal is stated: the code, the reason, the words, and the fields it blames."""

from __future__ import annotations

from typing import Any

from .client import Answer

REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    406: "NotAcceptable", 409: "Conflict", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests",
    504: "Timeout",
}  # fmt: skip


def expect_refusal(answer: Answer, code: int, message: str, *, reason: str | None = None, starts: bool = False) -> None:
    """Fails unless the answer is a Failure Status of that code, its usual reason (or `reason`), and those words.

    With `starts` the message may go on after them.
    """
    assert isinstance(answer.body, dict), f"{answer.code}: {answer.body}"
    assert answer.body.get("kind") == "Status", f"{answer.code}: {answer.body}"
    said = answer.body["message"]
    assert (said[: len(message)] if starts else said) == message
    assert answer.code == code
    assert answer.body["code"] == code
    assert answer.body.get("reason") == (reason or REASONS[code])
    assert answer.body["status"] == "Failure"


def causes(answer: Answer) -> list[tuple[str, str]]:
    """(field, reason) of every cause, in the order given."""
    found: list[Any] = (answer.body.get("details") or {}).get("causes", [])
    return [(cause.get("field", ""), cause["reason"]) for cause in found]
