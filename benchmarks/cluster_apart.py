"""An embedded cluster in a process of its own, as the process that measures it sees it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from simulator.api_client import ApiClient, Connection

ANSWER_SECONDS, STOP_SECONDS = 60.0, 30.0
_PROGRAM = Path(__file__).with_name("cluster_process.py")


@dataclass(frozen=True)
class ClusterApart:
    """``admin``: a client of it; ``start_seconds``: how long it took to be ready, without imports."""

    admin: ApiClient
    connection: Connection
    start_seconds: float
    process: Process

    async def usage(self) -> dict[str, float]:
        """What the process has used so far; raises RuntimeError when it has ended."""
        if self.process.stdin is not None:
            self.process.stdin.write(b"usage\n")
        found: dict[str, float] = await _answer(self.process)
        return found

    async def idle_percent(self, seconds: float) -> float:
        """How much of one core it takes while nobody asks for anything."""
        before = await self.usage()
        await asyncio.sleep(seconds)
        after = await self.usage()
        return 100 * (after["cpu_seconds"] - before["cpu_seconds"]) / seconds


@asynccontextmanager
async def cluster_apart(*, nodes: int, speed: float = 1.0) -> AsyncIterator[ClusterApart]:
    """Start one, and end it with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROGRAM), str(nodes), str(speed), stdin=PIPE, stdout=PIPE
    )
    try:
        said = await _answer(process)
        connection = Connection(said["server"], said["token"], user_agent="benchmark")
        async with ApiClient(connection) as admin:
            yield ClusterApart(admin, connection, said["start_seconds"], process)
        if process.stdin is not None:
            process.stdin.write(b"\n")
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answer(process: Process) -> Any:
    async with asyncio.timeout(ANSWER_SECONDS):
        line = await process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise RuntimeError("the cluster's process has ended; what it said is above")
    return orjson.loads(line)
