"""Writes core/v1 Events the way client-go's recorder does: series are counted up, floods are dropped.

The same involved object, type, reason and message from one source is one Event whose count and
lastTimestamp move on. From the tenth different message within ten minutes on, those of one reason share one Event,
"(combined from similar events)". More than 25 at a time of one type about one object are dropped and one more is let
through every 300 s; what is dropped is still counted (``EventCorrelator`` in client-go v0.36,
tools/record/events_cache.go). A source of events.k8s.io/v1 counts by reason alone and writes the second of a series and
then one in half an hour (tools/events/event_broadcaster.go).

Callers never wait: one task writes, in order, and an Event that cannot be written is given up after a few tries,
as the real one does.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from simulator.api_client import ApiClient, ApiError
from simulator.clock import SimClock
from simulator.resources import EVENTS

log = logging.getLogger(__name__)

_BURST = 25.0
_REFILL_SECONDS = 300.0
_SIMILAR_MESSAGES = 10
_SIMILAR_SECONDS = 600.0
_SERIES_ENDS_SECONDS = 360.0
_SERIES_REFRESH_SECONDS = 1800.0
_REMEMBERED = 4096
_WRITE_TRIES = 3

SeriesKey = tuple[str, ...]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class EventSource:
    """Who reports: the component, and the node when it runs on one."""

    component: str
    host: str = ""
    action: str = ""
    """What was being done; a source that states it reports through events.k8s.io/v1, as the scheduler does."""


@dataclass(frozen=True)
class _Pending:
    source: EventSource
    involved: dict[str, Any]
    kind: str
    reason: str
    message: str
    when: str
    key: SeriesKey = ()
    count: int = 1

    @property
    def about(self) -> SeriesKey:
        """Who reports about what: the object itself, without the container that is meant."""
        names = (str(self.involved.get(part, "")) for part in ("kind", "namespace", "name", "uid", "apiVersion"))
        return (self.source.component, self.source.host, *names, self.kind)

    @property
    def own_key(self) -> SeriesKey:
        """Of the series that only the very same event belongs to."""
        if self.source.action:
            return (*self.about, str(self.involved.get("resourceVersion")), self.reason, self.source.action)
        return (*self.about, self.involved.get("fieldPath", ""), self.reason, self.message)


@dataclass
class _Series:
    """``name``: of the Event that has been written, empty before; ``seen``: how often it happened."""

    namespace: str = ""
    name: str = ""
    seen: int = 0
    seen_at: float = -1e12
    told_at: float = -1e12


@dataclass
class _Bucket:
    tokens: float = _BURST
    filled_at: float = field(default=0.0)


@dataclass
class _Similar:
    messages: set[str] = field(default_factory=set)
    last_at: float = -1e12


def reference_to(obj: dict[str, Any], *, field_path: str | None = None) -> dict[str, Any]:
    """The ObjectReference of ``obj``, as events carry it."""
    metadata = obj["metadata"]
    reference = {
        "kind": obj["kind"],
        "apiVersion": obj["apiVersion"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "namespace": metadata.get("namespace"),
        "resourceVersion": metadata.get("resourceVersion"),
        "fieldPath": field_path,
    }
    return {key: value for key, value in reference.items() if value}


def node_reference(name: str) -> dict[str, Any]:
    """How a kubelet refers to its node in events: by a uid that is the name."""
    return {"kind": "Node", "apiVersion": "v1", "name": name, "uid": name}


class _Memory(OrderedDict[K, V]):
    """Forgets what has not been used for longest, as the correlator's LRU caches do."""

    def recall(self, key: K, default: Callable[[], V]) -> V:
        """What is remembered under the key, which counts as used."""
        if key not in self:
            self[key] = default()
        self.move_to_end(key)
        while len(self) > _REMEMBERED:
            self.popitem(last=False)
        return self[key]


class EventRecorder:
    """Shared by everything that speaks through one API client; ``run`` is the task that writes."""

    def __init__(self, client: ApiClient, clock: SimClock) -> None:
        self._client = client
        self._clock = clock
        self._pending: asyncio.Queue[_Pending] = asyncio.Queue()
        self._series: _Memory[SeriesKey, _Series] = _Memory()
        self._buckets: _Memory[SeriesKey, _Bucket] = _Memory()
        self._similar: _Memory[SeriesKey, _Similar] = _Memory()

    def normal(self, source: EventSource, involved: dict[str, Any], reason: str, message: str) -> None:
        """Report something that went as it should; ``involved`` comes from ``reference_to``."""
        self._record(source, involved, "Normal", reason, message)

    def warning(self, source: EventSource, involved: dict[str, Any], reason: str, message: str) -> None:
        """Report something that did not."""
        self._record(source, involved, "Warning", reason, message)

    def _record(self, source: EventSource, involved: dict[str, Any], kind: str, reason: str, message: str) -> None:
        found = _Pending(source, involved, kind, reason, message[:1024], self._clock.timestamp())
        if not source.action:
            found = self._aggregated(found)
        found = replace(found, key=found.key or found.own_key)
        series = self._series.recall(found.key, _Series)
        if self._is_worth_telling(found, series):
            self._pending.put_nowait(replace(found, count=series.seen))

    def _is_worth_telling(self, pending: _Pending, series: _Series) -> bool:
        """Count it, and say whether anything is written."""
        now = self._clock.monotonic()
        if not pending.source.action:
            series.seen += 1
            return self._take_token(pending)
        if now - series.seen_at > _SERIES_ENDS_SECONDS:
            series.name, series.seen = "", 0
        series.seen, series.seen_at = series.seen + 1, now
        due = series.seen <= 2 or now - series.told_at > _SERIES_REFRESH_SECONDS
        series.told_at = now if due else series.told_at
        return due

    def _aggregated(self, pending: _Pending) -> _Pending:
        """The event itself, or its share in the one of many similar events."""
        group, now = (*pending.about, pending.reason), self._clock.monotonic()
        similar = self._similar.recall(group, _Similar)
        if now - similar.last_at > _SIMILAR_SECONDS:
            similar.messages.clear()
        similar.messages.add(pending.message)
        similar.last_at = now
        if len(similar.messages) < _SIMILAR_MESSAGES:
            return pending
        similar.messages.pop()
        return replace(pending, key=group, message=f"(combined from similar events): {pending.message}"[:1024])

    async def run(self) -> None:
        """Write what was recorded, until cancelled."""
        while True:
            await self._try_to_write(await self._pending.get())
            self._pending.task_done()

    async def written(self) -> None:
        """Wait until all that was recorded so far is written or given up."""
        await self._pending.join()

    async def _try_to_write(self, pending: _Pending) -> None:
        for attempt in range(_WRITE_TRIES):
            try:
                await self._write(pending)
            except ApiError as error:
                log.debug("event %s was not written: %s", pending.reason, error)
                if 400 <= error.code < 500:
                    return  # the namespace is going or gone: no repetition helps
                await self._clock.sleep(0.5 * 2**attempt)
            else:
                return

    async def _write(self, pending: _Pending) -> None:
        series = self._series.recall(pending.key, _Series)
        if not series.name or not await self._counted_up(series, pending):
            await self._create(series, pending)

    async def _counted_up(self, series: _Series, pending: _Pending) -> bool:
        body: dict[str, Any] = {"count": pending.count, "lastTimestamp": pending.when, "message": pending.message}
        if pending.source.action:
            body = {"series": {"count": pending.count, "lastObservedTime": self._clock.micro_timestamp()}}
        try:
            await self._client.patch(EVENTS, series.name, body, series.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return False  # expired or deleted meanwhile: start over
        return True

    async def _create(self, series: _Series, pending: _Pending) -> None:
        namespace = pending.involved.get("namespace") or "default"
        name = f"{pending.involved['name']}.{time.time_ns():x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": pending.involved,
            "type": pending.kind,
            "reason": pending.reason,
            "message": pending.message,
            **self._when_and_whence(pending),
        }
        await self._client.create(EVENTS, body, namespace)
        series.namespace, series.name = namespace, name

    def _when_and_whence(self, pending: _Pending) -> dict[str, Any]:
        """The fields in which events of the old and of the new API differ, as core/v1 shows both."""
        source = pending.source
        if source.action:
            return {
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "eventTime": self._clock.micro_timestamp(),
                "action": source.action,
                "reportingComponent": source.component,
                "reportingInstance": f"{source.component}-{source.host or source.component}",
            }
        return {
            "source": {"component": source.component} | ({"host": source.host} if source.host else {}),
            "firstTimestamp": pending.when,
            "lastTimestamp": pending.when,
            "count": pending.count,
            "eventTime": None,
            "reportingComponent": source.component,
            "reportingInstance": source.host,
        }

    def _take_token(self, pending: _Pending) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.recall(pending.about, lambda: _Bucket(filled_at=now))
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.filled_at) / _REFILL_SECONDS)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
