"""The store on SQLite: one file, WAL, mode 0600, safe against a crash at any instant.

It is put together of one part a concern, all over one ``Database``. The file keeps raw inverses and pruned manifests,
which is why nobody but its owner may read it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tools.store.database import Database
from tools.store.files import BUSY_SECONDS, make_private, make_write_ahead
from tools.store.port import Store
from tools.store.sqlite_incidents import IncidentTables
from tools.store.sqlite_models import ModelTables
from tools.store.sqlite_runs import RunTables
from tools.store.sqlite_upkeep import UpkeepTables

__all__ = ["SqliteStore", "make_private", "make_write_ahead", "open_store"]


class SqliteStore(IncidentTables, RunTables, ModelTables, UpkeepTables):
    """The store on one SQLite file. Open it with ``open_store``."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], steady: Callable[[], float]) -> None:
        super().__init__(database, now=now, steady=steady)
        self.path = database.path


@asynccontextmanager
async def open_store(
    path: Path,
    *,
    now: Callable[[], datetime],
    steady: Callable[[], float] = time.monotonic,
    busy_seconds: float = BUSY_SECONDS,
) -> AsyncIterator[Store]:
    """Open the store file, making or migrating it. Raises StoreError, naming the file and the remedy.

    ``steady``: seconds of a clock that all processes of the machine share and nobody can set; leases are measured
    by it. ``busy_seconds``: how long a call may wait for another process that holds the file.
    """
    database = await Database.opened(path, busy_seconds=busy_seconds)
    try:
        yield SqliteStore(database, now=now, steady=steady)
    finally:
        await database.aclose()
