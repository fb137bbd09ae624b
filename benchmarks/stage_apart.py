"""The process in which a cluster is broken (``stage.py``), as the process that measures the program sees it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

START_SECONDS, ANSWER_SECONDS, STOP_SECONDS, LINE_BYTES = 180.0, 900.0, 20.0, 2**22
_EMBEDDED, _REAL = (Path(__file__).with_name(name) for name in ("stage.py", "real_stage.py"))


class StageApart:
    """``kubeconfig``: how the program reaches the cluster, through the relay."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.kubeconfig: dict[str, Any] = {}

    async def ask(self, command: str, *arguments: object) -> Any:
        """Have something done, and wait for the answer. Raises RuntimeError when the process has ended."""
        if self._process.stdin is not None:
            self._process.stdin.write(orjson.dumps([command, *arguments], option=orjson.OPT_APPEND_NEWLINE))
        return await self.answer(ANSWER_SECONDS)

    async def answer(self, seconds: float) -> Any:
        """The next line that the process says."""
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise RuntimeError("the cluster's process has ended; what it said is above")
        return orjson.loads(line)


def stage_apart(*, nodes: int = 4, speed: float = 20.0, workloads: int = 0) -> AbstractAsyncContextManager[StageApart]:
    """Start one, and end it with the block. ``speed`` is the cluster's; the program runs at 1."""
    return _started(str(_EMBEDDED), str(nodes), str(speed), str(workloads))


def real_stage_apart() -> AbstractAsyncContextManager[StageApart]:
    """The same on the real API server that the tests start. Its binaries must have been built."""
    return _started(str(_REAL))


@asynccontextmanager
async def _started(*words: str) -> AsyncIterator[StageApart]:
    command = (sys.executable, *words)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES)
    try:
        stage = StageApart(process)
        stage.kubeconfig = await stage.answer(START_SECONDS)
        yield stage
        if process.stdin is not None:
            process.stdin.close()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
