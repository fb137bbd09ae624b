"""The road of one round: seal, guard, dry run, guard the difference, apply, verify; and the settling at its end."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_leaves
from evidence.snapshots import owned_replica_sets, read_snapshot
from incidents.changes import CHANGE_ANNOTATION, Baseline, Change, ChangeState, LeafChange
from incidents.codec import digest
from incidents.evidence import Evidence
from incidents.health import PROGRESS_DEADLINE_SECONDS, steady
from incidents.incident import Incident, Result, Verification
from incidents.objects import DEPLOYMENT, ChangeId
from incidents.patch import leaf_diff
from incidents.pointers import value_at
from incidents.policy import Answer, Policy, Ruling, Verdict
from incidents.proposals import Proposal
from remediation.guardrails import View, before_dry_run, on_difference
from remediation.guardrails.request import LONGEST_CLAIM
from remediation.seal import Unsealable, invert, seal
from remediation.transaction import NotApplied, Transaction
from remediation.undo import Undo, UndoRefused
from remediation.verify import Verifier
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Unreachable
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.cluster.writer import Writer
from tools.store.sqlite import Store

LONGEST_DEADLINE = LONGEST_CLAIM - timedelta(minutes=5)  # less, because two clocks are never quite the same

log = structlog.get_logger(__name__)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a proposal before it was verified: ``change`` is set if it was applied.

    ``diff`` is for people and prompts, with masked values where the evidence has them; the change keeps the raw one.
    """

    verdict: Verdict
    diff: tuple[LeafChange, ...] = ()
    change: Change | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident's standing changes were settled: taken back, kept because they help, or stuck."""

    undone: tuple[ChangeId, ...] = ()
    kept: tuple[ChangeId, ...] = ()
    because: str = ""


class Remediation:
    """Everything that may change a workload. Built by ``open_remediation``."""

    def __init__(
        self,
        *,
        reader: Reader,
        writer: Writer,
        store: Store,
        policy: Policy,
        clock: Clock,
        settle_seconds: float,
        holder: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._policy = policy
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._holder = holder
        self._transaction = Transaction(reader, writer, store)
        self._undo = Undo(reader, writer, store)
        self._verifier = Verifier(reader, clock, settle_seconds=settle_seconds)

    @property
    def policy(self) -> Policy:
        """The policy its guardrails judge by."""
        return self._policy

    async def attempt(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """Take a proposal down the road up to its application. A refusal is an answer, not an error.

        Raises Busy or Unreachable when the API server is; FateUnknown when it cannot be told whether the patch landed.
        """
        earlier = tuple(await self._store.changes(incident.id))
        try:
            live, replica_sets = await self._live(proposal)
            view = View(
                policy=self._policy,
                proposal=proposal,
                live=live,
                replica_sets=replica_sets,
                read_generation=int(evidence.snapshot.workload["metadata"].get("generation", 0)),
                manager=incident.subject.manager,
                earlier=earlier,
                known=await self._known(live),
                now=self._clock.now(),
            )
            return await self._guarded(incident, view, evidence, round_number)
        except Unsealable as error:
            return _refusal("seal", Answer.REFUSE, str(error))
        except NotApplied as error:
            return _refusal("apply", Answer.DEFER, str(error))
        except (Busy, Unreachable):
            raise  # nothing has been changed and nothing is decided: the whole run is repeated later
        except ClusterError as error:
            return _refusal("api-server", Answer.REFUSE, str(error))

    async def _guarded(self, incident: Incident, view: View, evidence: Evidence, round_number: int) -> Attempt:
        verdict = before_dry_run(view)
        if verdict.answer in (Answer.REFUSE, Answer.DEFER):
            return await self._noted(incident, Attempt(verdict=verdict))
        change_id = ChangeId(str(uuid.uuid4()))
        deadline = self._deadline(view.live)
        patch = seal(view.proposal, view.live, replica_sets=view.replica_sets, change=change_id, until=deadline)
        answer = await self._writer.dry_run(view.proposal.target, patch, change=change_id)
        diff = leaf_diff(view.live, answer)
        verdict = on_difference(msgspec.structs.replace(view, answer=answer, diff=diff), verdict)
        attempt = await self._noted(incident, Attempt(verdict=verdict, diff=mask_leaves(diff, view.live, answer)))
        if verdict.answer is not Answer.ALLOW:
            return attempt
        change = Change(
            id=change_id,
            incident=incident.id,
            round=round_number,
            target=view.proposal.target,
            proposal=view.proposal,
            patch=patch,
            diff=diff,
            inverse=invert(view.live, answer, diff),
            digest=digest(view.proposal.target.uid, patch, diff),
            baseline=self._baseline(view.earlier, evidence),
            prepared_at=self._clock.now(),
            deadline=deadline,
        )
        return msgspec.structs.replace(attempt, change=await self._leased(change))

    async def _known(self, live: dict[str, Any]) -> frozenset[ChangeId]:
        """The change that the object names, if it is one of this store's: an earlier incident may have made it."""
        named = value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION))
        change = await self._store.change(ChangeId(named)) if isinstance(named, str) else None
        return frozenset({change.id} if change is not None else ())

    def _baseline(self, earlier: Sequence[Change], evidence: Evidence) -> Baseline:
        standing = [change for change in earlier if change.stands]
        if standing:
            return standing[0].baseline
        ready = steady(evidence.snapshot, evidence.taken_at, self._clock.speed)
        return Baseline(ready=ready, symptoms=tuple(sorted(evidence.health.symptoms)))

    async def _leased(self, change: Change) -> Change:
        """Apply under a lease on the object's uid, so that two incidents never change one object at once."""
        key = f"uid/{change.target.uid}"
        seconds = (change.deadline - change.prepared_at).total_seconds()
        if not await self._store.acquire_lease(key, self._holder, seconds=seconds):
            raise NotApplied("another process is changing the object")
        try:
            return await self._transaction.apply(change)
        finally:
            await self._store.release_lease(key, self._holder)

    async def verify(self, change: Change) -> tuple[Change, Verification]:
        """Watch an applied change and record the answer.

        If it ends well it is verified, and so are the incident's earlier changes that stand below it.
        """
        verification = await self._verifier.verify(change)
        if verification.result is Result.WELL:
            for other in await self._store.changes(change.incident):
                if other.state in (ChangeState.APPLIED, ChangeState.KEPT):
                    await self._store.save_change(other.advance(ChangeState.VERIFIED))
            change = await self._store.change(change.id) or change
        await self._store.note(
            change.incident, "verification", change=change.id, result=verification.result, detail=verification.detail
        )
        log.info("change.judged", incident=change.incident, change=change.id, result=verification.result.value)
        return change, verification

    async def look_up_sent(self, incident: Incident) -> None:
        """Decide the fate of changes that were sent and never answered for. Raises FateUnknown while it cannot be."""
        for change in await self._store.changes(incident.id):
            if change.state is ChangeState.SENT:
                with suppress(NotApplied):
                    await self._transaction.find_out(change, because="no answer came when it was sent")

    async def undo(self, change: Change) -> Change:
        """Take one change back. Raises UndoRefused."""
        return await self._undo.undo(change)

    async def settle(self, incident: Incident) -> Settlement:
        """End an incident that is not well: take its standing changes back, newest first.

        They stay if more replicas are ready than before the first of them, or if somebody else has changed the
        spec since. If one cannot be taken back, the rest wait for a person.
        """
        standing = [change for change in await self._store.changes(incident.id) if change.stands]
        undone: list[ChangeId] = []
        while standing and await self._undo.noticed(standing[-1]):
            undone.append(standing.pop().id)  # a crash came between taking it back and recording that
        reason = await self._reason_to_keep(standing) if standing else ""
        if reason:
            return await self._keep(standing, tuple(undone), reason)
        for change in reversed(standing):
            try:
                await self._undo.undo(change)
            except UndoRefused as error:
                await self._store.note(incident.id, "undo-refused", change=change.id, because=str(error))
                left = [other for other in standing if other.id not in undone]
                return await self._keep(left, tuple(undone), f"change {change.id} cannot be undone: {error}")
            undone.append(change.id)
        return Settlement(undone=tuple(undone))

    async def _reason_to_keep(self, standing: Sequence[Change]) -> str:
        now = self._clock.now()
        snapshot = await read_snapshot(self._reader, standing[-1].target, now=now)
        if snapshot is None:
            return "the object is gone"
        if standing[-1].overtaken(snapshot.workload):
            return "somebody else has changed the spec since"
        ready = steady(snapshot, now, self._clock.speed)
        if ready > standing[0].baseline.ready:
            return f"{ready} replicas are ready, {standing[0].baseline.ready} were before"
        return ""

    async def _keep(self, changes: Sequence[Change], undone: tuple[ChangeId, ...], because: str) -> Settlement:
        for change in changes:
            if change.state is ChangeState.APPLIED:
                await self._store.save_change(change.advance(ChangeState.KEPT))
        return Settlement(undone=undone, kept=tuple(change.id for change in changes), because=because)

    async def _live(self, proposal: Proposal) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
        live = await self._reader.find(proposal.target)
        if live is None:
            raise Unsealable("the object is gone")
        if proposal.target.kind != DEPLOYMENT.kind:
            return live, ()
        return live, tuple(await owned_replica_sets(self._reader, live))

    def _deadline(self, live: dict[str, Any]) -> datetime:
        """When verification ends at the latest: never further off than others believe, whatever the spec says."""
        allowed = int(live.get("spec", {}).get("progressDeadlineSeconds") or PROGRESS_DEADLINE_SECONDS)
        wanted = timedelta(seconds=(allowed + self._settle_seconds) / self._clock.speed)
        return self._clock.now() + min(wanted, LONGEST_DEADLINE)

    async def _noted(self, incident: Incident, attempt: Attempt) -> Attempt:
        await self._store.note(
            incident.id,
            "guarded",
            answer=attempt.verdict.answer,
            rulings=attempt.verdict.objections or attempt.verdict.rulings,
            diff=attempt.diff,
        )
        return attempt


def _refusal(rule: str, answer: Answer, reason: str) -> Attempt:
    return Attempt(verdict=Verdict((Ruling(rule, answer, reason),)))


def open_remediation(
    transport: Transport,
    reader: Reader,
    store: Store,
    *,
    policy: Policy,
    clock: Clock,
    settle_seconds: float,
    holder: str,
) -> Remediation:
    """The only place where a writer is made. In mode observe there is none to be asked: guards refuse first."""
    return Remediation(
        reader=reader,
        writer=Writer(transport),
        store=store,
        policy=policy,
        clock=clock,
        settle_seconds=settle_seconds,
        holder=holder,
    )
