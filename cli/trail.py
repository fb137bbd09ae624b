"""Reading the audit trail: printing it, following it, and proving its chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import typer
from rich.console import Console

from app.settings import load_settings
from cli.failures import Exit
from cli.store_file import existing_store
from incidents.codec import to_json
from tools.clock import Clock
from tools.store import Store
from tools.store.audit import broken_links, cut_off
from tools.store.records import AuditRecord

FOLLOW_SECONDS = 1.0
PAGE = 1000


async def show_trail(path: Path, *, after: int, follow: bool) -> None:
    """Print the records behind ``after`` as JSON lines, and go on for ever where asked to. Raises StoreError."""
    clock = Clock()
    async with existing_store(path) as store:
        while True:
            async for record in _records(store, after):
                typer.echo(orjson.dumps(to_json(record)))
                after = record.sequence
            if not follow:
                return
            await clock.sleep(FOLLOW_SECONDS)


async def verify_trail(path: Path) -> int:
    """Say whether the chain holds; the exit code. Raises StoreError."""
    console, count, last, written_last = Console(highlight=False), 0, None, None
    broken = []
    async with existing_store(path) as store:
        head = await store.audit_head()  # first: a daemon may write more meanwhile
        async for record in _records(store, 0):
            broken += list(broken_links([record], after=last))
            last, count = record, count + 1
            written_last = record if head is not None and record.sequence == head.sequence else written_last
    missing = cut_off(head, written_last, last=last.sequence if last is not None else 0)
    broken += [missing] if missing is not None else []
    for link in broken:
        console.print(f"record {link.sequence}: {link.reason}", markup=False)
    if broken:
        console.print(f"[red]broken[/] at {len(broken)} of {count} records of {path}")
        return Exit.AUDIT_BROKEN
    shown = f", the last one has the hash {last.hash}" if last is not None else ""
    console.print(f"[green]whole[/]: {count} records{shown}", soft_wrap=True)
    return Exit.OK


async def _records(store: Store, after: int) -> AsyncIterator[AuditRecord]:
    while page := await store.audit_records(after=after, limit=PAGE):
        for record in page:
            yield record
        after = page[-1].sequence


def trail_path(store: Path | None, config: Path | None) -> Path:
    """The store that the flags or the settings name."""
    return load_settings(store=store, config=config).store
