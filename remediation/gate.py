"""The mode and the kill switch before every write: wrappers around the writer, so that no caller can forget to ask.

The mode binds what the program does by itself; it may be another one than that in which a standing change was made.
The switch is asked right before a request leaves, dry runs included, and again while one waits for its answer: a
connection that hangs would otherwise write long after somebody has said stop. What was cut off may have landed;
whoever called looks that up, as after any lost answer.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from incidents.changes import Operation
from incidents.decisions import SwitchName
from incidents.objects import ChangeId, Manifest, ObjectRef
from incidents.policy import Mode
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.writer import Propagation
from tools.store import Store

ASK_AGAIN_SECONDS = 0.4  # real seconds; the promise is one

Request = Coroutine[Any, Any, dict[str, Any]]


class WritesStopped(ClusterError):
    """The kill switch is on. ``sent``: the request had been begun, and may have landed."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Writes(Protocol):
    """Sending sealed writes, gated or not."""

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become. Raises ClusterError."""

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError."""

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Create an object and answer its stored form. Raises ClusterError."""

    async def delete(
        self,
        target: ObjectRef,
        *,
        change: ChangeId,
        resource_version: str = "",
        dry_run: bool = False,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> dict[str, Any]:
        """Delete the object with that uid. Raises ClusterError."""

    async def evict(self, pod: ObjectRef, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Ask the pod with that uid to leave its node. Raises ClusterError."""


class _Passing(ABC):
    """A writer that lets each request of another one pass, or not."""

    def __init__(self, writer: Writes) -> None:
        self._writer = writer

    @abstractmethod
    async def _pass(self, request: Request, *, dry_run: bool) -> dict[str, Any]:
        """The answer to a request that has not been begun, or WritesStopped."""

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become. Raises ClusterError."""
        return await self._pass(self._writer.dry_run(target, patch, change=change), dry_run=True)

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError."""
        return await self._pass(self._writer.apply(target, patch, change=change), dry_run=False)

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Create an object and answer its stored form. Raises ClusterError."""
        return await self._pass(self._writer.create(manifest, change=change, dry_run=dry_run), dry_run=dry_run)

    async def delete(
        self,
        target: ObjectRef,
        *,
        change: ChangeId,
        resource_version: str = "",
        dry_run: bool = False,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> dict[str, Any]:
        """Delete the object with that uid. Raises ClusterError."""
        request = self._writer.delete(
            target, change=change, resource_version=resource_version, dry_run=dry_run, propagation=propagation
        )
        return await self._pass(request, dry_run=dry_run)

    async def evict(self, pod: ObjectRef, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Ask the pod with that uid to leave its node. Raises ClusterError."""
        return await self._pass(self._writer.evict(pod, change=change, dry_run=dry_run), dry_run=dry_run)


class RestrainedWriter(_Passing):
    """A writer for what the program does by itself: it goes no further than the mode, with undo as with changes.

    Raises WritesStopped besides what the writer raises.
    """

    def __init__(self, writer: Writes, mode: Mode) -> None:
        super().__init__(writer)
        self._mode = mode

    async def _pass(self, request: Request, *, dry_run: bool) -> dict[str, Any]:
        if because := self._stopped(dry_run=dry_run):
            request.close()
            raise WritesStopped(because, sent=False)
        return await request

    def _stopped(self, *, dry_run: bool) -> str:
        if self._mode is Mode.OBSERVE:
            return "mode observe: no request that writes is sent"
        if not (dry_run or self._mode.acts):
            return f"mode {self._mode.value}: only a person changes or takes back anything"
        return ""


class GatedWriter(_Passing):
    """A writer that writes only while the kill switch is off. Raises WritesStopped besides what the writer raises."""

    def __init__(self, writer: Writes, store: Store, clock: Clock) -> None:
        super().__init__(writer)
        self._store = store
        self._clock = clock

    async def _pass(self, request: Request, *, dry_run: bool) -> dict[str, Any]:
        try:
            reason = await self._stopped()
        except BaseException:
            request.close()  # it was never begun
            raise
        if reason:
            request.close()
            raise WritesStopped(reason, sent=False)
        writing = asyncio.ensure_future(request)
        try:
            while True:
                done, _ = await asyncio.wait({writing}, timeout=ASK_AGAIN_SECONDS)
                if done:
                    return writing.result()
                if reason := await self._stopped():
                    raise WritesStopped(reason, sent=True)
        finally:
            if not writing.done():
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def _stopped(self) -> str:
        switch = await self._store.switch(SwitchName.KILL)
        if switch is None or not switch.is_on(self._clock.now()):
            return ""
        return f"{switch.by} has turned the kill switch on" + (f": {switch.reason}" if switch.reason else "")
