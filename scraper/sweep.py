"""The sweep: a look at everything from time to time, for what is broken and says so in no event.

It asks ``assess`` about every object and hands what fails to the intake as signals; a subject that has an incident
already makes no noise. On the way it records which revisions it saw well, and which images the cluster holds. What
somebody has decided (scaled to zero, suspended, being deleted, excluded) is left alone.
"""

from __future__ import annotations

import time

import structlog

from evidence.image_index import with_mark
from incidents.incident import Status
from scraper.look import Look
from scraper.raising import Raising, SeenWell, SweepParts
from scraper.turns import Sight
from tools.cluster.errors import ClusterError
from tools.store import StoreError

EVERYTHING = 1_000_000  # incidents: all that are not closed

log = structlog.get_logger(__name__)


class Sweep:
    """Looks at everything, again and again."""

    def __init__(self, parts: SweepParts) -> None:
        self._parts = parts
        self._seen_well: SeenWell = {}
        self._images: dict[str, list[str]] | None = None
        self._unread: frozenset[str] = frozenset()
        self._odd: frozenset[tuple[str, str]] = frozenset()
        self._looked_at: set[str] = set()  # Deployments read in full since everything had its turn
        self.sight: Sight | None = None  # what the last whole one saw of those with an incident

    async def run(self, every_seconds: float) -> None:
        """Sweep until cancelled, so many of the clock's seconds apart."""
        while True:
            await self._parts.clock.sleep(every_seconds)
            await self.sweep()

    async def sweep(self) -> int:
        """One look at everything; how many signals it raised. What cannot be read is logged and left for the next."""
        now, began = self._parts.clock.now(), time.perf_counter()
        raising = Raising(self._parts, now, seen_well=self._seen_well)
        look = Look(self._parts, raising, self._looked_at)
        try:
            raising.with_incident |= await self._open()
            await look.look()
            if look.whole:
                self.sight = Sight(at=now, troubled=raising.troubled)
                await self._record_images(look.picture.images)
        except (ClusterError, StoreError) as error:
            log.warning("sweep.broken_off", error=str(error))
        if look.unread != self._unread:
            log.warning(
                "sweep.unread", kinds=sorted(look.unread), hint="they could not be listed; see the roles in deploy/"
            )
        self._unread = frozenset(look.unread)
        for kind, because in sorted(look.odd - self._odd):  # once, and not with every sweep
            log.warning("object.unread", kind=kind, error=because)
        self._odd = frozenset(look.odd)
        if look.whole and not look.unread:
            self._seen_well = {uid: kept for uid, kept in self._seen_well.items() if uid in look.revised}
        if look.whole and not look.postponed:
            self._looked_at.clear()
        telemetry = self._parts.telemetry
        telemetry.sweep_seconds.observe(time.perf_counter() - began)
        telemetry.sweep_objects.set(look.objects)
        telemetry.sweep_finished.set(self._parts.clock.now().timestamp())
        log.debug("sweep.done", signals=raising.raised, objects=look.objects)
        return raising.raised

    async def _open(self) -> set[str]:
        """The subjects that have an incident which is not closed."""
        statuses = (Status.OPEN, Status.WAITING, Status.HANDED_OVER)
        return {one.subject.key for one in await self._parts.store.incidents(*statuses, limit=EVERYTHING)}

    async def _record_images(self, images: dict[str, list[str]]) -> None:
        if images != self._images:
            await self._parts.store.record_images(self._parts.cluster, with_mark(images))
            self._images = images
