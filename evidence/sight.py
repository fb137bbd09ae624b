"""Seeing one workload while it changes: its snapshot as it is, and a wait for it to become another.

Three lists and three watches for as long as somebody looks, and no request in between, but for the history of a
DaemonSet, once its controller has written the present revision: a verification that lasts ten minutes costs the API
server what one of ten seconds does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from evidence.snapshots import WITH_PODS_BY_SELECTOR, owned_controller_revisions, read_snapshot, selector_text
from incidents.objects import DAEMON_SET, DEPLOYMENT, POD, REPLICA_SET, Kind, ObjectRef
from incidents.snapshot import Snapshot, observed, pod_template, template_digest
from incidents.subjects import owns
from tools.clock import Clock
from tools.cluster.errors import ClusterError, NotFound
from tools.cluster.following import Followed
from tools.cluster.reader import Reader

GATHERING_SECONDS = 0.1  # what changes within this is looked at once
_ASKED_FOR_HISTORY = 5  # times: it may not be read by this program, or not be written


class Sight(Protocol):
    """One workload, seen."""

    async def snapshot(self) -> Snapshot | None:
        """How it is now, None if it is gone. Raises ClusterError while it cannot be read."""

    async def changed(self, *, within_seconds: float) -> None:
        """Wait until it may have changed, or for the clock's seconds."""


Looking = Callable[[ObjectRef], AbstractAsyncContextManager[Sight]]


def looking_through(reader: Reader, clock: Clock) -> Looking:
    """How to look at workloads of one cluster."""

    @asynccontextmanager
    async def look(target: ObjectRef) -> AsyncIterator[Sight]:
        try:
            workload = await reader.find(target)
        except ClusterError:
            yield Polled(reader, clock, target)  # it may be seen later; then its selector is known
            return
        if workload is None or target.kind not in WITH_PODS_BY_SELECTOR:
            yield Polled(reader, clock, target)
            return
        sight = Watched(reader, clock, target, selector_text(workload["spec"].get("selector") or {}))
        failed: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(followed.run(clock)) for followed in sight.followed]
                try:
                    yield sight
                finally:
                    for task in tasks:
                        task.cancel()
        except ExceptionGroup as together:
            if len(together.exceptions) > 1:
                raise
            (failed,) = together.exceptions
        if failed is not None:
            raise failed  # as it was raised by whoever looks: what it says to do next is said by its type

    return look


class Polled:
    """A workload that is read anew for each look."""

    def __init__(self, reader: Reader, clock: Clock, target: ObjectRef) -> None:
        self._reader = reader
        self._clock = clock
        self._target = target

    async def snapshot(self) -> Snapshot | None:
        """Read it."""
        return await read_snapshot(self._reader, self._target, now=self._clock.now())

    async def changed(self, *, within_seconds: float) -> None:
        """Wait the time out."""
        await self._clock.sleep(within_seconds)


class Watched:
    """A workload, its revisions and its pods, kept as the watches tell them."""

    def __init__(self, reader: Reader, clock: Clock, target: ObjectRef, labels: str) -> None:
        self._reader = reader
        self._clock = clock
        self._target = target
        self._news = asyncio.Event()

        def follow(kind: Kind, **query: str | int) -> Followed:
            return Followed(reader, kind, target.namespace, dict(query), on_change=self._news.set)

        kind = target.known_kind
        if kind is None:
            raise NotFound(f"{target} is of no kind this program knows")
        self._workload = follow(kind, fieldSelector=f"metadata.name={target.name}")
        self._replica_sets = follow(REPLICA_SET, labelSelector=labels) if target.kind == DEPLOYMENT.kind else None
        self._pods = follow(POD, labelSelector=labels)
        self._history: list[dict[str, Any]] = []
        self._asked: dict[str, int] = {}  # for the history, by the template that it has to have: how often

    @property
    def followed(self) -> list[Followed]:
        """Everything that has to run."""
        return [one for one in (self._workload, self._replica_sets, self._pods) if one is not None]

    async def snapshot(self) -> Snapshot | None:
        """What the watches have told, once everything has been listed."""
        for one in self.followed:
            await one.listed.wait()
        self._news.clear()
        workload = next((item for item in self._workload.objects() if self._is_meant(item)), None)
        if workload is None:
            return None
        owners, replica_sets = [workload], []
        if self._replica_sets is not None:
            owners = replica_sets = [item for item in self._replica_sets.objects() if owns(workload, item)]
        elif self._target.kind == DAEMON_SET.kind:
            replica_sets = await self._history_of(workload)
        return Snapshot(
            workload=workload,
            replica_sets=tuple(replica_sets),
            pods=tuple(pod for pod in self._pods.objects() if any(owns(owner, pod) for owner in owners)),
            read_at=self._clock.now(),
        )

    async def _history_of(self, workload: dict[str, Any]) -> list[dict[str, Any]]:
        """The revisions of a DaemonSet: its pods are told apart by them. A StatefulSet's status names its own."""
        digest = template_digest(pod_template(workload))
        known = any(template_digest(pod_template(one)) == digest for one in self._history)
        if not known and observed(workload) and self._asked.get(digest, 0) < _ASKED_FOR_HISTORY:
            self._asked[digest] = self._asked.get(digest, 0) + 1
            self._history = await owned_controller_revisions(self._reader, workload)
        return self._history

    async def changed(self, *, within_seconds: float) -> None:
        """Wait for news, and a moment longer for what comes with it."""
        if await self._clock.happens(self._news, within_seconds=within_seconds):
            await asyncio.sleep(min(GATHERING_SECONDS, within_seconds / self._clock.speed))

    def _is_meant(self, item: dict[str, Any]) -> bool:
        return not self._target.uid or item["metadata"]["uid"] == self._target.uid
