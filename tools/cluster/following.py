"""Following the objects of one kind: listed once, then watched, for as long as somebody wants to see them.

For a handful of objects, as one workload has: whole manifests are kept. What breaks a watch, a ban on watching
included, costs a new list after a pause; only a list that fails says that the objects cannot be seen.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from incidents.objects import Kind
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.reader import PAGE, Reader, as_object
from tools.cluster.watch import lines

WATCH_SECONDS = 300  # the server ends a watch after this
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0

log = structlog.get_logger(__name__)


class _Frame(msgspec.Struct):
    type: str
    object: dict[str, Any]


_frames = msgspec.json.Decoder(_Frame)


class Followed:
    """The objects of one kind that a query selects, as they are. ``run`` keeps it so; ``on_change`` is told."""

    def __init__(
        self, reader: Reader, kind: Kind, namespace: str, query: dict[str, str | int], *, on_change: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._kind = kind
        self._path = kind.path(namespace)
        self._query = query
        self._on_change = on_change
        self._objects: dict[str, dict[str, Any]] = {}
        self._error: ClusterError | None = None
        self._version = ""
        self.listed = asyncio.Event()  # set once it is known whether the objects can be seen

    def objects(self) -> list[dict[str, Any]]:
        """What there is now. Raises the ClusterError of the last list, while none has succeeded since."""
        if self._error is not None:
            raise self._error
        return list(self._objects.values())

    async def run(self, clock: Clock) -> None:
        """List and watch until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._list()
                pause = FIRST_PAUSE_SECONDS
            except ClusterError as error:
                self._error = error
            self.listed.set()
            self._on_change()
            if self._error is None:
                await self._watch_on()
            await clock.sleep(pause * random.uniform(0.5, 1.0) * clock.speed)  # of the server's time, not the cluster's
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _list(self) -> None:
        found: dict[str, dict[str, Any]] = {}
        query = {**self._query, "limit": PAGE}
        while True:
            page = await self._reader.page(self._path, query)
            found |= {_uid(item): as_object(self._kind, item) for item in page.get("items") or () if _uid(item)}
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        self._objects, self._version, self._error = found, str(metadata.get("resourceVersion", "")), None

    async def _watch_on(self) -> None:
        """Watch until the place in the stream is lost or the server does not answer."""
        try:
            while True:
                await self._watch()
        except (ClusterError, msgspec.DecodeError, msgspec.ValidationError) as error:
            log.debug("following.relist", path=self._path, because=str(error))

    async def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
            "resourceVersion": self._version,
        }
        seen = False
        async with self._reader.stream(self._path, query, silence_seconds=WATCH_SECONDS + 15) as chunks:
            async for line in lines(chunks):
                seen = True
                self._take(_frames.decode(line))
        if not seen:
            raise ClusterError("the watch ended before it said anything")  # not to be asked in a circle

    def _take(self, frame: _Frame) -> None:
        item = frame.object
        if frame.type == "ERROR":
            raise ClusterError(str(item.get("message")), code=int(item.get("code") or 0))
        self._version = str((item.get("metadata") or {}).get("resourceVersion") or self._version)
        if frame.type == "BOOKMARK":
            return
        if frame.type == "DELETED":
            self._objects.pop(_uid(item), None)
        elif uid := _uid(item):
            self._objects[uid] = as_object(self._kind, item)
        self._on_change()


def _uid(item: dict[str, Any]) -> str:
    """What identifies an object; empty for what is none."""
    return str((item.get("metadata") or {}).get("uid") or "")
