"""Where a store can be kept, and how to open it there: the conformance suite runs once for each of them.

Another implementation of the port joins the suite by one more entry in ``PLACES``.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from tests.builders import NOW
from tests.clocks import FakeClock
from tools.store import Store
from tools.store.sqlite import open_store


class Clocks:
    """A wall clock that may be set, and the steady one beside it, which may not."""

    def __init__(self) -> None:
        self.wall = FakeClock()
        self._seconds = 1000.0

    def steady(self) -> float:
        return self._seconds

    def pass_(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall.advance(seconds)
        self._seconds += seconds

    def set_wall(self, by: timedelta) -> None:
        """Somebody sets the time of day."""
        self.wall.advance(by.total_seconds())

    def restart_machine(self) -> None:
        """The steady clock begins anew."""
        self._seconds = 1.0


class Place:
    """One place: every opening of it leads to the same store."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "store.sqlite"
        self.clocks = Clocks()

    def elsewhere(self) -> "Place":
        """Another place of the same kind."""
        return Place(self.path.parent / "elsewhere")

    def open(self) -> AbstractAsyncContextManager[Store]:
        """Open it as one more process would."""
        return open_store(self.path, now=self.clocks.wall.now, steady=self.clocks.steady)


PLACES: dict[str, Callable[[Path], Place]] = {"sqlite": Place}

LATER = NOW + timedelta(hours=1)
