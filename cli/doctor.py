"""``doctor``: what is configured, reachable and permitted, with the remedy beside everything that is not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.settings import Settings
from app.version import USER_AGENT, VERSION
from cli.failures import Exit
from cli.model_report import Row, ask_model, model_rows, spent_today
from incidents.policy import Mode
from tools.cluster.errors import ClusterError
from tools.cluster.own_objects import OwnObjects, Permission
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect
from tools.sandbox import MontySandbox, self_test

_READ = [
    Permission(*asked)
    for asked in (
        ("list", "", "events", ""),
        ("watch", "", "events", ""),
        ("list", "", "pods", ""),
        ("watch", "", "pods", ""),
        ("get", "", "pods", "log"),
        ("list", "", "nodes", ""),
        ("list", "", "services", ""),
        ("list", "", "persistentvolumeclaims", ""),
        ("list", "", "resourcequotas", ""),
        ("list", "apps", "deployments", ""),
        ("watch", "apps", "deployments", ""),
        ("list", "apps", "replicasets", ""),
        ("list", "apps", "controllerrevisions", ""),
        ("watch", "apps", "replicasets", ""),
        ("list", "apps", "statefulsets", ""),
        ("list", "apps", "daemonsets", ""),
        ("list", "batch", "jobs", ""),
        ("list", "batch", "cronjobs", ""),
        ("list", "autoscaling", "horizontalpodautoscalers", ""),
        ("list", "metrics.k8s.io", "pods", ""),
        ("list", "storage.k8s.io", "storageclasses", ""),
        ("list", "", "configmaps", ""),
        ("list", "", "serviceaccounts", ""),
        ("list", "", "limitranges", ""),
        ("list", "", "persistentvolumes", ""),
        ("list", "networking.k8s.io", "ingresses", ""),
        ("list", "networking.k8s.io", "ingressclasses", ""),
        ("list", "networking.k8s.io", "networkpolicies", ""),
        ("list", "policy", "poddisruptionbudgets", ""),
        ("list", "scheduling.k8s.io", "priorityclasses", ""),
        ("list", "node.k8s.io", "runtimeclasses", ""),
        ("list", "rbac.authorization.k8s.io", "roles", ""),
        ("list", "rbac.authorization.k8s.io", "rolebindings", ""),
        ("list", "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
        ("list", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""),
    )
]
_WRITE = [
    Permission(*asked)
    for asked in (
        ("patch", "apps", "deployments"),
        ("patch", "apps", "statefulsets"),
        ("patch", "apps", "daemonsets"),
        ("patch", "batch", "cronjobs"),
        ("patch", "", "services"),
        ("patch", "autoscaling", "horizontalpodautoscalers"),
        ("patch", "networking.k8s.io", "ingresses"),
        ("delete", "", "pods"),
    )
]
_MORE = [  # roles that may be left out: what needs them is told then, and not done
    Permission(*asked)
    for asked in (
        ("patch", "", "pods", ""),
        ("create", "", "pods", ""),
        ("create", "batch", "jobs", ""),
        ("delete", "batch", "jobs", ""),
        ("create", "", "persistentvolumeclaims", ""),
        ("delete", "", "persistentvolumeclaims", ""),
        ("patch", "", "persistentvolumeclaims", ""),
        ("patch", "", "nodes", ""),
        ("create", "", "pods", "eviction"),
    )
]

_SECRETS = Permission("list", "", "secrets")  # deploy/secret-keys.yaml, with the setting read_secret_keys

_USER_IN_URL = re.compile(r"//[^/@]*@")


async def examine(settings: Settings, *, with_question: bool = False) -> int:
    """Print the picture; exit code 0 only if the program could do its work in this mode.

    ``with_question``: the model is sent one. Raises ClusterError, SettingsError and StoreError.
    """
    console = Console()
    console.print(f"k8s-auto-fixer {VERSION}\n", highlight=False)
    _print(console, "Settings in force", list(_configured(settings)))
    rows: list[Row] = [*_services(settings), _store(settings.store), await _sandbox()]
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
    writes = settings.mode is not Mode.OBSERVE
    needed = [*_READ, *([_SECRETS] if settings.read_secret_keys else []), *(_WRITE if writes else [])]
    rows += [await _permitted(own, permission, settings) for permission in needed]
    return rows + [_told_instead(await _permitted(own, permission, settings)) for permission in _MORE if writes]


def _role_of(permission: Permission) -> str:
    return "deploy/secret-keys.yaml, or set read_secret_keys: false" if permission == _SECRETS else "deploy/rbac.yaml"


def _told_instead(row: Row) -> Row:
    good, what, how = row
    return row if good else (None, what, f"{how}; what needs it is told")


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
            f"not permitted in {', '.join(refused) or 'all namespaces'}: see {_role_of(permission)}",
        )
    return True, str(permission), "permitted"


def _print(console: Console, title: str, rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: " "}
    for good, what, how in rows:
        table.add_row(marks[good], what, escape(how))
    console.print(table)
    console.print()
