"""One SQLite file, one connection, one thread: a transaction is one function that runs there from BEGIN to COMMIT.

That is the whole of its safety. Nothing can come between two statements of a transaction, no reader on the event
loop sees half of one, and a task that is cancelled leaves either all of it or none. Callers pass pure SQL work;
locks, deadlines, rollback and the words for what went wrong are here, once.

Every failure is a StoreError that names the file and the remedy. None of them is final: the connection stays, and the
next call works again as soon as the trouble is over.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from incidents.codec import Undecodable, decode
from tools.store.files import make_private, primary_code, write_ahead
from tools.store.port import StoreError
from tools.store.schema import MIGRATIONS, SCHEMA_VERSION

T = TypeVar("T")
Values = Sequence[object]

_WAL_BYTES = 16 * 1024 * 1024  # what the file beside the store shrinks to after a burst
_INCREMENTAL = 2  # SQLite's number for auto_vacuum = INCREMENTAL


class Rows:
    """What a transaction works with."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Values = ()) -> int:
        """Execute one statement; how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def run_each(self, statement: str, values: Sequence[Values]) -> None:
        """Execute one statement for each of many values."""
        self._connection.executemany(statement, values)

    def rows(self, query: str, values: Values = ()) -> list[tuple[object, ...]]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def texts(self, query: str, values: Values = ()) -> list[str]:
        """The first column of a query."""
        return [str(row[0]) for row in self.rows(query, values)]

    def bodies(self, query: str, values: Values, as_type: type[T]) -> list[T]:
        """The first column of a query, decoded. Raises Undecodable."""
        return [decode(body, as_type) for body in self.texts(query, values)]

    def body(self, query: str, values: Values, as_type: type[T]) -> T | None:
        """The first of them, if there is one."""
        found = self.bodies(query, values, as_type)
        return found[0] if found else None


Work = Callable[[Rows], T]


class Database:
    """The file, opened. Made by ``opened``."""

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection
        self._files: dict[Path, tuple[int, int]] = {}

    @classmethod
    async def opened(cls, path: Path, *, busy_seconds: float) -> Database:
        """Open the file, making or migrating it. Raises StoreError, naming the file and the remedy."""
        database = cls(path, busy_seconds=busy_seconds)
        try:
            await database._in_thread(database._open)
        except BaseException:  # a cancelled opening, too, must leave neither the thread nor the handle behind
            database._thread.submit(database._abandon)
            database._thread.shutdown(wait=False)
            raise
        return database

    async def write(self, work: Work[T]) -> T:
        """Run work as one transaction: all of it is on disk when this answers, or none of it is there."""
        deadline = time.monotonic() + self._busy_seconds
        return await self._in_thread(lambda: self._whole(work, deadline))

    async def read(self, work: Work[T]) -> T:
        """Run work that reads with one query."""
        deadline = time.monotonic() + self._busy_seconds
        return await self._in_thread(lambda: self._seen(work, deadline))

    async def shrink(self) -> None:
        """Give back to the disk what was deleted, a piece at a time, so that others may write in between."""
        while await self._in_thread(self._shrink_a_little):
            pass

    async def aclose(self) -> None:
        """Close the file, after what is under way."""
        with suppress(RuntimeError):  # closed already: a thread that was shut down takes nothing any more
            closed = self._thread.submit(self._close)
            self._thread.shutdown(wait=False)
            await asyncio.shield(asyncio.wrap_future(closed))

    # --- in the thread

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            future = self._thread.submit(work)
        except RuntimeError as error:
            raise StoreError(f"{self.path}: the store is closed; open it again") from error
        return await asyncio.wrap_future(future)

    def _whole(self, work: Work[T], deadline: float) -> T:
        with self._explained():
            self._prepare_to_wait(deadline)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(Rows(self._connection))
                self._connection.execute("COMMIT")
            except BaseException:  # whatever it was: nothing half-done may stay, not even the BEGIN
                self._roll_back()
                raise
            return result

    def _seen(self, work: Work[T], deadline: float) -> T:
        with self._explained():
            self._prepare_to_wait(deadline)
            return work(Rows(self._connection))

    def _prepare_to_wait(self, deadline: float) -> None:
        """Let SQLite wait for other processes until the caller's deadline, however long the thread was busy."""
        self._still_there()
        left = max(0.0, deadline - time.monotonic())
        self._connection.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")

    def _still_there(self) -> None:
        """SQLite would go on writing into a file that has no name any more, and lose all of it at the end."""
        for path, opened in self._files.items():
            try:
                present = _which(path)
            except FileNotFoundError as error:
                raise StoreError(
                    f"{path}: the store's file was taken away while in use; put it back, or restart to begin anew"
                ) from error
            if present != opened:
                raise StoreError(f"{path}: the store's file was replaced while in use; restart to use the new one")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # a transaction whose disk failed is undone by SQLite when it is read next
                self._connection.execute("ROLLBACK")

    def _shrink_a_little(self) -> bool:
        with self._explained():
            self._prepare_to_wait(time.monotonic() + self._busy_seconds)
            self._connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()
            (left,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            return bool(left) and self._number("auto_vacuum") == _INCREMENTAL

    def _close(self) -> None:
        with self._explained():
            self._connection.close()

    def _abandon(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    # --- opening

    def _open(self) -> None:
        try:
            make_private(self.path)
            self._connection = sqlite3.connect(self.path, timeout=self._busy_seconds, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{self.path}: the store cannot be opened ({error}); name another with --store FILE"
            ) from error
        with self._explained():
            self._prepare()
        ahead = self.path.with_name(self.path.name + "-wal")  # what was written last is only there
        self._files = {path: _which(path) for path in (self.path, ahead)}

    def _prepare(self) -> None:
        version = self._number("user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by a newer version of this program (schema {version}); upgrade,"
                " or name another with --store FILE"
            )
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file with nothing in it yet
        write_ahead(self._connection, self.path, busy_seconds=self._busy_seconds)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        self._migrate()
        if self._number("auto_vacuum") != _INCREMENTAL:
            self._make_shrinkable()

    def _migrate(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")  # two processes may find the store old at once
        try:
            for number in range(self._number("user_version"), SCHEMA_VERSION):
                for statement in MIGRATIONS[number]:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")
            self._connection.execute("COMMIT")
        except BaseException:  # a store is of the old version or of the new one
            self._roll_back()
            raise

    def _make_shrinkable(self) -> None:
        """Rewrite a file of version 1 so that it can give room back."""
        with suppress(sqlite3.Error):  # no room for a second copy, or in use: it only stays as big as it was
            self._connection.execute("VACUUM")

    def _number(self, pragma: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {pragma}").fetchone()
        return int(value)

    # --- what went wrong, in words

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, Undecodable) as error:
            raise StoreError(f"{self.path}: {self._remedy(error)}") from error

    def _remedy(self, error: Exception) -> str:
        match primary_code(error):
            case sqlite3.SQLITE_FULL:
                return f"the disk is full ({error}); free some of it, the store goes on by itself"
            case sqlite3.SQLITE_IOERR:
                return f"the disk cannot be read or written ({error}); see to it, the store goes on by itself"
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return (
                    f"another process has held the store for {self._busy_seconds:g} s ({error});"
                    " let it finish or end it, the store goes on by itself"
                )
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return f"the store may not be written ({error}); make the file and its folder writable for this user"
            case sqlite3.SQLITE_CANTOPEN:
                return f"the store cannot be opened ({error}); name another with --store FILE"
        return f"not a usable store ({error}); move it away or name another with --store FILE"


def _which(path: Path) -> tuple[int, int]:
    """Which file it is that has a name now."""
    found = path.stat()
    return found.st_dev, found.st_ino
