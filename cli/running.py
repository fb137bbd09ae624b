"""``run``: the daemon in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import structlog

from app.composition import App, open_app
from app.settings import Settings
from app.vitals import Heart, vitals_of
from scraper.daemon import Daemon
from server.health import serving

log = structlog.get_logger(__name__)


async def run_daemon(settings: Settings) -> None:
    """Watch and work until interrupted. Raises ClusterError, StoreError and CannotListen at the start.

    Whatever it is doing then, it ends within ten seconds of the first SIGTERM or SIGINT, and well.
    """
    stop = _Stop()
    with _told_by_signals(stop):
        try:
            async with open_app(settings, hold_lease=True) as app, AsyncExitStack() as stack:
                daemon = app.daemon()
                await _show_life(stack, settings, app, daemon)
                stop.drains(daemon)
                await daemon.run()
        except asyncio.CancelledError:
            if not stop.wanted:
                raise
            log.info("daemon.stopped", because="it was told to before it watched")


class _Stop:
    """What a signal does: it drains the daemon, or ends whatever comes before there is one."""

    def __init__(self) -> None:
        self.wanted = False
        self._task = asyncio.current_task()
        self._daemon: Daemon | None = None

    def drains(self, daemon: Daemon) -> None:
        """From now on a signal drains this daemon."""
        self._daemon = daemon

    def __call__(self) -> None:
        self.wanted = True
        if self._daemon is not None:
            self._daemon.stop()
        elif self._task is not None:
            self._task.cancel()


@contextmanager
def _told_by_signals(stop: _Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _show_life(stack: AsyncExitStack, settings: Settings, app: App, daemon: Daemon) -> None:
    heart = Heart(settings.heartbeat_file)
    await stack.enter_async_context(heart.beating())
    if settings.listen is not None:
        vitals = vitals_of(daemon, app.store, heart, app.telemetry)
        address = await stack.enter_async_context(serving(settings.listen, vitals))
        log.info("health.serving", address=address)
