"""The one store of everything: objects by kind, namespace and name, one version counter, and a bounded
memory of changes.

Owns identity of versions: every write of any kind takes the next number of one counter, as etcd's
revision does, and encodes the object once; lists, gets and all watches send those bytes. It knows no
policy: defaults, validation, generation, finalizers and grace are decided above it, in `resources`.

Synchronous, and confined to the server's event loop: a sequence of calls without an await in between is
a transaction. It refuses to answer for history it has dropped (`HistoryLost`), which is what makes a
watch say 410.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import orjson

from simulator.apiserver.kinds import Kind
from simulator.apiserver.objects import Object, name_of, namespace_of

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
DEFAULT_HISTORY = 4096
_FRESH_CHANGES = 256
"""Watches that keep up read no older ones."""
_FEW_OBJECTS = 512
"""So many of one kind are kept ready to be read; of more, only those that changed of late."""


class HistoryLost(Exception):
    """The changes after the named version are no longer remembered; `floor` is the oldest that is."""

    def __init__(self, floor: int) -> None:
        super().__init__(f"history before version {floor} is gone")
        self.floor = floor


class Stored:
    """One version of one object: its bytes and, as long as it is fresh, the dictionary (never to be changed)."""

    __slots__ = ("_body", "_head", "encoded", "namespace", "version")

    def __init__(self, kind: Kind, body: Object, version: int) -> None:
        self._body: Object | None = body
        self._head = _head(body.get("kind"), body.get("apiVersion"))
        self.namespace = namespace_of(body)
        self.version = version
        rest = {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}
        # A copy, as the encoder leaves its whole buffer with what it returns: several times what is kept for long.
        self.encoded = bytes(memoryview(orjson.dumps(rest)))

    @property
    def body(self) -> Object:
        """The object; decoded anew each time once it was put by."""
        return self._body if self._body is not None else self._head | orjson.loads(self.encoded)

    def put_by(self) -> None:
        """Keeps the bytes alone, a fraction of the memory: this version is hardly read any more."""
        self._body = None

    def item(self) -> bytes:
        """As an item of a typed list: without kind and apiVersion, as the real server sends them."""
        return self.encoded

    def whole(self, kind: Kind) -> bytes:
        """As an answer of its own."""
        if kind.form_of is not None:
            return orjson.dumps(kind.shown(self.body))
        return kind.json_prefix + self.encoded[1:]


@lru_cache(maxsize=1024)
def _head(kind: str | None, api_version: str | None) -> Object:
    """What is not encoded with an object; one copy for all of a kind, never to be changed."""
    found = {"kind": kind, "apiVersion": api_version}
    return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object; `previous` is what stood before (None for ADDED)."""

    type: ChangeType
    stored: Stored
    previous: Stored | None

    @property
    def version(self) -> int:
        return self.stored.version


class Collection:
    """All objects of one kind, and the recent changes to them."""

    def __init__(self, kind: Kind, *, history: int) -> None:
        self.kind = kind
        self._namespaces: dict[str, dict[str, Stored]] = {}
        self._count = 0
        self._changes: deque[Change] = deque(maxlen=history)
        self._floor = 0
        self._wake: asyncio.Event = asyncio.Event()

    def get(self, namespace: str, name: str) -> Stored | None:
        return self._namespaces.get(namespace, {}).get(name)

    def entries(self, namespace: str | None = None) -> list[tuple[tuple[str, str], Stored]]:
        """In key order, as etcd lists: namespace, then name. None means every namespace."""
        chosen = self._namespaces if namespace is None else {namespace: self._namespaces.get(namespace, {})}
        return [((space, name), objects[name]) for space, objects in sorted(chosen.items()) for name in sorted(objects)]

    def all(self) -> Iterable[Stored]:
        """Every object, in no order."""
        return [stored for objects in self._namespaces.values() for stored in objects.values()]

    def record(self, change: Change) -> None:
        """Puts a change in force and wakes the watches."""
        body = change.stored.body
        objects = self._namespaces.setdefault(change.stored.namespace, {})
        before = len(objects)
        if change.type == "DELETED":
            objects.pop(name_of(body), None)
        else:
            objects[name_of(body)] = change.stored
        self._count += len(objects) - before
        if len(self._changes) == self._changes.maxlen:
            self._floor = self._changes[0].version
        self._changes.append(change)
        self._put_by()
        self._wake.set()
        self._wake = asyncio.Event()

    def _put_by(self) -> None:
        """What has been replaced a while ago is read by late watches only; of many objects few are read at a time, and
        events are written far oftener than read.
        """
        if len(self._changes) < _FRESH_CHANGES:
            return
        change = self._changes[-_FRESH_CHANGES]
        if change.previous is not None:
            change.previous.put_by()
        if self._count > _FEW_OBJECTS or self.kind.kind == "Event":
            change.stored.put_by()

    def since(self, version: int) -> list[Change]:
        """The changes after a version, oldest first. Raises HistoryLost."""
        if version < self._floor:
            raise HistoryLost(self._floor + 1)
        found: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found

    def entries_at(self, version: int, namespace: str | None = None) -> list[tuple[tuple[str, str], Stored]]:
        """As `entries`, at a version of the past. Raises HistoryLost."""
        found = dict(self.entries(namespace))
        for change in reversed(self.since(version)):
            key = (namespace_of(change.stored.body), name_of(change.stored.body))
            if namespace is not None and key[0] != namespace:
                continue
            if change.previous is None:
                found.pop(key, None)
            else:
                found[key] = change.previous
        return sorted(found.items(), key=lambda entry: entry[0])

    def forget(self, version: int) -> None:
        """Drops the memory of changes, as etcd's compaction does: whoever watches from before gets 410."""
        self._changes.clear()
        self._floor = version
        self._wake.set()
        self._wake = asyncio.Event()

    async def changed(self) -> None:
        """Returns at the next change; call it right after `since`, without an await in between."""
        await self._wake.wait()


def _is_stored(kind: Kind) -> bool:
    return not kind.virtual and kind.form_of is None


class Store:
    """Every collection and the one version counter."""

    def __init__(self, kinds: Iterable[Kind], *, history: int = DEFAULT_HISTORY) -> None:
        self.version = 0
        self._history = history
        self._collections = {kind.key: Collection(kind, history=history) for kind in kinds if _is_stored(kind)}
        self._listeners: dict[tuple[str, str], list[Callable[[Change], None]]] = {}

    def add(self, kind: Kind) -> None:
        """Makes room for another kind, which remembers nothing from before; harmless to repeat."""
        if kind.key not in self._collections:
            self._collections[kind.key] = Collection(kind, history=self._history)
            self._collections[kind.key].forget(self.version)

    def drop(self, kind: Kind) -> None:
        """Forgets a kind with all its objects."""
        self._collections.pop(kind.key, None)
        self._listeners.pop(kind.key, None)

    def listen(self, kind: Kind, listener: Callable[[Change], None]) -> None:
        """Calls after every change of the kind, before the write returns, in order of coming; harmless to repeat."""
        listeners = self._listeners.setdefault(kind.key, [])
        if listener not in listeners:
            listeners.append(listener)

    def of(self, kind: Kind) -> Collection:
        return self._collections[kind.key]

    def collections(self) -> Iterable[Collection]:
        return self._collections.values()

    def write(self, kind: Kind, body: Object) -> Stored:
        """Stores a new version of an object; `body` belongs to the store from here on."""
        collection = self.of(kind)
        previous = collection.get(namespace_of(body), name_of(body))
        stored = self._next(kind, body)
        self._record(collection, Change("MODIFIED" if previous else "ADDED", stored, previous))
        return stored

    def remove(self, kind: Kind, last: Object) -> Stored:
        """Removes an object; the watches see `last` with the version of the removal."""
        collection = self.of(kind)
        previous = collection.get(namespace_of(last), name_of(last))
        stored = self._next(kind, last)
        self._record(collection, Change("DELETED", stored, previous))
        return stored

    def _record(self, collection: Collection, change: Change) -> None:
        collection.record(change)
        for listener in self._listeners.get(collection.kind.key, ()):
            listener(change)

    def forget_history(self) -> None:
        for collection in self.collections():
            collection.forget(self.version)

    def _next(self, kind: Kind, body: Object) -> Stored:
        self.version += 1
        versioned = body["metadata"] | {"resourceVersion": str(self.version)}
        return Stored(kind, body | {"metadata": versioned}, self.version)
