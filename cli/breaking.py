"""``cluster scenarios`` and ``cluster break``: what can be broken, and breaking it where that is allowed.

A cluster is broken only if its own namespace kube-system says that it may be. The one that ``cluster start``
has made is broken at once; about any other a person is asked on a terminal, or has said ``--yes``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import orjson
import typer
from rich.console import Console
from rich.table import Table

from app.version import USER_AGENT
from cli.cluster_file import default_kubeconfig
from cli.failures import Exit, fail
from cli.sandbox_label import LABELLED_VALUE, SANDBOX_LABEL, Sandbox, sandbox_of
from cli.through import ThroughTransport
from simulator.api_client import ApiClient, ApiError
from simulator.resources import NAMESPACES
from simulator.scenario import (
    Scenario,
    ScenarioError,
    apply_break,
    apply_setup,
    load_scenario,
    load_scenarios,
    until_settled,
)
from tools.cluster.transport import Transport, connect

SETTLE_SECONDS, LOOK_SECONDS = 180.0, 0.2


def list_scenarios(*, as_json: bool) -> None:
    """Print every scenario, as a table or as JSON."""
    scenarios = load_scenarios()
    if as_json:
        typer.echo(orjson.dumps([_facts(item) for item in scenarios], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("SCENARIO", "FAMILY", "WHAT IS WRONG", "NAMESPACE"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "WHAT IS WRONG")
    for item in scenarios:
        table.add_row(item.name, item.family, item.title, item.namespace)
    Console().print(table)


def _facts(scenario: Scenario) -> dict[str, object]:
    names = ("name", "family", "title", "namespace", "demo", "embedded_only", "expected")
    return {name: getattr(scenario, name) for name in names}


async def break_scenario(name: str, *, kubeconfig: Path | None, context: str | None, yes: bool) -> int:
    """Set up, wait until it stands, break; answers the exit code. Raises ClusterError."""
    try:
        scenario = load_scenario(name)
    except ScenarioError as error:
        raise fail(str(error), Exit.UNKNOWN_NAME) from None
    chosen = _kubeconfig(kubeconfig, context)
    transport = await connect(user_agent=f"{USER_AGENT} cluster break", kubeconfig=chosen, context=context)
    try:
        client = ThroughTransport(transport)
        await _ask(await _look(client, transport), transport, scenario, yes=yes)
        await _break(client, scenario)
    except ApiError as error:
        raise fail(_advice(error, scenario), Exit.REFUSED) from None
    finally:
        await transport.aclose()
    typer.echo(_broken(scenario, chosen))
    return Exit.OK


def _kubeconfig(stated: Path | None, context: str | None) -> Path | None:
    """What was said leads; then the cluster that ``cluster start`` runs; then what kubectl would take."""
    if stated is not None or context is not None or os.environ.get("KUBECONFIG"):
        return stated
    ours = default_kubeconfig()
    return ours if ours.exists() else None


async def _look(client: ApiClient, transport: Transport) -> Sandbox:
    return sandbox_of(await client.get(NAMESPACES, "kube-system"), transport.server)


async def _ask(sandbox: Sandbox, transport: Transport, scenario: Scenario, *, yes: bool) -> None:
    """Return if the cluster may be broken; else fail with one line."""
    if sandbox is Sandbox.EMBEDDED:
        return
    server = transport.server
    if sandbox is Sandbox.NONE:
        label = f"kubectl label namespace kube-system {SANDBOX_LABEL}={LABELLED_VALUE}"
        raise fail(f"{server} is not labelled as a sandbox; if it is one: {label}", Exit.NOT_A_SANDBOX)
    if scenario.embedded_only:
        why = f"{scenario.name} is for embedded clusters only: {scenario.embedded_only}"
        raise fail(why, Exit.NOT_A_SANDBOX)
    if yes:
        return
    if not _on_a_terminal():
        raise fail(f"{server} is no embedded cluster and nobody can be asked; pass --yes", Exit.NOT_A_SANDBOX)
    question = f"Create namespace {scenario.namespace} on {server} and break what is in it?"
    if not await asyncio.to_thread(typer.confirm, question):
        raise fail("nothing was changed", Exit.NOT_A_SANDBOX)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


async def _break(client: ApiClient, scenario: Scenario) -> None:
    typer.echo(f"Setting up {scenario.name} in namespace {scenario.namespace} ...")
    await apply_setup(client, scenario)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await until_settled(client, scenario, look_seconds=LOOK_SECONDS)
    except TimeoutError:
        text = f"namespace {scenario.namespace} did not come to stand within {SETTLE_SECONDS:g} s; nothing was broken"
        raise fail(text, Exit.UNEXPECTED_OUTCOME) from None
    await apply_break(client, scenario)


def _advice(error: ApiError, scenario: Scenario) -> str:
    if error.reason != "AlreadyExists":
        return f"the API server refuses: {error.message}"
    again = f"kubectl delete namespace {scenario.namespace}"
    return f"{scenario.name} has been set up here before: {error.message}; to begin again: {again}"


def _broken(scenario: Scenario, kubeconfig: Path | None) -> str:
    option = f" --kubeconfig {kubeconfig}" if kubeconfig is not None else ""
    return (
        f"Broken: {scenario.title[0].lower()}{scenario.title[1:]}.\n"
        "\n"
        f"  kubectl{option} get events --namespace {scenario.namespace}\n"
        f"  k8s-auto-fixer run{option} --namespace {scenario.namespace} --mode auto"
    )
