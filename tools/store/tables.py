"""What the parts of the SQLite store share: the database, the clocks, and writing a line into the audit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from incidents.codec import decode, encode, to_json
from tools.store.audit import GENESIS, linked
from tools.store.database import Database, Rows

AUDIT_HEAD = "audit-head"  # where the last record's number and hash are kept, so that a trail cut short shows


class Tables:
    """Some of the store's tables. ``now`` is the time of day; ``steady`` is seconds that no clock's change moves."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], steady: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._steady = steady

    def _audited(self, rows: Rows, step: str, **detail: Any) -> None:
        """Append one audit record, within the transaction of what it tells of."""
        said = decode(encode(to_json(detail)), dict)  # as it will be read: the hash is over that
        last = rows.rows("SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1")
        given = rows.rows("SELECT seq FROM sqlite_sequence WHERE name = 'audit'")  # never given twice, deleted or not
        record = linked(
            int(str(given[0][0])) + 1 if given else 1,
            self._now(),
            step,
            said,
            previous=str(last[0][0]) if last else GENESIS,
        )
        rows.run(
            "INSERT INTO audit (sequence, at, step, detail, previous, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (record.sequence, record.at.isoformat(), step, encode(said), record.previous, record.hash),
        )
        head = (AUDIT_HEAD, f"{record.sequence} {record.hash}")
        rows.run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", head)


def kept_once(rows: Rows, name: str) -> str:
    """A random word of the store's own, made when it is first asked for."""
    rows.run("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, secrets.token_hex(16)))
    return rows.texts("SELECT value FROM meta WHERE key = ?", (name,))[0]


def marks(values: Sequence[object]) -> str:
    """As many question marks as there are values, for ``IN (...)``."""
    return ", ".join("?" * len(values))
