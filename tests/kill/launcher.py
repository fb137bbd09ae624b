"""The real daemon in a process of its own, which can be told at which commit of its store it has to die.

The program has no hook for that: what is wrapped here is the store's port, between the program and its store. The
process is forked from one that has imported everything and done nothing else (no thread, no event loop), because a
few hundred starts are needed and an import costs more than all the rest. What a start is to do comes in as plain
values; what came of it is seen from outside: its exit code, its files, and the API server's log.
"""

from __future__ import annotations

import asyncio
import faulthandler
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial, wraps
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes.aio.client.api_client
import kubernetes.aio.config  # noqa: F401 - as the one above: imported late by the program, and once for all here
import msgspec

import app.composition
import cli.running
import remediation.outcomes
import tools.cluster.writer
from app.composition import open_app, policy_of
from app.logs import configure_logging
from app.settings import Settings
from incidents.decisions import Decision, DecisionKind, RequestState
from incidents.incident import Status
from incidents.policy import Policy
from tools.clock import Clock
from tools.store import Store, StoreError
from tools.store.sqlite import open_store

LOOK_SECONDS = 0.05
# What changes nothing. Everything else that the port has, or will have, counts as a commit.
_READS = """
    incident incident_of incidents rounds evidence latest_evidence timeline change changes changes_in changes_since
    request requests requests_of undelivered decisions switch good_revisions images lease_holders unsent messages
    audit_records sole_worker path aclose
"""
READS = frozenset(_READS.split())


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start of the daemon.

    ``commit``: the number of the commit at which it dies, 0 for none; ``before``: right before it, else right after.
    ``counted_from``: the commit of that name is the first; empty for the very first of all.
    ``refused``: how many commits from that one on the store refuses instead, as on a full disk; nobody dies then.
    ``until_ended``: stop by SIGTERM once nothing is left to be done. ``landing``: how many seconds the API server
    is given for a write, and after how many it has landed or never will; None for what the program ships with.
    """

    kubeconfig: Path
    folder: Path
    speed: float
    settings: dict[str, Any]
    commit: int = 0
    before: bool = False
    counted_from: str = ""
    refused: int = 0
    until_ended: bool = True
    landing: tuple[int, float] | None = None
    rounds: int | None = None  # fewer than the policy's own make a shorter story

    @property
    def store(self) -> Path:
        return self.folder / "store.sqlite"

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    @property
    def was_refused(self) -> Path:
        """A file that is there once a commit was refused."""
        return self.folder / "was-refused"


class Deadly:
    """The store's port; at one of its commits the process ends, or the disk is full for a while."""

    def __init__(self, store: Store, start: Start) -> None:
        self._store = store
        self._start = start
        self._commits = 0
        self._counts = not start.counted_from

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return found if name in READS else self._counted(found)

    def _counted(self, commit: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(commit)
        async def counted(*args: Any, **named: Any) -> Any:
            self._counts = self._counts or commit.__name__ == self._start.counted_from
            self._commits += self._counts
            if 0 <= self._commits - self._start.commit < self._start.refused:
                self._start.was_refused.touch()
                raise StoreError(f"{self._start.store}: the disk is full")
            due = self._counts and self._commits == self._start.commit and not self._start.refused
            if due and self._start.before:
                die()
            answer = await commit(*args, **named)
            if due:
                die()
            return answer

        return counted


def die() -> None:
    """End this process as a power cut would: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


def launched(start: Start) -> ForkServerProcess:
    """Start the daemon in a process of its own."""
    start.folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=daemon, args=(start,), daemon=True)
    process.start()
    return process


def daemon(start: Start) -> None:
    """What the process does: ``run``, with its log in a file and nothing of the environment of whoever tests."""
    log = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(log, stream)
    faulthandler.enable()  # a crash of the interpreter says in the log where it was
    for name in list(os.environ):
        if name not in ("PATH", "LANG", "LC_ALL"):
            del os.environ[name]
    os.environ["HOME"] = str(start.folder)
    if start.landing is not None:
        tools.cluster.writer.SERVER_SECONDS, remediation.outcomes.LANDING_SECONDS = start.landing
    configure_logging(form="json")
    asyncio.run(_run(start))


async def _run(start: Start) -> None:
    @asynccontextmanager
    async def opened(path: Path, **named: Any) -> AsyncIterator[Any]:
        async with open_store(path, **named) as store:
            yield Deadly(store, start)

    app.composition.open_store = opened  # type: ignore[assignment]  # the port, with a counter in between
    if start.rounds is not None:
        app.composition.policy_of = partial(_shortened, policy_of, start.rounds)  # type: ignore[assignment]
    cli.running.open_app = partial(open_app, speed=start.speed)  # type: ignore[attr-defined]  # the cluster's time
    settings = Settings(kubeconfig=start.kubeconfig, store=start.store, **start.settings)
    onlooker = asyncio.create_task(_stop_once_ended(start)) if start.until_ended else None
    try:
        await cli.running.run_daemon(settings)
    finally:
        if onlooker is not None:
            onlooker.cancel()
            await asyncio.gather(onlooker, return_exceptions=True)


def _shortened(policy_of: Callable[[Settings], Policy], rounds: int, settings: Settings) -> Policy:
    policy = policy_of(settings)
    return msgspec.structs.replace(policy, bounds=msgspec.structs.replace(policy.bounds, rounds=rounds))


async def _stop_once_ended(start: Start) -> None:
    """A person beside the program: approves what is asked, and stops it once nothing is left to be done."""
    clock = Clock()
    async with open_store(start.store, now=clock.now) as store:
        while not await _over(store, leases=not start.refused):
            await _approve(store)
            await clock.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


async def _over(store: Store, *, leases: bool) -> bool:
    incidents = await store.incidents()
    ended = bool(incidents) and all(one.status in (Status.CLOSED, Status.HANDED_OVER) for one in incidents)
    return ended and not await store.unsent() and not (leases and await store.lease_holders())


async def _approve(store: Store) -> None:
    for asked in await store.requests(RequestState.OPEN):
        yes = Decision(
            id=str(uuid4()),
            kind=DecisionKind.APPROVE,
            incident=asked.incident,
            request=asked.id,
            digest=asked.digest,
            by="somebody",
            decided_at=Clock().now(),
        )
        await store.decide(yes)
