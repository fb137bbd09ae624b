"""What is said to people, and what a way of saying it promises.

A notice is plain text in sections; the adapter escapes it for its medium, so nobody above ever writes markup and text
from the cluster cannot become any. `send` returning means that somebody's system has taken the message; saying it
at least once, and not once per event, is the outbox's work.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Severity: TypeAlias = Literal["info", "warning", "critical"]


class NotifyError(Exception):
    """A notice was not delivered. The text is short, single-line and holds no address and no credential."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether sending the same notice later may succeed."""
        self.retry_after_seconds = retry_after_seconds
        """How long the receiver asked to be left alone; None if it did not say."""


@dataclass(frozen=True)
class Section:
    """Lines under an optional heading."""

    lines: tuple[str, ...]
    heading: str = ""
    verbatim: bool = False
    """Shown in a fixed-width block: a diff, a log, a command."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One message to a person."""

    key: str
    """Identifies the message: whoever sees the same key twice sees a repeat, not news."""
    title: str
    sections: tuple[Section, ...] = ()
    severity: Severity = "warning"
    incident: str = ""
    """The incident's id; empty for a message about the program itself."""


class Notifier(Protocol):
    """A way to reach people."""

    async def send(self, message: Notice) -> None:
        """Deliver the notice, or raise NotifyError."""
        ...
