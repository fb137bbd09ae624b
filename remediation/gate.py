"""The mode and the kill switch before every write: wrappers around the writer, so that no caller can forget to ask.

The mode binds what the program does by itself; it may be another one than that in which a standing change was made.
The switch is asked right before a request leaves, dry runs included, and again while one waits for its answer: a
connection that hangs would otherwise write long after somebody has said stop. What was cut off may have landed;
whoever called looks that up, as after any lost answer.
"""

from __future__ import annotations

import asyncio
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


class RestrainedWriter:
    """A writer for what the program does by itself: it goes no further than the mode, with undo as with changes.

    Raises WritesStopped besides what the writer raises.
    """

    def __init__(self, writer: Writes, mode: Mode) -> None:
        self._writer = writer
        self._mode = mode

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become. Raises ClusterError."""
        self._check(dry_run=True)
        return await self._writer.dry_run(target, patch, change=change)

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError."""
        self._check(dry_run=False)
        return await self._writer.apply(target, patch, change=change)

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Create an object and answer its stored form. Raises ClusterError."""
        self._check(dry_run=dry_run)
        return await self._writer.create(manifest, change=change, dry_run=dry_run)

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
        self._check(dry_run=dry_run)
        return await self._writer.delete(
            target, change=change, resource_version=resource_version, dry_run=dry_run, propagation=propagation
        )

    def _check(self, *, dry_run: bool) -> None:
        if self._mode is Mode.OBSERVE:
            raise WritesStopped("mode observe: no request that writes is sent", sent=False)
        if not (dry_run or self._mode.acts):
            raise WritesStopped(f"mode {self._mode.value}: only a person changes or takes back anything", sent=False)


class GatedWriter:
    """A writer that writes only while the kill switch is off. Raises WritesStopped besides what the writer raises."""

    def __init__(self, writer: Writes, store: Store, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would become. Raises ClusterError."""
        return await self._pass(self._writer.dry_run(target, patch, change=change))

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """Patch the object and answer its stored form. Raises ClusterError."""
        return await self._pass(self._writer.apply(target, patch, change=change))

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """Create an object and answer its stored form. Raises ClusterError."""
        return await self._pass(self._writer.create(manifest, change=change, dry_run=dry_run))

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
        return await self._pass(
            self._writer.delete(
                target, change=change, resource_version=resource_version, dry_run=dry_run, propagation=propagation
            )
        )

    async def _pass(self, request: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
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
