"""Which store's daemon works on the cluster: one Lease, held by ``run``, looked at by everything else.

Where another store holds it, nobody else goes further than suggest. A cluster without the Lease's namespace has
no Lease: then only the annotations that changes carry keep two stores apart, and a line says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from incidents.policy import Mode
from tools.clock import Clock
from tools.cluster.errors import ClusterError, Forbidden, NotFound
from tools.cluster.own_objects import LEASE_SECONDS, OwnObjects

RELEASE_SECONDS = 1.5  # real seconds: whoever is told to end has no more left for an API server that hangs

log = structlog.get_logger(__name__)


class ClaimLost(Exception):
    """Another store has taken the Lease while we worked; nothing more may be changed."""


@asynccontextmanager
async def claiming(own: OwnObjects, *, namespace: str, identity: str, clock: Clock) -> AsyncIterator[str | None]:
    """Hold the Lease while the block runs; yields the other holder's name if it is taken.

    Raises ClaimLost inside an exception group when it is lost meanwhile.
    """
    try:
        holder = await own.take_lease(namespace, identity, now=clock.now())
    except (NotFound, Forbidden) as error:
        log.warning("lease.none", namespace=namespace, because=str(error))
        yield None
        return
    if holder != identity:
        yield holder
        return
    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(_keep(own, namespace, identity, clock))
        try:
            yield None
        finally:
            keeper.cancel()
            await _release(own, namespace, identity, clock)


async def other_holder(own: OwnObjects, *, namespace: str, identity: str, clock: Clock) -> str | None:
    """Who else holds the Lease; None when nobody does or it may not be read."""
    try:
        holder = await own.holder(namespace, now=clock.now())
    except Forbidden:
        return None
    return holder if holder != identity else None


def restrained(mode: Mode, holder: str | None) -> Mode:
    """The mode that is left where another store's daemon works on the cluster."""
    return Mode.SUGGEST if holder is not None and mode in (Mode.APPROVE, Mode.AUTO) else mode


async def _keep(own: OwnObjects, namespace: str, identity: str, clock: Clock) -> None:
    failures = 0
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        try:
            holder = await own.take_lease(namespace, identity, now=clock.now())
            failures = 0
        except ClusterError as error:
            failures += 1
            log.warning("lease.not_renewed", because=str(error), failures=failures)
            continue
        if holder != identity:
            raise ClaimLost(f"{holder} has taken over this cluster's lease")


async def _release(own: OwnObjects, namespace: str, identity: str, clock: Clock) -> None:
    try:
        async with asyncio.timeout(RELEASE_SECONDS):
            await own.release_lease(namespace, identity, now=clock.now())
    except (ClusterError, TimeoutError) as error:
        log.warning("lease.not_released", because=str(error) or "no answer in time")  # it runs out by itself
