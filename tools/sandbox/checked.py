"""A sandbox that is opened and put to the test when it is first needed, and refuses to run if anything leaks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from tools.sandbox.contract import JSON, SandboxError, SandboxResult
from tools.sandbox.hostile import self_test
from tools.sandbox.monty import MontySandbox


class CheckedSandbox:
    """Costs nothing until the first program; an async context manager that owns what it opens."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._open: MontySandbox | None = None
        self._leaks: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = None
        await self._stack.aclose()

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        """Run a program. Raises SandboxError when the self-test found a leak, whatever the program."""
        async with self._lock:
            if self._open is None:
                try:
                    sandbox = await self._stack.enter_async_context(MontySandbox())
                except OSError as error:
                    raise SandboxError(f"the sandbox cannot be started: {error}") from error
                self._leaks = await self_test(sandbox)
                self._open = sandbox
        if self._leaks:
            raise SandboxError(f"the sandbox does not hold, nothing is run in it: {'; '.join(self._leaks)[:300]}")
        return await self._open.run(code, inputs)
