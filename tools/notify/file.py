"""A file of JSON lines: every notice kept, for whoever looks later and for whatever reads files.

One line is one notice, written with one call and synced before `send` returns, so a crash loses nothing that was
promised; a line that an earlier crash left half-written is closed off, not continued. Incidents tell about a cluster's
insides, so the file is for its owner only (mode 0600), whatever the umask says.
"""

import asyncio
import fcntl
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tools.notify.contract import Notice, NotifyError
from tools.scrub import one_line

_OWNER_ONLY = 0o600
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def _real_now() -> datetime:
    return datetime.now(UTC)


class FileNotifier:
    """Appends notices to `path`; its folder is made if it is missing."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _real_now) -> None:
        self._path = path
        self._now = now

    async def send(self, message: Notice) -> None:
        """Append the notice; see `Notifier.send` for the promise."""
        line = json.dumps({"at": self._now().isoformat(), **asdict(message)}, ensure_ascii=True).encode() + b"\n"
        try:
            await asyncio.to_thread(_append, self._path, line)
        except OSError as error:
            raise NotifyError(f"cannot write {self._path}: {one_line(error.strerror or '', limit=120)}") from error


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, _FLAGS, _OWNER_ONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two processes may share the file; the lock ends with the descriptor
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _OWNER_ONLY:
            os.fchmod(descriptor, _OWNER_ONLY)
        _write_all(descriptor, (b"\n" if _is_torn(descriptor) else b"") + line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
