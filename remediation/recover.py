"""What is done about changes that a crash left half-way, before anything else starts. Needs no LangGraph.

Prepared: it was never sent, so it is abandoned. Sent: the object is searched for its id. Applied: the road goes
on with its verification when the incident is taken up again.
"""

from __future__ import annotations

import structlog

from incidents.changes import Change, ChangeState
from incidents.objects import ClusterId
from remediation.transaction import FateUnknown, NotApplied, Transaction
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.cluster.writer import Writer
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


async def recover(transport: Transport, reader: Reader, store: Store, cluster: ClusterId) -> list[Change]:
    """Decide the fate of this cluster's unfinished changes; answers those that stand and are not verified.

    One store may know several clusters; a change to another one cannot be looked up here.
    """
    transaction = Transaction(reader, Writer(transport), store)
    for change in await _here(store, cluster, ChangeState.PREPARED):
        await store.save_change(change.advance(ChangeState.ABANDONED))
        await store.note(change.incident, "recovered", change=change.id, fate="never sent")
    for change in await _here(store, cluster, ChangeState.SENT):
        try:
            await transaction.find_out(change, because="the program was interrupted")
            fate = "applied"
        except NotApplied:
            fate = "never arrived"
        except FateUnknown as error:
            fate = str(error)
        await store.note(change.incident, "recovered", change=change.id, fate=fate)
        log.warning("change.recovered", incident=change.incident, change=change.id, fate=fate)
    return await _here(store, cluster, ChangeState.APPLIED, ChangeState.SENT)


async def _here(store: Store, cluster: ClusterId, *states: ChangeState) -> list[Change]:
    found = []
    for change in await store.changes_in(*states):
        incident = await store.incident(change.incident)
        if incident is not None and incident.subject.cluster == cluster:
            found.append(change)
    return found
