"""What every controller shares: informers, a queue of keys, one worker that reconciles.

A controller decides from the informers' caches and writes through the client; whatever it writes it puts
back into the cache, so that the next look at the same key does not repeat it. An error puts the key back
with growing delay; nothing a reconcile raises ends the worker.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.clock import SimClock
from simulator.controllers.discovery import Discovery
from simulator.controllers.selecting import matches
from simulator.event_recorder import EventRecorder
from simulator.informer import Informer, Object, ObjectKey, controller_of, key_of
from simulator.workqueue import WorkQueue

log = logging.getLogger(__name__)


class Caches:
    """One informer a kind, made on first use and shared by all controllers.

    Those made before ``run`` start with it; one that is asked for later starts at once.
    """

    def __init__(self, client: ApiClient, clock: SimClock) -> None:
        self._client = client
        self._clock = clock
        self._unstarted: asyncio.Queue[Informer] = asyncio.Queue()
        self.informers: dict[Resource, Informer] = {}
        self.orphans: object = None
        """The register of pods without a controller, once somebody has asked for it (``pod_control``)."""

    def of(self, resource: Resource) -> Informer:
        """The informer of ``resource``."""
        if resource not in self.informers:
            informer = Informer(self._client, resource, clock=self._clock)
            self.informers[resource] = informer
            self._unstarted.put_nowait(informer)
        return self.informers[resource]

    async def run(self) -> None:
        """Run every informer, also those that are made meanwhile, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                informer = await self._unstarted.get()
                group.create_task(informer.run())


@dataclass(frozen=True)
class ControllerContext:
    """What a controller is given."""

    client: ApiClient
    clock: SimClock
    recorder: EventRecorder
    caches: Caches
    discovery: Discovery


class Controller(ABC):
    """Subclasses register handlers in ``__init__`` and implement ``reconcile``.

    The retry bounds are those of client-go's default rate limiter; a controller with others overrides them.
    """

    first_retry_seconds = 0.005
    longest_retry_seconds = 1000.0

    def __init__(self, context: ControllerContext) -> None:
        self.client = context.client
        self.clock = context.clock
        self.recorder = context.recorder
        self.caches = context.caches
        self.discovery = context.discovery
        self.queue: WorkQueue[ObjectKey] = WorkQueue(
            context.clock,
            first_retry_seconds=self.first_retry_seconds,
            longest_retry_seconds=self.longest_retry_seconds,
        )

    @abstractmethod
    async def reconcile(self, namespace: str, name: str) -> None:
        """Bring one object closer to its spec; may raise ``ApiError``, then the key comes back."""

    async def run(self) -> None:
        """Work on the queue until cancelled."""
        for informer in list(self.caches.informers.values()):
            await informer.synced.wait()
        while True:
            key = await self.queue.get()
            try:
                await self.reconcile(*key)
                self.queue.forget(key)
            except ApiError as error:
                log.debug("%s %s/%s: %s", type(self).__name__, *key, error)
                self.queue.retry(key)
            except Exception:  # one malformed object must not stop the controller for all others
                log.exception("%s failed on %s/%s", type(self).__name__, *key)
                self.queue.retry(key)
            finally:
                self.queue.done(key)

    def watch_own(self, informer: Informer) -> None:
        """Queue every changed object of the controller's own kind."""
        informer.on_change(lambda old, new: self.queue.add(key_of(_one(old, new))))

    def watch_owned(self, informer: Informer, owner_kind: str) -> None:
        """Queue the controlling owner of every changed object."""

        def enqueue(old: Object | None, new: Object | None) -> None:
            for obj in (old, new):
                reference = controller_of(obj) if obj is not None else None
                if obj is not None and reference is not None and reference["kind"] == owner_kind:
                    self.queue.add((obj["metadata"].get("namespace", ""), reference["name"]))

        informer.on_change(enqueue)

    def watch_orphans(self, orphans: Informer, owners: Informer) -> None:
        """Queue whoever could adopt an object that has no controller."""

        def enqueue(old: Object | None, new: Object | None) -> None:
            if new is None or controller_of(new) is not None or is_deleting(new):
                return
            labels = new["metadata"].get("labels")
            known = old is not None and controller_of(old) is None and old["metadata"].get("labels") == labels
            for owner in () if known else owners.in_namespace(new["metadata"].get("namespace", "")):
                if matches(owner["spec"].get("selector"), labels):
                    self.queue.add(key_of(owner))

        orphans.on_change(enqueue)

    async def update_status(self, resource: Resource, obj: Object, status: dict[str, Any]) -> Object:
        """Replace the status of ``obj`` and take the answer into the cache."""
        updated = await self.client.update(resource, obj | {"status": status}, subresource="status")
        self.caches.of(resource).observe(updated)
        return updated


def controller_reference(owner: Object) -> Object:
    """An owner reference as ``metav1.NewControllerRef`` makes it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_deleting(obj: Object) -> bool:
    """Whether somebody has asked for ``obj`` to go."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def _one(old: Object | None, new: Object | None) -> Object:
    obj = new if new is not None else old
    if obj is None:
        raise ValueError("a change has an object before or after it")
    return obj
