"""``run``: the daemon in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal

from app.composition import open_app
from app.settings import Settings


async def run_daemon(settings: Settings) -> None:
    """Watch and work until interrupted. Raises ClusterError and StoreError at the start."""
    async with open_app(settings, hold_lease=True) as app:
        daemon = app.daemon()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        await daemon.run()
