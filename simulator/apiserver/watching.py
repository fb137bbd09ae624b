"""Watches: what a client sees of the changes to one kind, as a stream of encoded events.

A watch reads the collection's memory of changes from its own position; the server never queues for it.
One that starts or falls behind what is remembered gets an ERROR event with code 410 inside a 200
answer, as the real watch cache answers. With a selector, an object that stops matching is DELETED to
this client and one that starts is ADDED.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import orjson

from simulator.apiserver import status_errors
from simulator.apiserver.kind import Kind
from simulator.apiserver.list_options import ListOptions, whole_number
from simulator.apiserver.listing import selection
from simulator.apiserver.paths import Target, is_true
from simulator.apiserver.selectors import FieldSelector, Selection
from simulator.apiserver.store import Change, Collection, HistoryLost, Store, Stored
from simulator.apiserver.tables import TableMaker

_LONGEST_SECONDS = (1800, 3600)
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchRequest:
    """What a client asked to see. `version` None starts with the current state as ADDED events."""

    target: Target
    selection: Selection
    version: int | None
    bookmarks: bool
    marks_initial_end: bool
    seconds: float

    @classmethod
    def read(cls, target: Target, query: Mapping[str, str], rng: Random) -> "WatchRequest":
        """Raises StatusError 400, 422 or 500."""
        options = ListOptions.read(query, watch=True)
        bookmarks = is_true(query.get("allowWatchBookmarks"))
        return cls(
            target=target,
            selection=_of_one(target, selection(target.kind, query)),
            version=None if options.initial or (options.initial is None and not options.version) else options.version,
            bookmarks=bookmarks,
            marks_initial_end=bool(options.initial) and bookmarks,
            seconds=whole_number(query, "timeoutSeconds") or rng.randint(*_LONGEST_SECONDS),
        )

    def sees(self, stored: Stored) -> bool:
        if self.target.namespace and stored.namespace != self.target.namespace:
            return False
        return self.selection.everything or self.selection.matches(stored.body)


def _of_one(target: Target, chosen: Selection) -> Selection:
    """The selection of a watch on one object's path. Raises StatusError 400."""
    if not target.name:
        return chosen
    if chosen.fields.required("metadata.name") not in (None, target.name):
        raise status_errors.bad_request("fieldSelector metadata.name doesn't match requested name")
    fields = FieldSelector((*chosen.fields.terms, ("metadata.name", target.name, True)))
    return Selection(chosen.labels, fields)


class Encoder:
    """Events as lines of JSON. Each change is encoded once for all watches that see it the same way."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def event(self, word: str, stored: Stored) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (word.encode(), stored.whole(self._kind))

    def bookmark(self, version: int, *, ends_initial: bool = False) -> bytes:
        meta: dict[str, object] = {"resourceVersion": str(version)}
        if ends_initial:
            meta["annotations"] = {_INITIAL_EVENTS_END: "true"}
        body = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": meta}
        return orjson.dumps({"type": "BOOKMARK", "object": body}) + b"\n"


class TableEncoder(Encoder):
    """Events whose objects are tables of one row; only the first carries the columns."""

    def __init__(self, kind: Kind, *, include: str) -> None:
        super().__init__(kind)
        self._include = include
        self._first = True

    def event(self, word: str, stored: Stored) -> bytes:
        maker = TableMaker(self._kind, include=self._include, now=datetime.now(UTC))
        meta = {"resourceVersion": str(stored.version)}
        table = maker.encode([stored], meta, with_columns=self._first)
        self._first = False
        return b'{"type":"%b","object":%b}\n' % (word.encode(), table)

    def bookmark(self, version: int, *, ends_initial: bool = False) -> bytes:
        """A table of one empty row, whose object carries what the bookmark says."""
        plain = orjson.loads(super().bookmark(version, ends_initial=ends_initial))["object"]
        return self.event("BOOKMARK", Stored(self._kind, plain, version))


class Watcher:
    """Produces the chunks of one watch until its time is up or the history is lost."""

    def __init__(self, store: Store, request: WatchRequest, encoder: Encoder, *, bookmark_seconds: float) -> None:
        self._store = store
        self._request = request
        self._encoder = encoder
        self._bookmark_seconds = bookmark_seconds

    async def chunks(self) -> AsyncIterator[bytes]:
        """Encoded events, several in a chunk where they are there at once."""
        loop, request = asyncio.get_running_loop(), self._request
        collection, deadline = self._store.of(request.target.kind), loop.time() + request.seconds
        position = self._store.version if request.version is None else request.version
        if request.version is None:
            yield self._initial(collection, position)
        next_bookmark = loop.time() + self._bookmark_seconds
        while True:
            try:
                changes = collection.since(position)
            except HistoryLost as lost:
                yield _gone(position, lost.floor)
                return
            if changes:
                position = changes[-1].version
                if chunk := b"".join(self._lines(changes)):
                    yield chunk
                    continue
            now = loop.time()
            if request.bookmarks and (now >= next_bookmark or now >= deadline):
                next_bookmark = now + self._bookmark_seconds
                position = self._store.version
                yield self._encoder.bookmark(position)
            if now >= deadline:
                return
            await _either(collection, min(deadline, next_bookmark) - now)

    def _initial(self, collection: Collection, version: int) -> bytes:
        entries = collection.entries(self._request.target.namespace or None)
        lines = [self._encoder.event("ADDED", one) for _, one in entries if self._request.sees(one)]
        if self._request.marks_initial_end:
            lines.append(self._encoder.bookmark(version, ends_initial=True))
        return b"".join(lines)

    def _lines(self, changes: list[Change]) -> list[bytes]:
        lines = []
        for change in changes:
            now_seen = change.type != "DELETED" and self._request.sees(change.stored)
            was_seen = change.previous is not None and self._request.sees(change.previous)
            if now_seen:
                lines.append(self._encoder.event("MODIFIED" if was_seen else "ADDED", change.stored))
            elif was_seen:
                lines.append(self._encoder.event("DELETED", self._last_seen(change)))
        return lines

    def _last_seen(self, change: Change) -> Stored:
        """What the client last saw, with the version at which it stopped seeing it."""
        if change.type == "DELETED" or change.previous is None:
            return change.stored
        body = change.previous.body
        last = body | {"metadata": body["metadata"] | {"resourceVersion": str(change.version)}}
        return Stored(self._request.target.kind, last, change.version)


async def _either(collection: Collection, seconds: float) -> None:
    """Waits for a change, at most so long."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await collection.changed()
    except TimeoutError:
        return


def _gone(position: int, floor: int) -> bytes:
    status = status_errors.expired(f"too old resource version: {position} ({floor})").body()
    return orjson.dumps({"type": "ERROR", "object": status}) + b"\n"
