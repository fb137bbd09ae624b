"""The store of a command that looks at what there is: one that is not there is said so, never made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from cli.failures import Exit, fail
from tools.clock import Clock
from tools.store import Store
from tools.store.sqlite import open_store


def no_store(path: Path, hint: str = "") -> typer.Exit:
    """Print that there is none, and the remedy; raise what this answers."""
    return fail(f"there is no store at {path}; name another with --store FILE{hint}", Exit.STORE)


@asynccontextmanager
async def existing_store(path: Path) -> AsyncIterator[Store]:
    """The store at a path. Raises StoreError; where there is no such file, one line says so."""
    if not path.exists():  # noqa: ASYNC240 - one stat before anything else runs
        raise no_store(path)
    async with open_store(path, now=Clock().now) as store:
        yield store
