"""Every request the server answered: who, with what, to what, with which answer; the embedded
counterpart of an audit log.

The judge and the tests decide from it who changed what. Memory is bounded by a number of records and a
number of bytes of kept bodies; what no longer fits is forgotten oldest first, and `forgotten` says so. A request that
a fault cut off before it was looked at has code 499; one that was carried out has its own code, answered or not.
"""

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

_RECORDS = 100_000
_BODY_BYTES = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request. `verb` is the Kubernetes verb; `body` what a write sent, else None."""

    time: datetime
    user: str
    user_agent: str
    verb: str
    method: str
    path: str
    query: dict[str, str]
    code: int
    body: bytes | None = None

    @property
    def body_digest(self) -> str:
        """SHA-256 of the body in hex; empty without one."""
        return hashlib.sha256(self.body).hexdigest() if self.body else ""

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"


class RequestLog:
    """Append on the server's thread, read from any."""

    def __init__(self, *, records: int = _RECORDS, body_bytes: int = _BODY_BYTES) -> None:
        self._records: deque[RequestRecord] = deque()
        self._most_records = records
        self._most_bytes = body_bytes
        self._bytes = 0
        self._lock = Lock()
        self.forgotten = 0

    def add(self, record: RequestRecord) -> None:
        with self._lock:
            self._records.append(record)
            self._bytes += len(record.body or b"")
            while len(self._records) > self._most_records or self._bytes > self._most_bytes:
                dropped = self._records.popleft()
                self._bytes -= len(dropped.body or b"")
                self.forgotten += 1

    def records(self) -> list[RequestRecord]:
        """A copy of what is remembered, oldest first."""
        with self._lock:
            return list(self._records)
