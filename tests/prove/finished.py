"""The results so far, so that an interrupted proof goes on where it stopped.

One file in a folder that git ignores. It is of one revision: at another one everything is run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from .killing import Killed, Killing
from .results import Result, Side
from .revision import REPOSITORY, Revision

STATE_FILE = REPOSITORY / ".cache" / "prove" / "results.json"


class _Content(msgspec.Struct, frozen=True):
    revision: str
    results: list[Result]
    killed: list[Killed] = []


class Finished:
    """The results by scenario and side; each `add` is on disk when it returns."""

    def __init__(self, revision: Revision, *, path: Path = STATE_FILE, fresh: bool = False) -> None:
        self._revision = revision
        self._path = path
        self._results: dict[tuple[str, Side], Result] = {}
        self._killed: dict[Killing, Killed] = {}
        if revision.known and not fresh and (content := self._load()) is not None:
            self._results = {(item.scenario, item.side): item for item in content.results}
            self._killed = {item.killing: item for item in content.killed}

    @property
    def killed(self) -> list[Killed]:
        """What came of the incidents at each of whose places the daemon was killed."""
        return list(self._killed.values())

    def get(self, scenario: str, side: Side) -> Result | None:
        """The result of one scenario on one side, if it has been run."""
        return self._results.get((scenario, side))

    def forget(self, scenarios: Iterable[str], sides: Iterable[Side]) -> None:
        """Drop results, so that these are run again."""
        wanted = list(sides)
        for name in scenarios:
            for side in wanted:
                self._results.pop((name, side), None)

    def forget_killed(self) -> None:
        """Drop what came of all killing."""
        self._killed.clear()

    def add(self, results: Iterable[Result]) -> None:
        """Keep results; an earlier one of the same scenario and side gives way."""
        self._results |= {(item.scenario, item.side): item for item in results}
        self._write()

    def add_killed(self, killed: Killed) -> None:
        """The same for what came of killing; an earlier one of the same gives way."""
        self._killed[killed.killing] = killed
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        content = _Content(str(self._revision), list(self._results.values()), self.killed)
        aside.write_bytes(msgspec.json.encode(content))
        aside.replace(self._path)

    def _load(self) -> _Content | None:
        """None where there is no file, or one of another revision or of an older shape."""
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return content if content.revision == str(self._revision) else None
