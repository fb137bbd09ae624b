"""The signs of life of a running daemon: what its probes and its scraper are told, and the file it touches."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from incidents.changes import ChangeState
from incidents.decisions import RequestState
from incidents.incident import Status
from scraper.daemon import Daemon
from server.health import Answer, Vitals
from tools.store import Store, StoreError
from tools.telemetry import Telemetry

BEAT_SECONDS = 5.0
DEAD_SECONDS = 60.0  # without a beat: twelve missed ones are no busy moment
STARTING = "starting"
_SHOWN_CHANGES = (
    ChangeState.PREPARED,
    ChangeState.SENT,
    ChangeState.APPLIED,
    ChangeState.KEPT,
    ChangeState.UNDOING,
)
_SHOWN_INCIDENTS = (Status.OPEN, Status.WAITING, Status.HANDED_OVER)

log = structlog.get_logger(__name__)


class Heart:
    """Beats while the event loop turns, and touches a file for those who cannot ask over HTTP."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._last = time.monotonic()

    @property
    def seconds_since(self) -> float:
        """How long ago it beat last."""
        return time.monotonic() - self._last

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beat while the block runs."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            self._last = time.monotonic()
            if self._file is not None:
                try:
                    await asyncio.to_thread(self._touch, self._file)
                except OSError as error:
                    log.warning("heartbeat.unwritten", file=str(self._file), because=str(error))
            await asyncio.sleep(BEAT_SECONDS)

    @staticmethod
    def _touch(file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


class Signs:
    """What a daemon answers from its first moment on: while there is none to ask yet, what it waits for."""

    def __init__(self, heart: Heart, telemetry: Telemetry) -> None:
        self._heart = heart
        self._telemetry = telemetry
        self._waits_for = STARTING
        self._at_work: tuple[Daemon, Store] | None = None

    def waits(self, what: str) -> None:
        """Say what it waits for before it can work."""
        self._waits_for = what

    def attend(self, daemon: Daemon, store: Store) -> None:
        """From now on there is a daemon to ask, and the store that it works on."""
        self._at_work = daemon, store

    @property
    def vitals(self) -> Vitals:
        """What is asked over HTTP."""
        return Vitals(healthy=self._healthy, ready=self._ready, counts=self._counts, registry=self._telemetry.registry)

    async def _healthy(self) -> Answer:
        since = self._heart.seconds_since
        return since < DEAD_SECONDS, f"last heartbeat {since:.0f} s ago"

    async def _ready(self) -> Answer:
        if self._at_work is None:
            return False, self._waits_for
        daemon, store = self._at_work
        if not daemon.ready.is_set():
            return False, "not watching yet"
        try:
            await store.identity()
        except StoreError:
            return False, "the store cannot be written; the log says why"
        return True, "watching"

    async def _counts(self) -> Mapping[str, Mapping[str, float]]:
        return await stored(self._at_work[1]) if self._at_work is not None else {}


async def stored(store: Store) -> dict[str, dict[str, float]]:
    """What the store holds now, by state; nothing when it cannot be read."""
    try:
        incidents = Counter(one.status.value for one in await store.incidents(*_SHOWN_INCIDENTS, limit=100_000))
        changes = Counter(one.state.value for one in await store.changes_in(*_SHOWN_CHANGES))
        unsent = len(await store.unsent())
        asked = len(await store.requests(RequestState.OPEN))
    except StoreError:
        return {"store": {"usable": 0.0}}
    return {
        "incidents": {state.value: float(incidents[state.value]) for state in _SHOWN_INCIDENTS},
        "changes_unfinished": {state.value: float(changes[state.value]) for state in _SHOWN_CHANGES},
        "messages": {"unsent": float(unsent)},
        "approvals": {"open": float(asked)},
        "store": {"usable": 1.0},
    }
