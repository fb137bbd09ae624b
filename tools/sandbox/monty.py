"""The default sandbox: monty, a Python interpreter without an operating system under it.

Sandboxed code runs in a worker process whose environment is empty and whose interpreter has no files, no
sockets, no processes and, here, no host functions either: there is nothing to filter. Limits on time,
memory, recursion and output are enforced inside the worker, and a watchdog in this process kills a worker
that does not heed them (`7**7**9` is one machine operation to the interpreter's timer), so the worst a
program can do is lose its own worker.

It runs a subset of Python (no class inheritance, no generators, no callable as a replacement in `re.sub`);
whoever writes code for it, a model included, must be told so. Full CPython is refused here on purpose.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from tools.sandbox.contract import JSON, SandboxError, SandboxLimits, SandboxResult
from tools.scrub import one_line, plain_text

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, CollectString, ResourceLimits

_ERROR_CHARACTERS = 400
_GRACE_SECONDS = 0.25  # how long a worker may overrun its own limit before it is killed
_SETTLE_SECONDS = 0.25  # see MontySandbox.__aexit__


class MontySandbox:
    """A pool of monty workers; use it as an async context manager. At most `workers` programs run at once."""

    def __init__(self, limits: SandboxLimits | None = None, *, workers: int = 4, wait_seconds: float = 30.0) -> None:
        self._limits = limits or SandboxLimits()
        self._workers = workers
        self._wait_seconds = wait_seconds
        self._pool: AsyncMonty | None = None
        self._last_printing_failure = -_SETTLE_SECONDS

    async def __aenter__(self) -> Self:
        from pydantic_monty import AsyncMonty

        pool = AsyncMonty(
            min_processes=1,
            max_processes=self._workers,
            checkout_timeout=self._wait_seconds,
            request_timeout=self._limits.seconds + 1.0,
            feed_duration_limit_grace=_GRACE_SECONDS,
            turn_duration_limit_grace=_GRACE_SECONDS,
        )
        self._pool = await pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(kind, error, trace)
        # The library's threads may still be delivering what a stopped program printed; one that does so
        # while the interpreter shuts down aborts the whole process (seen with 1.4.0). They are done within
        # milliseconds.
        await asyncio.sleep(max(0.0, self._last_printing_failure + _SETTLE_SECONDS - time.monotonic()))

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        """Run `code` in a fresh session; see `Sandbox.run` for the promise."""
        from pydantic_monty import CollectString, MontyCrashedError, MontyError

        given = self._checked(inputs)
        printed = CollectString(max_bytes=self._limits.output_bytes)
        started = time.monotonic()
        try:
            value = self._json(await self._feed(code, given, printed))
        except asyncio.CancelledError:
            self._note_failure(printed)
            raise
        except MontyCrashedError as error:
            reason = "TimeoutError: killed after its time limit" if error.timed_out else "killed by a crash"
            return self._failed(reason, printed, started)
        except MontyError as error:
            return self._failed(_reason(error), printed, started)
        except _NotJSONError as error:
            return self._failed(str(error), printed, started)
        output = _printable(printed)
        return SandboxResult(ok=True, value=value, output=output, seconds=time.monotonic() - started)

    async def _feed(self, code: str, inputs: dict[str, object], printed: "CollectString") -> object:
        if self._pool is None:
            raise SandboxError("the sandbox is not started: enter it with `async with`")
        session = self._pool.checkout(limits=self._resource_limits(), os_policy={"sleep": "zero"})
        try:
            async with session as entered:
                return await entered.feed_run(code, inputs=inputs, print_callback=printed)
        except TimeoutError as error:
            raise SandboxError(f"no sandbox worker was free within {self._wait_seconds:g} s") from error

    def _resource_limits(self) -> "ResourceLimits":
        return {
            "max_feed_duration_secs": self._limits.seconds,
            "max_turn_duration_secs": self._limits.seconds,
            "max_memory": self._limits.memory_bytes,
            "max_recursion_depth": self._limits.recursion_depth,
            "max_suspensions": 10,
            "max_total_sleep_secs": 0.0,
        }

    def _checked(self, inputs: Mapping[str, JSON]) -> dict[str, object]:
        for name in inputs:
            if not name.isidentifier():
                raise SandboxError(f"input {name!r} is not a Python name: rename it")
        try:
            size = len(json.dumps(inputs, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise SandboxError(f"inputs are not JSON: {one_line(str(error), limit=120)}") from error
        if size > self._limits.input_bytes:
            limit = self._limits.input_bytes
            raise SandboxError(f"inputs are {size} bytes as JSON, more than {limit}: shorten them")
        return dict(inputs)

    def _json(self, value: object) -> JSON:
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise _NotJSONError(f"the result is not JSON: {one_line(str(error), limit=120)}") from error
        if len(text) > self._limits.value_bytes:
            raise _NotJSONError(f"the result is larger than {self._limits.value_bytes} bytes as JSON")
        return cast(JSON, json.loads(text))

    def _failed(self, reason: str, printed: "CollectString", started: float) -> SandboxResult:
        self._note_failure(printed)
        output = _printable(printed)
        return SandboxResult(ok=False, error=reason, output=output, seconds=time.monotonic() - started)

    def _note_failure(self, printed: "CollectString") -> None:
        if printed.output:
            self._last_printing_failure = time.monotonic()


class _NotJSONError(Exception):
    """The program's value cannot leave the sandbox."""


def _reason(error: Exception) -> str:
    from pydantic_monty import MontyRuntimeError, MontySyntaxError

    if isinstance(error, MontyRuntimeError | MontySyntaxError):
        text = error.display("type-msg")  # a traceback ends with this, and it may have several lines
    else:
        text = f"{type(error).__name__}: {error}"
    return one_line(text, limit=_ERROR_CHARACTERS)


def _printable(printed: "CollectString") -> str:
    return plain_text(printed.output, keep="\n\t")
