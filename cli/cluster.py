"""``cluster``: an embedded cluster to try things on, and the scenarios by which one breaks something in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.failures import clear_failures

cluster_app = typer.Typer(
    help="Run an embedded cluster, and break something in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@cluster_app.command()
def start(
    nodes: Annotated[int, typer.Option(min=0, max=250, help="how many nodes")] = 3,
    speed: Annotated[float, typer.Option(min=0.1, max=50, help="how many times faster than real time")] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the API server; 0 takes a free one")] = 0,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="where to write its kubeconfig; without it a file of its own")
    ] = None,
) -> None:
    """Run an embedded cluster until interrupted."""
    from cli.embedded import run_cluster

    with clear_failures():
        raise typer.Exit(run_cluster(nodes=nodes, speed=speed, port=port, kubeconfig=kubeconfig))


@cluster_app.command()
def scenarios(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """List what `cluster break` can break."""
    from cli.breaking import list_scenarios

    list_scenarios(as_json=as_json)


@cluster_app.command("break")
def break_(
    scenario: Annotated[str, typer.Argument(help="one of `cluster scenarios`")],
    kubeconfig: Annotated[
        Path | None, typer.Option(help="kubeconfig file; without it KUBECONFIG, then that of `cluster start`")
    ] = None,
    context: Annotated[str | None, typer.Option(help="context of the kubeconfig; without it the current one")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask (the cluster must be labelled as a sandbox)")] = False,
) -> None:
    """Break something: in an embedded cluster at once, in another sandbox after asking."""
    from cli.breaking import break_scenario

    with clear_failures():
        raise typer.Exit(asyncio.run(break_scenario(scenario, kubeconfig=kubeconfig, context=context, yes=yes)))
