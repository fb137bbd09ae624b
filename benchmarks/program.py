"""The real program in a process of its own, as an operator runs it, and what the system says of that process."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import orjson

READY_SECONDS, STOP_SECONDS, VERIFY_SECONDS = 120.0, 15.0, 300.0
_TICKS = os.sysconf("SC_CLK_TCK")
_COMMAND = str(Path(sys.executable).with_name("k8s-auto-fixer"))
_PREFIX = "K8S_AUTO_FIXER_"


class Program:
    """One running daemon. ``started`` is what it has used up to the moment at which it watched."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._reading = asyncio.create_task(self._until_it_watches())

    async def watches(self) -> None:
        """Wait until it does. Raises RuntimeError when it has ended instead."""
        async with asyncio.timeout(READY_SECONDS):
            await asyncio.shield(self._reading)

    async def _until_it_watches(self) -> None:
        said: list[str] = []
        while self.process.stderr is not None and (line := await self.process.stderr.readline()):
            said = [*said[-20:], line.decode(errors="replace").rstrip()]
            if b'"daemon.watching"' in line:
                self._reading_on = asyncio.create_task(self._read_on())
                return
        raise RuntimeError("the program has ended before it watched:\n" + "\n".join(said))

    async def _read_on(self) -> None:
        while self.process.stderr is not None and await self.process.stderr.read(65_536):
            pass  # so that it is never held up by what it says

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_mb(self) -> float:
        """Memory that it holds now."""
        return self._memory("VmRSS:")

    @property
    def highest_mb(self) -> float:
        """The most it ever held."""
        return self._memory("VmHWM:")

    def _memory(self, field: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024, 1)

    async def stop(self, *, hard: bool = False) -> None:
        """End it: asked to, or killed."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()


@asynccontextmanager
async def program(folder: Path, kubeconfig: Mapping[str, Any], **settings: object) -> AsyncIterator[Program]:
    """``k8s-auto-fixer run`` on a store in a folder, from the moment it watches. Keys of services are not passed on."""
    file = folder / "kubeconfig.json"
    file.write_bytes(orjson.dumps(kubeconfig))
    words = {f"{_PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **words}
    process = await asyncio.create_subprocess_exec(
        *(_COMMAND, "run", "--alone", "--log-format", "json", "--kubeconfig", str(file)),
        *("--store", str(folder / "store.sqlite")),
        env=environment,
        stderr=PIPE,
        limit=2**20,
    )
    found = Program(process)
    try:
        await found.watches()
        yield found
        await found.stop()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def stored(folder: Path, query: str, *, file: str = "store.sqlite") -> list[Any]:
    """The first row of a query on the program's store, read beside it."""
    with closing(sqlite3.connect(f"file:{folder / file}?mode=ro", uri=True, timeout=10)) as connection:
        return list(connection.execute(query).fetchone())


async def audit_is_whole(folder: Path) -> bool:
    """What ``k8s-auto-fixer audit verify`` says of the store."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
    words = ("audit", "verify", "--store", str(folder / "store.sqlite"))
    process = await asyncio.create_subprocess_exec(_COMMAND, *words, env=environment, stdout=DEVNULL)
    async with asyncio.timeout(VERIFY_SECONDS):
        return await process.wait() == 0
