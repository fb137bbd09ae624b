"""Answers that a model has once given, kept in a JSON file and given again.

A request is answered by the recording of the very same question, each recording once and in order, the last of them for
ever. A loose cassette falls back on the next recording with the same schema and tools: prompts hold names and times
that differ between runs. Keys are never kept: they stand in headers, and of those only the type of the answer is.
"""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import msgspec

from tests.openai_server.asked import Asked

VERSION = 1
_UPSTREAM_SECONDS = 120.0


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer."""

    digest: str
    names: tuple[str, ...]
    status: int
    content_type: str
    body: str


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    version: int = VERSION
    taken: tuple[Taken, ...] = ()


class Cassette:
    """Plays a tape."""

    def __init__(self, tape: Tape, *, loose: bool = False) -> None:
        self._tape = tape
        self._loose = loose
        self._played: set[int] = set()

    def play(self, asked: Asked) -> Taken | None:
        """The answer to a request; None where there is none."""
        exact = [n for n, taken in enumerate(self._tape.taken) if taken.digest == asked.digest]
        found = exact or ([n for n, t in enumerate(self._tape.taken) if set(t.names) == asked.names] * self._loose)
        fresh = [n for n in found if n not in self._played]
        if not found or (not exact and not fresh):
            return None
        chosen = fresh[0] if fresh else found[-1]
        self._played.add(chosen)
        return self._tape.taken[chosen]


class Recorder:
    """Asks a real server, and keeps what it says. `save` writes the file."""

    def __init__(self, upstream: str, *, key: str = "") -> None:
        self._upstream = upstream.rstrip("/")
        self._key = key
        self._taken: list[Taken] = []
        self._session: aiohttp.ClientSession | None = None

    async def take(self, asked: Asked) -> Taken:
        """Pass a request on, and keep the answer. The caller's own key is passed on where there is no other."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_UPSTREAM_SECONDS))
        url = self._upstream + asked.path.removeprefix("/v1")
        headers = {"Authorization": f"Bearer {self._key or asked.key}"}
        async with self._session.post(url, json=asked.body, headers=headers) as answer:
            taken = Taken(
                digest=asked.digest,
                names=tuple(sorted(asked.names)),
                status=answer.status,
                content_type=answer.content_type,
                body=(await answer.read()).decode(errors="replace"),
            )
        self._taken.append(taken)
        return taken

    def save(self, path: Path) -> None:
        """Write everything that was kept."""
        tape = Tape(taken=tuple(self._taken))
        path.write_text(json.dumps(msgspec.to_builtins(tape), indent=1) + "\n", encoding="utf-8")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def load_cassette(path: Path, *, loose: bool = False) -> Cassette:
    """A cassette from its file. Raises ValueError that names what is wrong with it."""
    try:
        tape = msgspec.json.decode(path.read_bytes(), type=Tape)
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(f"{path}: not a cassette ({error}); record one with --record") from error
    if tape.version != VERSION:
        raise ValueError(f"{path}: a cassette of version {tape.version}; this server plays version {VERSION}")
    return Cassette(tape, loose=loose)
