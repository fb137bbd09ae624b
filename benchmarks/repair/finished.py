"""The runs so far, so that an interrupted benchmark goes on where it stopped.

One file in a folder that git ignores, of one revision: at another one everything is played again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from simulator.wordlists import SetName
from tests.prove.revision import REPOSITORY, Revision

from .run import Key, Run, Side

STATE_FILE = REPOSITORY / ".cache" / "bench-repair" / "runs.json"


class _Content(msgspec.Struct, frozen=True):
    revision: str
    runs: list[Run]


class Finished:
    """The runs by what they are of; each `add` is on disk when it returns."""

    def __init__(self, revision: Revision, *, path: Path = STATE_FILE, fresh: bool = False) -> None:
        self._revision = revision
        self._path = path
        self._runs: dict[Key, Run] = {}
        if revision.known and not fresh:
            self._runs = {run.key: run for run in self._load()}

    def has(self, key: Key) -> bool:
        """Whether that run has been made."""
        return key in self._runs

    def seeds(self, words: SetName, side: Side) -> list[int]:
        """Those of which any run of that set on that side has been made."""
        return sorted({key.seed for key in self._runs if (key.words, key.side) == (words, side)})

    def add(self, runs: Iterable[Run]) -> None:
        """Keep runs; an earlier one of the same gives way."""
        self._runs |= {run.key: run for run in runs}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        aside.write_bytes(msgspec.json.encode(_Content(str(self._revision), list(self._runs.values()))))
        aside.replace(self._path)

    def forget(self, keys: Iterable[Key]) -> None:
        """Let these be made again."""
        for key in keys:
            self._runs.pop(key, None)

    def of(self, keys: Iterable[Key]) -> list[Run]:
        """Those of the named runs that have been made, in that order."""
        return [self._runs[key] for key in keys if key in self._runs]

    def _load(self) -> list[Run]:
        """Nothing where there is no file, or one of another revision or of an older shape."""
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError):
            return []
        return content.runs if content.revision == str(self._revision) else []
