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
_SHOWN_CHANGES = (ChangeState.PREPARED, ChangeState.SENT, ChangeState.APPLIED, ChangeState.KEPT)
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


def vitals_of(daemon: Daemon, store: Store, heart: Heart, telemetry: Telemetry) -> Vitals:
    """What is asked of one daemon and its store."""

    async def healthy() -> Answer:
        since = heart.seconds_since
        return since < DEAD_SECONDS, f"last heartbeat {since:.0f} s ago"

    async def ready() -> Answer:
        if not daemon.ready.is_set():
            return False, "not watching yet"
        try:
            await store.identity()
        except StoreError:
            return False, "the store cannot be written; the log says why"
        return True, "watching"

    async def counts() -> Mapping[str, Mapping[str, float]]:
        return await stored(store)

    return Vitals(healthy=healthy, ready=ready, counts=counts, registry=telemetry.registry)


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
