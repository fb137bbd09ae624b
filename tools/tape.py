"""What the run that is under way is told from outside, kept in memory until it ends.

Whoever reads something outside puts it on the tape of its run. Which run that is travels in the context of the
task, because adapters are shared by all runs and know none of them; where there is no tape nothing is kept.

Putting something on the tape costs a reference: masking and writing wait for the end of the run, so that no decision
waits for its own recording. What a process that is killed had on its tapes is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TypeVar

from incidents.recording import Told

Entry = Callable[[], Told]  # how it is written down, once the run has ended
T = TypeVar("T")


class Tape:
    """One run's tape. ``now`` tells when something was told."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._entries: list[tuple[object, Entry]] = []

    def put(self, source: object, entry: Entry) -> None:
        """Keep what ``source`` was told."""
        self._entries.append((source, entry))

    def last(self, kind: type[T]) -> T | None:
        """The source of the last entry, where it is of that type: an attempt is told of piece by piece."""
        for source, _ in reversed(self._entries):
            if isinstance(source, kind):
                return source
        return None

    def told(self) -> tuple[Told, ...]:
        """Everything, written down."""
        return tuple(entry() for _, entry in self._entries)


_present: ContextVar[Tape | None] = ContextVar("tape", default=None)


def present_tape() -> Tape | None:
    """The tape of the run that this task belongs to."""
    return _present.get()


@contextmanager
def recording(tape: Tape | None) -> Iterator[Tape | None]:
    """Have everything that is told within the block put on this tape; None: on no tape."""
    token = _present.set(tape)
    try:
        yield tape
    finally:
        _present.reset(token)
