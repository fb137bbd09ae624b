"""The program under test as a user runs it on a real cluster: its command, its ServiceAccount, what it asked for.

Owns: the rights it gets (deploy/rbac.yaml and nothing more, but for the optional role where that is wanted), the
process, and its lines in the audit log.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.scenario_runs import Incidents
from tools.store.sqlite import open_store

from .components import Component, ControlPlaneError
from .harness import ControlPlane

NAME = "k8s-auto-fixer"
USER = f"system:serviceaccount:{NAME}:{NAME}"
RBAC = Path(__file__).resolve().parents[2] / "deploy" / "rbac.yaml"
SECRET_KEYS = RBAC.with_name("secret-keys.yaml")
OPTIONAL = (RBAC.with_name("service-accounts.yaml"), RBAC.with_name("storage.yaml"))  # what it may be granted besides
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_COMMAND = Path(sys.executable).with_name(NAME)
_START_SECONDS, _COMMAND_SECONDS = 60.0, 120.0
_END_SECONDS = 10.0  # from SIGTERM
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Request:
    """One answered request, of the audit log; the judge reads these."""

    user: str
    user_agent: str
    verb: str
    resource: str
    namespace: str
    path: str
    code: int
    dry_run: bool
    body: bytes | None
    time: datetime


class Program:
    """The installed command with a kubeconfig for its ServiceAccount, its store and its log in one folder.

    ``settings`` are in its environment; without any it runs with those it ships with. ``secret_keys``: with the
    optional role, and the setting that goes with it. Its token is good for an hour.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        secret_keys: bool = False,
    ) -> None:
        control_plane.apply(RBAC.read_text())
        if secret_keys:
            control_plane.apply(SECRET_KEYS.read_text())
        self.token = control_plane.service_account_token(NAME, NAME)
        self.folder = folder
        self.store = folder / "store.sqlite"
        self.notices = folder / "notices.jsonl"
        self.exit_code: int | None = None  # of `running`, once it has ended
        self._kubeconfig = control_plane.kubeconfig(self.token)
        self.settings = {**(settings or {}), **({"K8S_AUTO_FIXER_READ_SECRET_KEYS": "true"} if secret_keys else {})}

    def command(self, *args: str, store: Path | None = None) -> list[str | Path]:
        return [_COMMAND, *args, "--kubeconfig", self._kubeconfig, "--store", store or self.store]

    @property
    def _environment(self) -> dict[str, str]:
        """PATH and little else: no setting and no key of the developer reaches it."""
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.settings}

    def once(self, *args: str, store: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command of it to its end."""
        return subprocess.run(
            self.command(*args, store=store),
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Incidents]:
        """`run --mode auto` with its settings, from when it watches until SIGTERM has ended it.

        Raises ControlPlaneError with the end of its log if it does not get there.
        """
        command = self.command("run", "--mode", "auto")
        process = Component(NAME, command, folder=self.folder, environ=self._environment)
        try:
            await _until_it_watches(process)
            async with open_store(self.store, now=lambda: datetime.now(UTC)) as store:
                yield store.incidents
        finally:
            process.stop(grace_seconds=_END_SECONDS)
            self.exit_code = process.exit_code

    def logged(self) -> list[dict[str, Any]]:
        """The lines that `running` has logged."""
        lines = (self.folder / f"{NAME}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


async def _until_it_watches(process: Component) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while '"daemon.watching"' not in process.log.read_text():
                if process.exit_code is not None:
                    raise ControlPlaneError(f"the program ended at its start\n{process.tail()}")
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise ControlPlaneError(f"the program does not watch\n{process.tail()}") from None


def requests_of(events: Iterable[dict[str, Any]]) -> list[Request]:
    """Audit events as requests; of a body that the policy left out, None.

    A watch or a log has an event when its answer starts and one when it ends: it is one request.
    """
    first = {event["auditID"]: event for event in reversed(list(events))}
    return [_request(event) for event in reversed(first.values())]


def _request(event: dict[str, Any]) -> Request:
    url, about = urlsplit(event["requestURI"]), event.get("objectRef") or {}
    body, subresource = event.get("requestObject"), about.get("subresource")
    return Request(
        user=(event.get("user") or {}).get("username", ""),
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource=about.get("resource", "") + (f"/{subresource}" if subresource else ""),
        namespace=about.get("namespace", ""),
        path=url.path,
        code=int((event.get("responseStatus") or {}).get("code", 0)),
        dry_run="All" in parse_qs(url.query).get("dryRun", ()),
        body=json.dumps(body).encode() if body is not None else None,
        time=datetime.fromisoformat(event["requestReceivedTimestamp"]),
    )
