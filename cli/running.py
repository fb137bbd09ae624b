"""``run``: the daemon in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import structlog

from app.composition import open_app
from app.settings import Settings
from app.vitals import Heart, Signs
from scraper.daemon import Daemon
from server.health import serving
from tools.telemetry import Telemetry

log = structlog.get_logger(__name__)


async def run_daemon(settings: Settings) -> None:
    """Watch and work until interrupted. Raises ClusterError, StoreError and CannotListen at the start.

    Whatever it is doing then, it ends within ten seconds of the first SIGTERM or SIGINT, and well.
    """
    stop = _Stop()
    with _told_by_signals(stop):
        try:
            async with AsyncExitStack() as stack:
                telemetry = Telemetry()
                signs = await _show_life(stack, settings, telemetry)
                opening = open_app(settings, hold_lease=True, telemetry=telemetry, waits=signs.waits)
                app = await stack.enter_async_context(opening)
                daemon = app.daemon()
                signs.attend(daemon, app.store)
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


async def _show_life(stack: AsyncExitStack, settings: Settings, telemetry: Telemetry) -> Signs:
    """Answer probes from the first moment on: one that waits for another worker is alive, and says why it waits."""
    heart = Heart(settings.heartbeat_file)
    signs = Signs(heart, telemetry)
    await stack.enter_async_context(heart.beating())
    if settings.listen is not None:
        address = await stack.enter_async_context(serving(settings.listen, signs.vitals))
        log.info("health.serving", address=address)
    return signs
