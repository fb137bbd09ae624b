"""The results so far, so that an interrupted proof goes on where it stopped.

One file in a folder that git ignores. It is of one revision: at another one everything is run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from .results import Result, Side
from .revision import REPOSITORY, Revision

STATE_FILE = REPOSITORY / ".cache" / "prove" / "results.json"


class _Content(msgspec.Struct, frozen=True):
    revision: str
    results: list[Result]


class Finished:
    """The results by scenario and side; each `add` is on disk when it returns."""

    def __init__(self, revision: Revision, *, path: Path = STATE_FILE, fresh: bool = False) -> None:
        self._revision = revision
        self._path = path
        self._results: dict[tuple[str, Side], Result] = {}
        if revision.known and not fresh:
            self._results = {(item.scenario, item.side): item for item in self._load()}

    def get(self, scenario: str, side: Side) -> Result | None:
        """The result of one scenario on one side, if it has been run."""
        return self._results.get((scenario, side))

    def forget(self, scenarios: Iterable[str], sides: Iterable[Side]) -> None:
        """Drop results, so that these are run again."""
        wanted = list(sides)
        for name in scenarios:
            for side in wanted:
                self._results.pop((name, side), None)

    def add(self, results: Iterable[Result]) -> None:
        """Keep results; an earlier one of the same scenario and side gives way."""
        self._results |= {(item.scenario, item.side): item for item in results}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        aside.write_bytes(msgspec.json.encode(_Content(str(self._revision), list(self._results.values()))))
        aside.replace(self._path)

    def _load(self) -> list[Result]:
        """Nothing where there is no file, or one of another revision or of an older shape."""
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError):
            return []
        return content.results if content.revision == str(self._revision) else []
