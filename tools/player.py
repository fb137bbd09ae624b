"""Playing what a run was told: each question gets the answer that it got then, in the order of then.

A run that decides as it did asks the same questions. Where it asks another one there is no answer that would mean
anything, and the replay ends there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from incidents.recording import Told
from tools.clock import Clock

T = TypeVar("T", bound=Told)


class Diverged(Exception):
    """The run asks for something else than it did when it was recorded; the text says what."""


class Player:
    """What one run was told, from the first entry to the last. ``began``: when the run did."""

    def __init__(self, told: Sequence[Told], began: datetime) -> None:
        self._left = deque(told)
        self.at = began

    def next(self, kind: type[T]) -> T:
        """The next entry, which has to be of this kind. Raises Diverged."""
        wanted = _word(kind)
        if not self._left:
            raise Diverged(f"it wants what is {wanted!r}, and the recording has ended")
        found = self._left[0]
        if not isinstance(found, kind):
            raise Diverged(f"it wants what is {wanted!r}, and the recording goes on with {_word(type(found))!r}")
        self._left.popleft()
        self.at = found.at
        return found

    def peek(self, kind: type[T]) -> T | None:
        """The next entry of this kind, wherever it stands."""
        return next((entry for entry in self._left if isinstance(entry, kind)), None)

    @property
    def left(self) -> tuple[str, ...]:
        """What has not been asked for."""
        return tuple(_word(type(entry)) for entry in self._left)


def _word(kind: type) -> str:
    return str(getattr(kind, "__struct_config__").tag)  # noqa: B009 - a Struct's, of which a type variable knows nothing


class PlayedClock(Clock):
    """The time of the recording, in which nobody waits."""

    def __init__(self, player: Player, speed: float) -> None:
        super().__init__(speed)
        self._player = player

    def now(self) -> datetime:
        """When what was played last was told."""
        return self._player.at

    async def sleep(self, seconds: float) -> None:
        """Over at once."""
