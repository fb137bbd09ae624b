"""``case``: everything that an incident's decisions rested on, as a file, and whether the same is decided again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import Exit, clear_failures, fail
from cli.options import Config, StoreFile
from tools.scrub import plain_text

if TYPE_CHECKING:
    from app.replay import Replayed
    from incidents.recording import Case

LINES_SHOWN = 60  # of one difference

case_app = typer.Typer(help="One incident as a file, and replaying it.", no_args_is_help=True)


@case_app.command("export")
def export(
    incident: Annotated[str, typer.Argument(help="its id, or the beginning of it; see `incidents`")],
    out: Annotated[Path | None, typer.Option("-o", "--output", help="the file; without it, standard output")] = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Write everything that an incident's decisions rested on to one JSON file. Secrets are masked."""
    with clear_failures():
        asyncio.run(_export(incident, out, store=store, config=config))


@case_app.command("replay")
def replay(file: Annotated[Path, typer.Argument(help="what `case export` has written")]) -> None:
    """Decide a recorded incident again, without cluster or key; 19 if anything is decided otherwise."""
    from app.case_file import CaseError, read_case
    from app.logs import configure_logging
    from app.replay import replay as run_again

    configure_logging(quiet=True)
    try:
        case = read_case(file)
    except CaseError as error:
        raise fail(str(error), Exit.BAD_CASE) from None
    with clear_failures():
        raise typer.Exit(_told(case, asyncio.run(run_again(case))))


async def _export(incident: str, out: Path | None, *, store: Path | None, config: Path | None) -> None:
    from app.case_file import CaseError, case_of, write_case, written
    from app.settings import load_settings
    from cli.case import find_incident
    from cli.store_file import existing_store

    settings = load_settings(store=store, config=config)
    async with existing_store(settings.store) as opened:
        found = await find_incident(opened, incident)
        if found is None:
            raise fail(f"the store {settings.store} has no incident {incident!r}", Exit.UNKNOWN_NAME)
        case = await case_of(opened, found)
    if out is None:
        typer.echo(written(case), nl=False)
        return
    try:
        write_case(case, out)
    except CaseError as error:
        raise fail(str(error), Exit.BAD_CASE) from None
    typer.echo(f"{out}: {len(case.runs)} runs of {plain_text(case.incident.title)}", err=True)
    for remark in case.remarks:
        typer.echo(f"  {plain_text(remark)}", err=True)


def _told(case: Case, replayed: Replayed) -> int:
    """Say what came of it; the exit code."""
    for remark in (*case.remarks, *replayed.remarks):
        typer.echo(f"note: {plain_text(remark)}")
    for difference in replayed.differences:
        typer.echo(f"run {difference.run}, step {difference.step}: {plain_text(difference.what)}")
        for line in difference.lines[:LINES_SHOWN]:
            typer.echo(f"  {plain_text(line)}")
        if len(difference.lines) > LINES_SHOWN:
            typer.echo(f"  ({len(difference.lines) - LINES_SHOWN} more lines)")
    count = f"{replayed.steps} decisions in {replayed.runs} runs of {plain_text(case.incident.title)}"
    if replayed.differences:
        typer.secho(f"{count}: decided otherwise", fg=typer.colors.RED)
        return Exit.DECIDED_OTHERWISE
    typer.secho(f"{count}: the same, byte for byte", fg=typer.colors.GREEN)
    return Exit.OK
