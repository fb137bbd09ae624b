"""``doctor``: what is configured, reachable and permitted, with the remedy beside everything that is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.settings import Settings
from app.version import USER_AGENT, VERSION
from cli.failures import Exit
from incidents.policy import Mode
from tools.cluster.errors import ClusterError
from tools.cluster.own_objects import OwnObjects, Permission
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect
from tools.sandbox import MontySandbox, self_test

_READ = [
    Permission(verb, group, resource, subresource)
    for verb, group, resource, subresource in (
        ("list", "", "events", ""),
        ("watch", "", "events", ""),
        ("list", "", "pods", ""),
        ("get", "", "pods", "log"),
        ("list", "", "nodes", ""),
        ("list", "apps", "deployments", ""),
        ("list", "apps", "replicasets", ""),
    )
]
_WRITE = [Permission("patch", "apps", "deployments")]

Row = tuple[bool | None, str, str]  # fine, not fine or neither; what; how it stands


async def examine(settings: Settings) -> int:
    """Print the picture; exit code 0 only if the program could do its work in this mode. Raises ClusterError."""
    console = Console()
    console.print(f"k8s-auto-fixer {VERSION}\n", highlight=False)
    rows: list[Row] = [*_configured(settings), _store(settings.store), await _sandbox()]
    _print(console, "Here", rows)
    transport = await connect(
        user_agent=USER_AGENT,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        in_cluster=settings.in_cluster,
    )
    try:
        cluster = await _cluster(transport, settings)
    finally:
        await transport.aclose()
    _print(console, "Cluster", cluster)
    fine = all(good is not False for good, _, _ in [*rows, *cluster])
    return Exit.OK if fine else Exit.REFUSED


def _configured(settings: Settings) -> Iterator[Row]:
    yield None, "mode", settings.mode.value
    yield None, "namespaces", ", ".join(settings.namespaces) or f"all but {', '.join(settings.excluded_namespaces)}"
    yield None, "grace, settle", f"{settings.grace_seconds:g} s, {settings.settle_seconds:g} s"
    model = f"{settings.model} at {settings.openai_base_url or 'OpenAI'}"
    has_model = settings.openai_api_key is not None or settings.openai_base_url is not None
    yield None, "model", model if has_model else "none: routing by rule (set OPENAI_API_KEY or OPENAI_BASE_URL)"
    tavily = settings.tavily_api_key is not None
    yield None, "search", "Tavily" if tavily else "shipped runbooks (set TAVILY_API_KEY for the web)"
    slack = settings.slack_webhook_url is not None
    yield None, "messages", "Slack" if slack else f"console and {settings.notices_file} (set SLACK_WEBHOOK_URL)"
    yield None, "registries", ", ".join(settings.registries) or "none may be asked"


def _store(path: Path) -> Row:
    folder = next(parent for parent in [path.parent, *path.parent.parents] if parent.exists())
    target = path if path.exists() else folder
    if os.access(target, os.W_OK):
        return True, "store", str(path)
    return False, "store", f"{path} cannot be written; name another with --store FILE"


async def _sandbox() -> Row:
    async with MontySandbox() as sandbox:
        leaks = await self_test(sandbox)
    return not leaks, "sandbox", "; ".join(leaks) or "holds against the hostile list"


async def _cluster(transport: Transport, settings: Settings) -> list[Row]:
    reader, own = Reader(transport), OwnObjects(transport)
    rows: list[Row] = [(True, "API server", f"{reader.server}, {await reader.version()}")]
    rows.append((True, "cluster id", str(await reader.cluster_id())))
    wanted = [*_READ, *(_WRITE if settings.mode is not Mode.OBSERVE else [])]
    return rows + [await _permitted(own, permission, settings) for permission in wanted]


async def _permitted(own: OwnObjects, permission: Permission, settings: Settings) -> Row:
    where = settings.namespaces or ("",)
    try:
        refused = [
            namespace
            for namespace in where
            if not await own.allowed(
                Permission(permission.verb, permission.group, permission.resource, permission.subresource, namespace)
            )
        ]
    except ClusterError as error:
        return False, str(permission), f"cannot be asked: {error}"
    if refused:
        return (
            False,
            str(permission),
            f"not permitted in {', '.join(refused) or 'all namespaces'}: see deploy/rbac.yaml",
        )
    return True, str(permission), "permitted"


def _print(console: Console, title: str, rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: " "}
    for good, what, how in rows:
        table.add_row(marks[good], what, escape(how))
    console.print(table)
    console.print()
