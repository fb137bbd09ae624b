"""SQLite's files on disk: private from their first byte, in WAL mode before two processes meet in them.

What is in them concerns nobody but their owner. No function here opens a file that exists: closing it would drop
every lock that SQLite holds on it elsewhere in this process (POSIX locks belong to the process, not to the handle).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import stamina

from tools.store.port import StoreError

BUSY_SECONDS = 5.0


async def make_write_ahead(path: Path) -> None:
    """Make a SQLite file, private and in WAL mode, for a library that opens it next. Raises StoreError."""
    # In a thread: a server that watches over its event loop (LangGraph's) refuses calls that may block it.
    await asyncio.to_thread(_make_write_ahead, path)


def _make_write_ahead(path: Path) -> None:
    try:
        make_private(path)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            write_ahead(connection, path, busy_seconds=BUSY_SECONDS)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path}: cannot be opened ({error}); move it away, or free or repair what it is on"
        ) from error


def make_private(path: Path) -> None:
    """Make the file and its folder, or take the rights of others away from it, before a line of ours is in it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            path.chmod(0o600)


def write_ahead(connection: sqlite3.Connection, path: Path, *, busy_seconds: float) -> None:
    """Switch to WAL. SQLite never waits for this one lock itself, and two processes may find the file new at once.

    Raises StoreError where the file's disk cannot do it, as most network disks cannot.
    """
    for attempt in stamina.retry_context(
        on=is_busy, attempts=None, timeout=busy_seconds, wait_initial=0.005, wait_max=0.05, wait_jitter=0.02
    ):
        with attempt:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path}: what it is on cannot be shared safely (SQLite's WAL); name a file on a local disk")


def is_busy(error: Exception) -> bool:
    """Whether another process held the lock that was needed."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def primary_code(error: Exception) -> int:
    """SQLite's result code without the detail in its higher bits; 0 where the error has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return int(code) & 0xFF if code is not None else 0
