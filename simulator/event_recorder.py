"""Writes core/v1 Events the way client-go's recorder does: series are counted up, floods are dropped.

The same involved object, type, reason and message from one source is one Event whose count and
lastTimestamp move on; more than 25 at a time about one object are dropped and one more is let through every
300 s (``EventCorrelator`` in client-go v0.36, tools/record/events_cache.go). Callers never wait: one task
writes, in order, and an Event that cannot be written is given up after a few tries, as the real one does.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.clock import SimClock
from simulator.resources import EVENTS

log = logging.getLogger(__name__)

_BURST = 25.0
_REFILL_SECONDS = 300.0
_REMEMBERED_SERIES = 4096
_WRITE_TRIES = 3

SeriesKey = tuple[str, str, str, str, str, str]


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

    @property
    def key(self) -> SeriesKey:
        where = self.involved.get("uid", "") + self.involved.get("fieldPath", "")
        return (self.source.component, self.source.host, where, self.kind, self.reason, self.message)


@dataclass
class _Series:
    namespace: str
    name: str
    count: int = 1


@dataclass
class _Bucket:
    tokens: float = _BURST
    filled_at: float = field(default=0.0)


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


class EventRecorder:
    """Shared by everything that speaks through one API client; ``run`` is the task that writes."""

    def __init__(self, client: ApiClient, clock: SimClock) -> None:
        self._client = client
        self._clock = clock
        self._pending: asyncio.Queue[_Pending] = asyncio.Queue()
        self._series: OrderedDict[SeriesKey, _Series] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, str, str], _Bucket] = OrderedDict()

    def normal(self, source: EventSource, involved: dict[str, Any], reason: str, message: str) -> None:
        """Report something that went as it should; ``involved`` comes from ``reference_to``."""
        self._record(source, involved, "Normal", reason, message)

    def warning(self, source: EventSource, involved: dict[str, Any], reason: str, message: str) -> None:
        """Report something that did not."""
        self._record(source, involved, "Warning", reason, message)

    def _record(self, source: EventSource, involved: dict[str, Any], kind: str, reason: str, message: str) -> None:
        if self._take_token(source, involved):
            self._pending.put_nowait(_Pending(source, involved, kind, reason, message[:1024], self._clock.timestamp()))

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
        series = self._series.get(pending.key)
        if series is None or not await self._counted_up(series, pending):
            await self._create(pending)

    async def _counted_up(self, series: _Series, pending: _Pending) -> bool:
        count = series.count + 1
        body: dict[str, Any] = {"count": count, "lastTimestamp": pending.when, "message": pending.message}
        if pending.source.action:
            body = {"series": {"count": count, "lastObservedTime": self._clock.micro_timestamp()}}
        try:
            await self._client.patch(EVENTS, series.name, body, series.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return False  # expired or deleted meanwhile: start over
        series.count += 1
        self._series.move_to_end(pending.key)
        return True

    async def _create(self, pending: _Pending) -> None:
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
        self._series[pending.key] = _Series(namespace, name)
        while len(self._series) > _REMEMBERED_SERIES:
            self._series.popitem(last=False)

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
            "count": 1,
            "eventTime": None,
            "reportingComponent": source.component,
            "reportingInstance": source.host,
        }

    def _take_token(self, source: EventSource, involved: dict[str, Any]) -> bool:
        now = self._clock.monotonic()
        key = (source.component, source.host, involved.get("uid", ""))
        bucket = self._buckets.setdefault(key, _Bucket(filled_at=now))
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.filled_at) / _REFILL_SECONDS)
        bucket.filled_at = now
        while len(self._buckets) > _REMEMBERED_SERIES:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
