"""The road of one round: seal, guard, dry run, guard the difference, ask where that is needed, apply, verify."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from evidence.redaction import mask_leaves
from evidence.sight import looking_through
from evidence.snapshots import revisions_of
from incidents.changes import CHANGE_ANNOTATION, Baseline, Change, ChangeState, Inverse, InverseKind
from incidents.evidence import Evidence
from incidents.health import PROGRESS_DEADLINE_SECONDS, steady
from incidents.incident import Incident, Result, Verification
from incidents.object_health import RESIZE_SECONDS
from incidents.objects import ChangeId
from incidents.patch import leaf_diff
from incidents.pointers import value_at
from incidents.policy import Answer, Policy
from incidents.proposals import Create, Proposal
from remediation.admission import Admission
from remediation.anew import anew, difference, is_anew, nothing_of, sealed_anew, stood
from remediation.approval import asked_digest
from remediation.attempt import Attempt, by, noted, refusal
from remediation.draining import Draining, rehearsed_evictions
from remediation.gate import GatedWriter, RestrainedWriter, Writes, WritesStopped
from remediation.growth import Growth
from remediation.guardrails import View, before_dry_run, on_difference
from remediation.guardrails.inverse import inverse_of, never_ran
from remediation.guardrails.request import LONGEST_DEADLINE
from remediation.making import Making, rehearsed_anew
from remediation.outcomes import NotApplied, PutBack
from remediation.seal import Unsealable, invert, seal
from remediation.settling import Settlement, Settling
from remediation.steps import Pace, Step, Unpaced
from remediation.surroundings import Surroundings
from remediation.taking_back import TakingBack
from remediation.target import NotRead, as_read, managed_by
from remediation.transaction import Transaction
from remediation.unblocking import Unblocking
from remediation.undo import Undo, UndoRefused
from remediation.verify import Verifier
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Unreachable
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.cluster.writer import Writer
from tools.store import Store

log = structlog.get_logger(__name__)


class Remediation:
    """Everything that may change a workload. Built by ``open_remediation``."""

    _admission_type: type[Admission] = Admission
    _making_type: type[Making] = Making

    def __init__(
        self,
        *,
        reader: Reader,
        writer: Writes,
        store: Store,
        policy: Policy,
        clock: Clock,
        settle_seconds: float,
        holder: str,
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Unpaced()
        self._reader = reader
        self._writer = GatedWriter(RestrainedWriter(writer, policy.mode), store, clock)
        self._store = store
        self._policy = policy
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._holder = holder
        self._windows = policy.windows.at(clock.speed)
        self._surroundings = Surroundings(reader=reader, store=store, clock=clock, windows=self._windows)
        making = self._making_type(reader, self._writer, store, clock)
        self._transaction = Transaction(reader, self._writer, store, clock, making=making)
        self._admission = self._admission_type(
            store=store,
            surroundings=self._surroundings,
            transaction=self._transaction,
            clock=clock,
            windows=self._windows,
            holder=holder,
        )
        self._undo = Undo(reader, self._writer, store, clock)
        self._undo_by_hand = Undo(reader, GatedWriter(writer, store, clock), store, clock)
        self._undo_despite = Undo(reader, writer, store, clock)
        self._settling = Settling(reader, store, self._undo, clock)
        self._verifier = Verifier(
            looking_through(reader, clock),
            clock,
            settle_seconds=settle_seconds,
            unblocking=Unblocking(reader, self._writer, store, clock),
            draining=Draining(reader, self._writer, store, clock),
            growth=Growth(reader),
        )

    @property
    def policy(self) -> Policy:
        """The policy its guardrails judge by."""
        return self._policy

    async def attempt(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """Take a proposal down the road up to its application. A refusal is an answer, not an error.

        What needs approval is applied if a person has approved exactly this, and else asked for: ``request`` is then
        set. Raises Busy or Unreachable when the API server is; FateUnknown when it cannot be told whether the patch
        landed.
        """
        return await self._answered(
            self._guarded(incident, proposal, evidence, round_number), soon=self._soon(incident, proposal, evidence)
        )

    async def rehearse(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """What the guardrails and the server's dry run say of a proposal. Nothing is applied and nobody is asked.

        Raises as ``attempt`` does.
        """
        return await self._answered(
            self._rehearsal(incident, proposal, evidence, round_number), soon=self._soon(incident, proposal, evidence)
        )

    async def _answered(self, attempt: Awaitable[Attempt], *, soon: datetime | None) -> Attempt:
        """What comes of an attempt, with its failures as rulings.

        ``soon``: set where its target is not the subject itself. Another incident may be at that, and mend this one
        with it, so that what is put off for it is looked at again by then.
        """
        try:
            return by(await attempt, soon) if soon is not None else await attempt
        except Unsealable as error:
            if soon is None or isinstance(error, NotRead):
                return refusal("seal", Answer.REFUSE, str(error))
            return refusal("seal", Answer.DEFER, str(error), soon)
        except PutBack as error:
            return refusal("apply", Answer.REFUSE, str(error))
        except NotApplied as error:
            return refusal("apply", Answer.DEFER, str(error))
        except WritesStopped as error:
            until = self._clock.now() + timedelta(seconds=self._windows.switched)
            return refusal("kill-switch", Answer.DEFER, str(error), until)
        except (Busy, Unreachable):
            raise  # nothing has been changed and nothing is decided: the whole run is repeated later
        except ClusterError as error:
            return refusal("api-server", Answer.REFUSE, str(error))

    def _soon(self, incident: Incident, proposal: Proposal, evidence: Evidence) -> datetime | None:
        """A moment after the evidence, where a proposal is about an object beside the subject; None where it is not."""
        beside = proposal.target.uid != incident.subject.uid
        return evidence.taken_at + timedelta(seconds=self._windows.beside) if beside else None

    async def _view(self, incident: Incident, proposal: Proposal, evidence: Evidence) -> View:
        live, replica_sets = await self._live(proposal)
        read = as_read(evidence, proposal)
        view = View(
            policy=self._policy,
            windows=self._windows,
            incident=incident.id,
            continues=await self._surroundings.continues(incident),
            proposal=proposal,
            live=live,
            replica_sets=replica_sets,
            read_generation=int(read["metadata"].get("generation", 0)),
            manager=managed_by(incident, live),
            sources=await self._surroundings.sources(live, proposal),
            earlier=tuple(await self._store.changes(incident.id)),
            known=await self._known(live),
            inverse=inverse_of(proposal),
            never_ran=never_ran(evidence.snapshot, live),
            now=self._clock.now(),
        )
        return await self._admission.up_to_date(view, incident.subject.cluster)

    async def _rehearsal(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, round_number: int
    ) -> Attempt:
        attempt, _ = await self._judged(
            incident, await self._view(incident, proposal, evidence), evidence, round_number
        )
        return attempt

    async def _judged(
        self, incident: Incident, view: View, evidence: Evidence, round_number: int
    ) -> tuple[Attempt, Change | None]:
        """All that is said of a proposal, and the change it would be; None where it is not sent to the server."""
        await self._pace.reached(incident.id, Step.PRE_GUARD, said=view.proposal.reason)
        verdict = before_dry_run(view)
        if verdict.answer in (Answer.REFUSE, Answer.DEFER):
            return Attempt(verdict=verdict), None
        await self._pace.reached(incident.id, Step.DRY_RUN, said=f"the request: {verdict.answer}")
        change, answer = await self._rehearsed(incident, view, evidence, round_number)
        shown = mask_leaves(change.diff, stood(view.proposal, view.live), answer)
        await self._pace.reached(incident.id, Step.GUARD, said="\n".join(leaf.line for leaf in shown))
        verdict = on_difference(msgspec.structs.replace(view, answer=answer, diff=change.diff), verdict)
        return Attempt(verdict=verdict, diff=shown), change

    async def _guarded(self, incident: Incident, proposal: Proposal, evidence: Evidence, round_number: int) -> Attempt:
        view = await self._view(incident, proposal, evidence)
        attempt, change = await self._judged(incident, view, evidence, round_number)
        await noted(self._store, incident, attempt)
        verdict = attempt.verdict
        if change is None:
            return attempt
        if verdict.answer is Answer.ALLOW:
            await self._pace.reached(incident.id, Step.APPLY, said=f"the difference: {verdict.answer}")
            return await self._admission.make(incident, view, change, attempt)
        if verdict.answer is Answer.NEEDS_APPROVAL and self._policy.mode.acts:
            if await self._admission.approved(change):
                await self._pace.reached(incident.id, Step.APPLY, said="the difference: a person has approved it")
            return await self._admission.make_or_ask(incident, view, change, attempt)
        return attempt

    async def _rehearsed(
        self, incident: Incident, view: View, evidence: Evidence, round_number: int
    ) -> tuple[Change, dict[str, Any]]:
        """The change as it would be made, and the object as the server says it would become."""
        change_id, target = ChangeId(str(uuid.uuid4())), view.proposal.target
        deadline = self._deadline(view)
        if is_anew(view.proposal):
            patch = sealed_anew(view.proposal, view.live, change=change_id, until=deadline)
            made = anew(view.proposal, view.live, patch)
            answer = await rehearsed_anew(self._writer, target, made, change_id)
            diff = difference(view.proposal, view.live, answer)
            inverse = Inverse(operations=())
        else:
            made = None
            patch = seal(view.proposal, view.live, replica_sets=view.replica_sets, change=change_id, until=deadline)
            answer = await self._writer.dry_run(target, patch, change=change_id)
            await rehearsed_evictions(self._writer, view.proposal, change_id)
            diff = leaf_diff(view.live, answer)
            inverse = invert(view.live, answer, diff)
        change = Change(
            id=change_id,
            incident=incident.id,
            round=round_number,
            target=target,
            proposal=view.proposal,
            patch=patch,
            diff=diff,
            inverse=msgspec.structs.replace(inverse, kind=view.inverse),
            digest=asked_digest(view.proposal, patch, diff),
            baseline=self._baseline(view.earlier, evidence),
            prepared_at=self._clock.now(),
            deadline=deadline,
            anew=made,
        )
        return change, answer

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

    async def verify(self, change: Change) -> tuple[Change, Verification]:
        """Watch an applied change and record the answer.

        If it ends well it is verified, and so are the incident's earlier changes that stand below it.
        """
        incident = await self._store.incident(change.incident)
        elsewhere = incident is not None and incident.subject.uid != change.object.uid
        seen = incident.subject.ref if incident is not None and elsewhere else change.object
        await self._pace.reached(change.incident, Step.VERIFY, said=f"change {change.id} stands on {change.target}")
        verification = await self._verifier.verify(change, seen)
        if verification.result is Result.WELL:
            for other in await self._store.changes(change.incident):
                if other.state in (ChangeState.APPLIED, ChangeState.KEPT):
                    await self._store.save_change(other.advance(ChangeState.VERIFIED, ended_at=self._clock.now()))
            change = await self._store.change(change.id) or change
        await self._store.note(
            change.incident, "verification", change=change.id, result=verification.result, detail=verification.detail
        )
        log.info("change.judged", incident=change.incident, change=change.id, result=verification.result.value)
        return change, verification

    async def look_up_sent(self, incident: Incident) -> bool:
        """Decide the fate of changes that were sent and never answered for, as at a start (``recover``).

        Whoever calls this holds the incident: nobody else is just making one. Whether an object was put back for that,
        so that it is another one now. Raises FateUnknown while it cannot be decided.
        """
        put_back = False
        for change in await self._store.changes(incident.id):
            if change.state is ChangeState.PREPARED:  # the store refused to take down that it was sent: it was not
                await self._store.save_change(change.advance(ChangeState.ABANDONED, ended_at=self._clock.now()))
            if change.state is ChangeState.SENT:
                try:
                    await self._transaction.find_out(change, because="no answer came when it was sent")
                except PutBack:
                    put_back = True
                except NotApplied:
                    pass  # it never arrived, and that is written down
            if change.state is ChangeState.UNDOING:
                with suppress(UndoRefused):  # another object has its name by now
                    await self._undo.undo(change)
                put_back = True
        return put_back

    async def undo(self, change: Change) -> Change:
        """Take one change back, as the program does by itself. Raises UndoRefused."""
        return await self._undo.undo(change)

    async def take_back(self, change: Change, *, by: str, despite_kill_switch: bool = False) -> Change:
        """Take one change back because a person has said so; its incident is handed over.

        Raises UndoRefused, with the three-way difference where somebody has changed it since, and FateUnknown while
        it cannot be told whether the change ever landed.
        """
        undo = self._undo_despite if despite_kill_switch else self._undo_by_hand
        return await TakingBack(self._store, self._transaction, undo, self._clock, self._holder).take_back(
            change, by=by
        )

    async def settle(self, incident: Incident) -> Settlement:
        """End an incident that is not well: take its standing changes back, or say why they stay."""
        return await self._settling.settle(incident)

    async def _live(self, proposal: Proposal) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
        live = await self._reader.find(proposal.target)
        if isinstance(proposal.action, Create):
            if live is not None:
                raise Unsealable(f"{proposal.target} is there by now")
            return nothing_of(proposal.target), ()
        if live is None:
            raise Unsealable("the object is gone")
        return live, tuple(await revisions_of(self._reader, live))

    def _deadline(self, view: View) -> datetime:
        """When verification ends at the latest: never further off than others believe, whatever the spec says."""
        allowed = int(view.live.get("spec", {}).get("progressDeadlineSeconds") or PROGRESS_DEADLINE_SECONDS)
        allowed += RESIZE_SECONDS if view.inverse is InverseKind.NONE else 0  # a volume grows first
        wanted = timedelta(seconds=(allowed + self._settle_seconds) / self._clock.speed)
        return self._clock.now() + min(wanted, LONGEST_DEADLINE)


def open_remediation(
    transport: Transport,
    reader: Reader,
    store: Store,
    *,
    policy: Policy,
    clock: Clock,
    settle_seconds: float,
    holder: str,
    pace: Pace | None = None,
) -> Remediation:
    """The only place where a writer that writes is made."""
    from remediation.recorded import RecordedRemediation  # here: it is made of this module's class

    return RecordedRemediation(
        reader=reader,
        writer=Writer(transport),
        store=store,
        policy=policy,
        clock=clock,
        settle_seconds=settle_seconds,
        holder=holder,
        pace=pace,
    )
