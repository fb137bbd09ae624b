"""A local copy of one kind of object, kept up to date by list and watch.

The copy is what controllers decide from. Two additions keep a decision from being made twice on a copy that
lags behind one's own writes: ``observe`` takes in what the server answered to a write, and ``forget`` marks
an object as gone; older news from the watch never overwrites either.

Informers of one process share what they decode: the same news comes to several of them, and one copy of each object
serves all. ``managedFields`` are left out, as most of client-go's caches do; they are half of an object and no
controller reads them.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import orjson

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.clock import SimClock

log = logging.getLogger(__name__)

Object = dict[str, Any]
ObjectKey = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""
Handler = Callable[[Object | None, Object | None], None]
"""Called with the object before (None: new) and after (None: gone)."""

_REMEMBERED_DELETIONS = 2048
_SHARED_LINES = 256
_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 10.0


def key_of(obj: Object) -> ObjectKey:
    """Namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def controller_of(obj: Object) -> Object | None:
    """The owner reference marked as controller, if there is one."""
    references: Iterable[Object] = obj["metadata"].get("ownerReferences") or ()
    for reference in references:  # asked so often that a generator would be felt
        if reference.get("controller"):
            return reference
    return None


class Informer:
    """List, then watch from that version, for ever; ``run`` is the one task that drives it."""

    def __init__(
        self, client: ApiClient, resource: Resource, *, clock: SimClock, field_selector: str | None = None
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self._client = client
        self._clock = clock
        self._field_selector = field_selector
        self._objects: dict[ObjectKey, Object] = {}
        self._by_owner: dict[str, set[ObjectKey]] = {}
        self._by_namespace: dict[str, set[ObjectKey]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._handlers: list[Handler] = []

    def on_change(self, handler: Handler) -> None:
        """Call ``handler`` on every change from now on; add it before ``run``."""
        self._handlers.append(handler)

    def get(self, namespace: str, name: str) -> Object | None:
        """The cached object; never mutate it."""
        return self._objects.get((namespace, name))

    def all(self) -> list[Object]:
        """Every cached object."""
        return list(self._objects.values())

    def in_namespace(self, namespace: str) -> list[Object]:
        """The cached objects of one namespace."""
        return [self._objects[key] for key in self._by_namespace.get(namespace, ())]

    def owned_by(self, uid: str) -> list[Object]:
        """The cached objects with an owner reference to ``uid``."""
        return [self._objects[key] for key in self._by_owner.get(uid, ())]

    def observe(self, obj: Object) -> None:
        """Take in what the server answered to a write."""
        if obj["metadata"]["uid"] not in self._gone:
            self._store(_without_managed_fields(obj))

    def forget(self, obj: Object) -> None:
        """The server confirmed that this object is gone: drop it and ignore older news of it."""
        self._remember_gone(obj["metadata"]["uid"])
        current = self._objects.get(key_of(obj))
        if current is not None and current["metadata"]["uid"] == obj["metadata"]["uid"]:
            self._drop(key_of(obj))

    async def run(self) -> None:
        """Keep the copy up to date until cancelled; any failure relists, after a jittered back-off."""
        failures = 0
        while True:
            try:
                version = await self._relist()
                self.synced.set()
                failures = 0
                await self._follow(version)
            except ApiError as error:
                if error.code != 410:
                    log.debug("watch of %s failed: %s", self.resource.plural, error)
                await self._clock.sleep(self._backoff(failures))
                failures += 1

    async def _relist(self) -> str:
        listed = await self._client.list(self.resource, field_selector=self._field_selector)
        fresh = {key_of(item): self._typed(item) for item in listed.get("items") or ()}
        for key, old in list(self._objects.items()):
            new = fresh.get(key)
            if new is None or new["metadata"]["uid"] != old["metadata"]["uid"]:
                self._drop(key)
        for item in fresh.values():
            self.observe(item)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        while True:
            lines = self._client.watch_lines(
                self.resource, resource_version=version, field_selector=self._field_selector
            )
            async with aclosing(lines):
                async for line in lines:
                    version = self._take(_event(line))

    def _take(self, event: Object) -> str:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise ApiError(int(obj.get("code", 500)), str(obj.get("reason", "")), str(obj.get("message", "")))
        if kind == "DELETED":
            self.forget(obj)
        elif kind != "BOOKMARK":
            self.observe(obj)
            self._share(obj)
        return str(obj["metadata"]["resourceVersion"])

    def _typed(self, item: Object) -> Object:
        """Items of a list carry no apiVersion and kind of their own; everything else expects them."""
        return {"apiVersion": self.resource.api_version, "kind": self.resource.kind} | item

    def _store(self, obj: Object) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and old["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._remember_gone(old["metadata"]["uid"])
            self._drop(key)
            old = None
        if old is not None and _version(old) >= _version(obj):
            return
        if old is not None:
            self._unindex(key, old)
        self._objects[key] = obj
        self._by_namespace.setdefault(key[0], set()).add(key)
        for reference in obj["metadata"].get("ownerReferences") or ():
            self._by_owner.setdefault(reference["uid"], set()).add(key)
        self._tell(old, obj)

    def _share(self, obj: Object) -> None:
        """Keep what the other informers keep in place of an equal copy, such as the answer to one's own write."""
        key = key_of(obj)
        current = self._objects.get(key)
        if current is not None and current is not obj and _version(current) == _version(obj) and current == obj:
            self._objects[key] = obj

    def _drop(self, key: ObjectKey) -> None:
        old = self._objects.pop(key)
        self._unindex(key, old)
        self._tell(old, None)

    def _unindex(self, key: ObjectKey, obj: Object) -> None:
        uids = [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()]
        for index, name in [(self._by_namespace, key[0]), *((self._by_owner, uid) for uid in uids)]:
            keys = index.get(name, set())
            keys.discard(key)
            if not keys:
                index.pop(name, None)

    def _remember_gone(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > _REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)

    def _backoff(self, failures: int) -> float:
        longest: float = min(_FIRST_BACKOFF_SECONDS * 2 ** min(failures, 10), _LONGEST_BACKOFF_SECONDS)
        return random.uniform(0.5, 1.0) * longest


@lru_cache(maxsize=_SHARED_LINES)
def _event(line: bytes) -> Object:
    """A watch event; whoever asks for the same line soon gets the same objects."""
    event: Object = orjson.loads(line)
    event["object"] = _without_managed_fields(event["object"])
    return event


def _without_managed_fields(obj: Object) -> Object:
    metadata = obj["metadata"]
    if "managedFields" not in metadata:
        return obj
    return obj | {"metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _version(obj: Object) -> int:
    """resourceVersions of one kind are comparable integers (KEP-5504, Kubernetes v1.35)."""
    return int(obj["metadata"]["resourceVersion"])
