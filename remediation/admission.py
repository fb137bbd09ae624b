"""From a change that is ready to one that is made: the last look at the caps, the approval, the record, the request.

Between that last look and the moment at which a change counts in the caps itself nothing else is admitted, so that they
hold however many incidents are worked on at once.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from incidents.changes import Change
from incidents.decisions import RequestState
from incidents.incident import Incident
from incidents.objects import ClusterId
from incidents.policy import Answer, Verdict, Windows
from remediation.approval import request_for
from remediation.attempt import Attempt, noted
from remediation.guardrails import View, just_before
from remediation.outcomes import NotApplied
from remediation.surroundings import Surroundings
from remediation.transaction import Transaction
from tools.clock import Clock
from tools.store import Store

log = structlog.get_logger(__name__)


class Admission:
    """Admits one change at a time. ``holder`` is the name on its leases."""

    def __init__(
        self,
        *,
        store: Store,
        surroundings: Surroundings,
        transaction: Transaction,
        clock: Clock,
        windows: Windows,
        holder: str,
    ) -> None:
        self._store = store
        self._surroundings = surroundings
        self._transaction = transaction
        self._clock = clock
        self._windows = windows
        self._holder = holder
        self._one_at_a_time = asyncio.Lock()

    async def up_to_date(self, view: View, cluster: ClusterId) -> View:
        """The view with what has been changed and switched by now."""
        recent = await self._surroundings.recent(cluster)
        return msgspec.structs.replace(
            view,
            recent=recent,
            workloads=await self._surroundings.workloads(view.proposal.target.namespace, recent),
            switches=await self._surroundings.switches(),
            now=self._clock.now(),
        )

    async def make(
        self, incident: Incident, view: View, change: Change, attempt: Attempt, *, approval: bool = False
    ) -> Attempt:
        """Admit and apply it, under a lease on the object's uid: two incidents never change one object at once."""
        key = f"uid/{change.target.uid}"
        seconds = (change.deadline - change.prepared_at).total_seconds()
        if not await self._store.acquire_lease(key, self._holder, seconds=seconds):
            raise NotApplied("another process is changing the object")
        try:
            async with self._one_at_a_time:  # from the last look at the caps until it counts in them itself
                late = just_before(await self.up_to_date(view, incident.subject.cluster))
                if late.objections:
                    verdict = Verdict((*attempt.verdict.rulings, *late.objections))
                    return await noted(self._store, incident, msgspec.structs.replace(attempt, verdict=verdict))
                prepared = await self._prepared(change, approval=approval)
            if prepared is None:
                return attempt
            return msgspec.structs.replace(attempt, change=await self._transaction.apply(prepared))
        finally:
            await self._store.release_lease(key, self._holder)

    async def approved(self, change: Change) -> bool:
        """Whether a person has approved this very change, and it has not been made."""
        asked = await self._store.requests_of(change.incident)
        return any(one.state is RequestState.APPROVED and one.digest == change.digest for one in asked)

    async def make_or_ask(self, incident: Incident, view: View, change: Change, attempt: Attempt) -> Attempt:
        """Make it if this very change is approved; else it waits for a person, and this was what it is asked by."""
        attempt = await self.make(incident, view, change, attempt, approval=True)
        if attempt.change is not None or attempt.verdict.answer is not Answer.NEEDS_APPROVAL:
            return attempt
        asked = request_for(change, attempt.verdict, attempt.diff, now=self._clock.now(), seconds=self._windows.request)
        request = await self._store.ask(asked)
        if request.id == asked.id:
            await self._store.note(incident.id, "asked", request=request.id, digest=request.digest)
            log.info("approval.asked", incident=incident.id, request=request.id)
        return msgspec.structs.replace(attempt, request=request)

    async def _prepared(self, change: Change, *, approval: bool) -> Change | None:
        """The change once it is recorded as prepared; None where it needs an approval that nobody has given."""
        if not approval:
            await self._store.save_change(change)
            return change
        used = await self._store.use_approval(change.incident, change.digest, change)
        if used is None:
            return None
        await self._store.note(change.incident, "approval-used", request=used.id, change=change.id)
        return msgspec.structs.replace(change, approval=used.id)
