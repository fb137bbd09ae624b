"""The workers: each takes a key that is due, looks whether its incident is worth a run, and runs it.

A key says only what to look at; everything is decided from the store and the cluster as they are then. Whatever comes
in between (the API server is away, another run has the subject, the store refuses) puts the key back for later.
"""

from __future__ import annotations

import asyncio

import structlog

from graph.runner import InFlight, Runner, TryLater
from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from incidents.policy import Policy
from scraper.grace import Advice, Grace
from scraper.queue import Key, Queue
from tools.clock import Clock
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.store import Store, StoreError

RECHECK_SECONDS = 10.0  # of a subject that is starting or was just well
RETRY_SECONDS = 5.0  # when the API server is away or another run has the subject
ODD_SECONDS = 15.0  # when it has a shape that nobody foresaw
ODD_LOOKS = 3  # in a row, after which a person is told: it may be only half written

log = structlog.get_logger(__name__)


class Workers:
    """Works on what the queue hands out."""

    def __init__(
        self, queue: Queue, *, store: Store, grace: Grace, runner: Runner, clock: Clock, policy: Policy
    ) -> None:
        self._queue = queue
        self._store = store
        self._grace = grace
        self._runner = runner
        self._clock = clock
        self._longest_deferral = policy.windows.at(clock.speed).longest_deferral
        self._odd: dict[IncidentId, int] = {}  # looks in a row at what has a shape that nobody foresaw
        self.turned_away = False  # whether the queue was full for something, which is found in the store again

    def queue_up(self, incident: Incident, *, delay_seconds: float = 0.0) -> None:
        """Have an incident worked on after a delay, in the clock's seconds."""
        self._add(incident, delay_seconds / self._clock.speed)

    def _add(self, incident: Incident, real_seconds: float) -> None:
        if not self._queue.add(Key(incident.id), group=incident.subject.namespace, delay_seconds=real_seconds):
            self.turned_away = True

    async def work(self, stop: asyncio.Event) -> None:
        """Be one worker until it is time to stop; what is begun then is brought to its end."""
        while (key := await self._take(stop)) is not None:
            try:
                await self._handle(key)
            finally:
                self._queue.done(key)

    async def _take(self, stop: asyncio.Event) -> Key | None:
        """The next key, or None when it is time to stop."""
        taking = asyncio.create_task(self._queue.take())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() and not stop.is_set() else None
        finally:
            for task in (taking, stopping):
                task.cancel()

    async def _handle(self, key: Key) -> None:
        try:
            incident = await self._store.incident(IncidentId(key))
        except StoreError as error:
            log.warning("incident.unread", incident=key, because=str(error))
            self._queue.add(key, delay_seconds=RETRY_SECONDS)
            return
        if incident is None or incident.status is not Status.OPEN:
            self._odd.pop(IncidentId(key), None)
            return
        if self._parked(incident):
            return
        try:
            await self._looked(incident)
        except (ClusterError, InFlight, TryLater, StoreError) as error:
            log.warning("incident.postponed", incident=incident.id, because=str(error))
            self.queue_up(incident, delay_seconds=RETRY_SECONDS)

    async def _looked(self, incident: Incident) -> None:
        try:
            advice = await self._grace.advise(incident)
            if advice is Advice.WAIT:
                self.queue_up(incident, delay_seconds=RECHECK_SECONDS)
            elif advice is Advice.WORK:
                await self._after(await self._runner.run(incident))
            self._odd.pop(incident.id, None)
        except ODD_OBJECT as error:
            await self._is_odd(incident, error)

    async def _is_odd(self, incident: Incident, error: Exception) -> None:
        """Look again, a few times: then nobody but a person can, and has to be told."""
        looks = self._odd[incident.id] = self._odd.get(incident.id, 0) + 1
        because = f"{type(error).__name__}: {error}"[:500]
        if looks < ODD_LOOKS:
            log.warning("incident.odd", incident=incident.id, because=because)
            self.queue_up(incident, delay_seconds=ODD_SECONDS)
            return
        log.exception("incident.odd", incident=incident.id, because=because)
        try:
            await self._runner.give_up(incident, error)
        except ODD_OBJECT:
            log.exception("incident.untold", incident=incident.id)
            self.queue_up(incident, delay_seconds=ODD_SECONDS)
            return
        del self._odd[incident.id]

    async def _after(self, incident: Incident) -> None:
        """What is waited for may be another's trouble: it is put under that before anybody is told of it."""
        if incident.status is not Status.OPEN or (incident.waited_out and await self._grace.explained(incident)):
            return
        if not self._parked(incident) and incident.parked_until is not None:
            # Its moment came while the run was ending, and nothing else would take it up.
            self.queue_up(incident, delay_seconds=RETRY_SECONDS)

    def _parked(self, incident: Incident) -> bool:
        """Whether it is deferred; it is taken up again by itself when that has passed."""
        seconds = incident.parked_seconds(self._clock.now(), longest=self._longest_deferral)
        if seconds > 0:
            self._add(incident, seconds)
        return seconds > 0
