"""What is done about changes that a crash left half-way, before anything else starts. Needs no LangGraph.

Prepared: it was never sent, so it is abandoned. Sent: the object is searched for its id. Applied: the road goes
on with its verification when the incident is taken up again. What was deleted to be made anew, and is not there, is put
back, as far as mode and kill switch let the program write. What another process of this store is just making looks
the same from here; it holds the lease on the object, and is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from incidents.changes import Change, ChangeState
from incidents.objects import ClusterId
from incidents.policy import Mode
from remediation.gate import GatedWriter, RestrainedWriter
from remediation.outcomes import NotApplied, PutBack
from remediation.putting_back import PuttingBack
from remediation.three_way import UndoRefused
from remediation.transaction import Transaction
from tools.clock import Clock
from tools.cluster.errors import Busy, Unreachable
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.cluster.writer import Writer
from tools.store import Store

LEASE_SECONDS = 60.0  # real seconds; longer than it takes to know whether a write has landed
_HALF_WAY = (ChangeState.PREPARED, ChangeState.SENT, ChangeState.UNDOING)

log = structlog.get_logger(__name__)


async def recover(
    transport: Transport,
    reader: Reader,
    store: Store,
    cluster: ClusterId,
    *,
    clock: Clock,
    holder: str,
    mode: Mode = Mode.SUGGEST,
) -> list[Change]:
    """Decide the fate of this cluster's unfinished changes; answers those that stand and are not verified.

    One store may know several clusters; a change to another one cannot be looked up here. ``holder`` is the name on
    the leases that are held meanwhile.
    """
    writer = GatedWriter(RestrainedWriter(Writer(transport), mode), store, clock)
    fates = _Fates(store, clock, Transaction(reader, writer, store, clock), PuttingBack(reader, writer, store, clock))
    for change in await _here(store, cluster, *_HALF_WAY):
        key = f"uid/{change.object.uid}"
        if not await store.acquire_lease(key, holder, seconds=LEASE_SECONDS):
            log.info("change.in_other_hands", incident=change.incident, change=change.id)
            continue
        try:
            present = await store.change(change.id) or change  # whoever had the lease may have ended it
            if fate := await fates.decided(present):
                await store.note(change.incident, "recovered", change=change.id, fate=fate)
                log.warning("change.recovered", incident=change.incident, change=change.id, fate=fate)
        finally:
            await store.release_lease(key, holder)
    return await _here(store, cluster, ChangeState.APPLIED, ChangeState.SENT, ChangeState.UNDOING)


@dataclass(frozen=True)
class _Fates:
    """Decides what became of changes."""

    store: Store
    clock: Clock
    transaction: Transaction
    putting_back: PuttingBack

    async def decided(self, change: Change) -> str:
        """What became of it; empty if there is nothing left to be decided."""
        if change.state is ChangeState.PREPARED:
            await self.store.save_change(change.advance(ChangeState.ABANDONED, ended_at=self.clock.now()))
            return "never sent"
        try:
            if change.state is ChangeState.SENT:
                await self.transaction.find_out(change, because="the program was interrupted")
                return "applied"
            if change.state is ChangeState.UNDOING:
                await self.putting_back.take_back(change)
                return "put back"
        except PutBack:
            return "put back"
        except NotApplied:
            return "never arrived"
        except (UndoRefused, Busy, Unreachable) as error:  # FateUnknown too: it is decided later
            return str(error)
        return ""


async def _here(store: Store, cluster: ClusterId, *states: ChangeState) -> list[Change]:
    found = []
    for change in await store.changes_in(*states):
        incident = await store.incident(change.incident)
        if incident is not None and incident.subject.cluster == cluster:
            found.append(change)
    return found
