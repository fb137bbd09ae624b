"""What a sandbox promises, whoever provides it.

Code in a sandbox is written by a model or by a stranger. It gets the inputs it is handed and gives back one
JSON value and what it printed; there is nothing else it can reach. A program that fails, loops or is killed
is an ordinary result (`ok` is False), because the caller goes on either way; only a sandbox that cannot run
anything at all is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


class SandboxError(Exception):
    """The sandbox itself is not usable: not started, no worker free in time, or its answer is not what was
    agreed.
    """


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one run may use. Every limit holds; the first one reached ends the run."""

    seconds: float = 2.0
    """Execution time of one run. Digesting a megabyte of log takes well under one second."""
    memory_bytes: int = 64 << 20
    recursion_depth: int = 200
    output_bytes: int = 64 << 10
    """Printed text; beyond it the run fails and what was printed so far is kept."""
    value_bytes: int = 1 << 20
    """The result, measured as JSON."""
    input_bytes: int = 4 << 20
    """All inputs together, measured as JSON: what the caller hands in is bounded as well."""


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """How one run ended."""

    ok: bool
    value: JSON = None
    """The value of the program's last expression; None unless `ok`."""
    output: str = ""
    """What it printed, bounded."""
    error: str | None = None
    """One line, bounded, in the program's own terms (`TimeoutError: ...`); None if `ok`."""
    seconds: float = 0.0
    """Wall-clock time of the run, the wait for a free worker included."""


class Sandbox(Protocol):
    """Runs Python that nobody has read."""

    async def run(self, code: str, inputs: Mapping[str, JSON]) -> SandboxResult:
        """Run `code` with `inputs` bound as its global names. Runs share nothing with each other.

        Raises SandboxError only when no program could be run.
        """
        ...
