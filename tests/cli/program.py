"""The program as a process of its own, with an environment that holds nothing of whoever runs the tests."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDS_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """What it said to its user on stderr, log lines aside."""
        return [line for line in self.err.splitlines() if line.startswith("k8s-auto-fixer: ")]


def environment(home: Path, **variables: str) -> Mapping[str, str]:
    """An environment with a home of its own."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "LC_ALL": "C.UTF-8", **variables}


class Program:
    """A running program; its stderr is kept as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._out = asyncio.create_task(self._read_out())
        self._err = asyncio.create_task(self._read_err())

    async def _read_out(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()

    async def _read_err(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))

    async def logged(self, event: str) -> dict[str, Any]:
        """The first log line of that event, once there is one."""
        async with asyncio.timeout(ENDS_SECONDS):
            while True:
                for line in self.lines:
                    if line.startswith("{") and (found := json.loads(line)).get("event") == event:
                        return dict(found)
                if self.process.returncode is not None:
                    raise AssertionError("\n".join(self.lines))
                await asyncio.sleep(0.02)

    async def ended(self) -> Ended:
        """How it ended."""
        async with asyncio.timeout(ENDS_SECONDS):
            code = await self.process.wait()
            out, _ = await asyncio.gather(self._out, self._err)
        return Ended(code, out, "\n".join(self.lines))


@asynccontextmanager
async def started(*arguments: str, home: Path, **variables: str) -> AsyncIterator[Program]:
    """Start the program; it is killed at the end if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        *arguments,
        cwd=home,
        env=environment(home, **variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    program = Program(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await program.ended()


async def run(*arguments: str, home: Path, **variables: str) -> Ended:
    """Run the program to its end."""
    async with started(*arguments, home=home, **variables) as program:
        return await program.ended()
