"""Delivering queued messages at least once. A message leaves the store's outbox only when somebody has taken it."""

from __future__ import annotations

import asyncio

import structlog

from tools.notify.contract import Notifier, NotifyError
from tools.store import Store

log = structlog.get_logger(__name__)


class Outbox:
    """Hands queued messages to the notifier, oldest first, one caller at a time."""

    def __init__(self, store: Store, notifier: Notifier) -> None:
        self._store = store
        self._notifier = notifier
        self._lock = asyncio.Lock()

    async def deliver(self) -> int:
        """Try every queued message; answers how many are still waiting. A failure is logged and tried again later."""
        waiting = 0
        async with self._lock:
            for notice in await self._store.unsent():
                try:
                    await self._notifier.send(notice)
                except NotifyError as error:
                    waiting += 1
                    log.warning("outbox.waiting", incident=notice.incident, error=str(error))
                    continue
                await self._store.mark_sent(notice.key)
                log.info("outbox.delivered", incident=notice.incident, title=notice.title)
        return waiting
