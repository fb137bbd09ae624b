"""What is done about changes that a crash left half-way, before anything else starts. Needs no LangGraph.

Prepared: it was never sent, so it is abandoned. Sent: the object is searched for its id. Applied: the road goes
on with its verification when the incident is taken up again. What another process of this store is just making looks
the same from here; it holds the lease on the object, and is left to it.
"""

from __future__ import annotations

import structlog

from incidents.changes import Change, ChangeState
from incidents.objects import ClusterId
from remediation.transaction import FateUnknown, NotApplied, Transaction
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.cluster.writer import Writer
from tools.store import Store

LEASE_SECONDS = 60.0  # real seconds; longer than it takes to know whether a write has landed

log = structlog.get_logger(__name__)


async def recover(
    transport: Transport, reader: Reader, store: Store, cluster: ClusterId, *, clock: Clock, holder: str
) -> list[Change]:
    """Decide the fate of this cluster's unfinished changes; answers those that stand and are not verified.

    One store may know several clusters; a change to another one cannot be looked up here. ``holder`` is the name on
    the leases that are held meanwhile.
    """
    transaction = Transaction(reader, Writer(transport), store, clock)
    for change in await _here(store, cluster, ChangeState.PREPARED, ChangeState.SENT):
        key = f"uid/{change.target.uid}"
        if not await store.acquire_lease(key, holder, seconds=LEASE_SECONDS):
            log.info("change.in_other_hands", incident=change.incident, change=change.id)
            continue
        try:
            present = await store.change(change.id) or change  # whoever had the lease may have ended it
            if fate := await _decided(present, store, transaction, clock):
                await store.note(change.incident, "recovered", change=change.id, fate=fate)
                log.warning("change.recovered", incident=change.incident, change=change.id, fate=fate)
        finally:
            await store.release_lease(key, holder)
    return await _here(store, cluster, ChangeState.APPLIED, ChangeState.SENT)


async def _decided(change: Change, store: Store, transaction: Transaction, clock: Clock) -> str:
    """What became of it; empty if there is nothing left to be decided."""
    if change.state is ChangeState.PREPARED:
        await store.save_change(change.advance(ChangeState.ABANDONED, ended_at=clock.now()))
        return "never sent"
    if change.state is not ChangeState.SENT:
        return ""
    try:
        await transaction.find_out(change, because="the program was interrupted")
    except NotApplied:
        return "never arrived"
    except FateUnknown as error:
        return str(error)
    return "applied"


async def _here(store: Store, cluster: ClusterId, *states: ChangeState) -> list[Change]:
    found = []
    for change in await store.changes_in(*states):
        incident = await store.incident(change.incident)
        if incident is not None and incident.subject.cluster == cluster:
            found.append(change)
    return found
