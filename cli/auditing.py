"""``audit``: who did what to which object and why, as JSON lines, and whether the chain of them still holds."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cli.failures import clear_failures
from cli.options import Config, StoreFile

audit_app = typer.Typer(help="The audit trail: every change, decision and switch.", no_args_is_help=True)


@audit_app.command("show")
def show(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on as new records are written")] = False,
    after: Annotated[int, typer.Option(min=0, help="only records behind this number")] = 0,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Print the records as JSON lines, oldest first, for a log collector or jq."""
    from cli.trail import show_trail, trail_path

    with clear_failures():
        asyncio.run(show_trail(trail_path(store, config), after=after, follow=follow))


@audit_app.command("verify")
def verify(store: StoreFile = None, config: Config = None) -> None:
    """Say whether every record is what was written and follows from the one before."""
    from cli.trail import trail_path, verify_trail

    with clear_failures():
        raise typer.Exit(asyncio.run(verify_trail(trail_path(store, config))))
