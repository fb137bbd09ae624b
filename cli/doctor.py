"""``doctor``: what is configured, reachable and permitted, with the remedy beside everything that is not."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path

import msgspec
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.models import prompts_of
from app.outside import open_notifier, open_registry, open_search
from app.settings import Settings, SettingsError
from app.version import USER_AGENT, VERSION
from cli import rights
from cli.failures import Exit
from cli.model_report import Row, ask_model, model_rows, spent_today
from incidents.policy import Mode
from tools.cluster.errors import ClusterError
from tools.cluster.own_objects import OwnObjects, Permission
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect
from tools.sandbox import MontySandbox, self_test

AT_ONCE = 8  # questions to the API server, which are some ninety
_NO_ARGO = "; every object that Argo CD marks is left alone"
_NO_VERTICAL = "; no VerticalPodAutoscaler is seen, and requests that one sets may be proposed as if nobody did"
_NO_LEASE = "; whether another daemon works on this cluster is not known"
_TOLD = "; what needs it is told"

_USER_IN_URL = re.compile(r"//[^/@]*@")


async def examine(settings: Settings, *, with_question: bool = False) -> int:
    """Print the picture; exit code 0 only if the program could do its work in this mode.

    ``with_question``: the model is sent one. Raises ClusterError, SettingsError and StoreError.
    """
    console = Console()
    console.print(f"k8s-auto-fixer {VERSION}\n", highlight=False)
    _print(console, "Settings in force", list(_configured(settings)))
    rows: list[Row] = [*_services(settings), _store(settings.store), *await _refused(settings), await _sandbox()]
    if (spent := await spent_today(settings)) is not None:
        rows.append(spent)
    if with_question:
        rows.append(await ask_model(settings))
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
    """Every setting in force; of a secret only whether there is one."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        yield None, name, _shown(value)


def _shown(value: object) -> str:
    match value:
        case None | () | dict() if not value:
            return "-"
        case SecretStr():
            return "set"
        case tuple():
            return _USER_IN_URL.sub("//", ", ".join(map(str, value)))
        case StrEnum():
            return value.value
        case float():
            return f"{value:g}"
    return _USER_IN_URL.sub("//", str(value))


def _services(settings: Settings) -> Iterator[Row]:
    """Who is asked and told, and what stands in for those who are not there."""
    yield from model_rows(settings)
    tavily = settings.tavily_api_key is not None
    yield None, "search", "Tavily" if tavily else "shipped runbooks (set TAVILY_API_KEY for the web)"
    slack = settings.slack_webhook_url is not None
    yield None, "messages", "Slack" if slack else f"console and {settings.notices_file} (set SLACK_WEBHOOK_URL)"


def _store(path: Path) -> Row:
    folder = next(parent for parent in [path.parent, *path.parent.parents] if parent.exists())
    if not folder.is_dir():
        return False, "store", f"{path}: {folder} is no folder; name another with --store FILE"
    if all(os.access(target, os.W_OK) for target in (folder, path) if target.exists()):
        return True, "store", str(path)
    return False, "store", f"{path} cannot be written; name another with --store FILE"


async def _refused(settings: Settings) -> list[Row]:
    """What the daemon would refuse at its start; nothing is sent."""
    found: list[Row] = []
    async with AsyncExitStack() as stack:
        for name, used in _USED.items():
            try:
                await used(stack, settings)
            except SettingsError as error:
                found.append((False, name, str(error)))
    return found


async def _prompts(_: AsyncExitStack, settings: Settings) -> None:
    prompts_of(settings)


async def _notifier(_: AsyncExitStack, settings: Settings) -> None:
    open_notifier(settings)


_USED: Mapping[str, Callable[[AsyncExitStack, Settings], Awaitable[object]]] = {
    "prompts": _prompts,
    "registries": open_registry,
    "search": open_search,
    "messages": _notifier,
}


async def _sandbox() -> Row:
    async with MontySandbox() as sandbox:
        leaks = await self_test(sandbox)
    return not leaks, "sandbox", "; ".join(leaks) or "holds against the hostile list"


async def _cluster(transport: Transport, settings: Settings) -> list[Row]:
    reader, own = Reader(transport), OwnObjects(transport)
    rows: list[Row] = [(True, "API server", f"{reader.server}, {await reader.version()}")]
    rows.append((True, "cluster id", str(await reader.cluster_id())))
    return rows + await _rights(own, settings)


async def _rights(own: OwnObjects, settings: Settings) -> list[Row]:
    """A row for each right of the shipped roles: needed in this mode, or told what is left out without it."""
    writes = settings.mode is not Mode.OBSERVE
    needed = [*rights.READ, rights.CLUSTER_ID, *([rights.SECRET_NAMES] if settings.read_secret_keys else [])]
    needed += rights.REPAIR if writes else ()
    others = dict.fromkeys(rights.ARGO, _NO_ARGO) | dict.fromkeys(rights.VERTICAL, _NO_VERTICAL)
    others |= dict.fromkeys(rights.lease(settings.lease_namespace), _NO_LEASE)
    others |= dict.fromkeys(rights.MORE, _TOLD) if writes else {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(permission: Permission) -> Row:
        async with gate:
            return await _permitted(own, permission, settings)

    async with asyncio.TaskGroup() as group:
        asked = {one: group.create_task(ask(one)) for one in (*needed, *others)}
    return [asked[one].result() for one in needed] + [_without(asked[one].result(), others[one]) for one in others]


def _role_of(permission: Permission) -> str:
    secret = permission == rights.SECRET_NAMES
    return "deploy/secret-keys.yaml, or set read_secret_keys: false" if secret else "deploy/rbac.yaml"


def _without(row: Row, then: str) -> Row:
    good, what, how = row
    return row if good else (None, what, how + then)


async def _permitted(own: OwnObjects, permission: Permission, settings: Settings) -> Row:
    where = (permission.namespace,) if permission.namespace else settings.namespaces or ("",)
    try:
        each = [msgspec.structs.replace(permission, namespace=namespace) for namespace in where]
        refused = [one.namespace for one in each if not await own.allowed(one)]
    except ClusterError as error:
        return False, str(permission), f"cannot be asked: {error}"
    if refused:
        return (
            False,
            str(permission),
            f"not permitted in {', '.join(filter(None, refused)) or 'all namespaces'}: see {_role_of(permission)}",
        )
    return True, str(permission), "permitted"


def _print(console: Console, title: str, rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: " "}
    for good, what, how in rows:
        table.add_row(marks[good], what, escape(how))
    console.print(table)
    console.print()
