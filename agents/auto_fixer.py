"""AutoFixer: takes the current round's proposal down the road, and settles what has not helped.

Where no playbook is certain and there is a model, it thinks about the round first, once; what comes of that is a
proposal like any other, or silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from agents.standing import Standing, Turn
from agents.thinking import Thinking
from incidents.changes import Change, ChangeState
from incidents.decisions import Decision, Request, rounds_allowed, taken_back, turned_down, undone_lately
from incidents.evidence import Evidence
from incidents.incident import Outcome, Result, Round
from incidents.objects import IncidentId
from incidents.policy import Answer, Mode
from incidents.proposals import Proposal
from remediation import Attempt, Remediation
from remediation.undo import UndoRefused
from tools.notify.contract import Notice, Section
from tools.store import Store

log = structlog.get_logger(__name__)


class AutoFixer:
    """Does not decide what to change: playbooks and models propose, the guardrails dispose."""

    def __init__(self, remediation: Remediation, store: Store, thinking: Thinking | None = None) -> None:
        self._remediation = remediation
        self._store = store
        self._thinking = thinking

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """One step: resume a verification, try the current proposal, or settle what stands.

        Raises Busy or Unreachable when the API server is: the run is repeated later.
        """
        if await self._remediation.look_up_sent(standing.incident):
            return Turn(text="What was deleted to be made anew has been put back", again=True)
        unverified = await self._unverified(standing)
        if unverified is not None:
            return await self._verify(standing, unverified)
        current = standing.current
        if current is not None and current.proposal is not None and not current.tried and evidence is not None:
            return await self._try(standing, current, current.proposal, evidence)
        if current is not None and current.open_to_thought and evidence is not None:
            thinking = self._thinking
            if thinking is not None and thinking.able(standing, evidence):
                return await self._think(standing, current, evidence, thinking)
        return await self._settle(standing, "no further proposal")

    async def _think(self, standing: Standing, current: Round, evidence: Evidence, thinking: Thinking) -> Turn:
        """Let a model look for what no playbook knows; without an opinion of its own it is as if nobody had asked."""

        async def rehearse(proposal: Proposal) -> Attempt:
            return await self._remediation.rehearse(standing.incident, proposal, evidence, round_number=current.number)

        considered = await thinking.consider(standing, evidence, rehearse)
        entry = msgspec.structs.replace(current, thought=considered.thought, diagnosis=considered.thought.diagnosis)
        if considered.opinion is not None:
            opinion = considered.opinion
            entry = msgspec.structs.replace(entry, diagnosis=opinion.diagnosis, proposal=opinion.proposal)
        await self._store.save_round(standing.incident.id, entry)
        if entry.proposal is None:
            return await self._settled_or_open(standing, entry, f"Nothing to propose: {considered.thought.declined}")
        rounds = tuple(entry if one.number == entry.number else one for one in standing.rounds)
        standing = msgspec.structs.replace(standing, rounds=rounds)
        turn = await self._try(standing, entry, entry.proposal, evidence)
        return turn if turn.entry is not None else msgspec.structs.replace(turn, entry=entry)

    async def _settled_or_open(self, standing: Standing, entry: Round, because: str) -> Turn:
        """Settle what stands; where nothing does, who else may know is still an open question."""
        if await self._anything_stands(standing):
            return msgspec.structs.replace(await self._settle(standing, because), entry=entry)
        return Turn(text=because, entry=entry)

    async def _unverified(self, standing: Standing) -> Change | None:
        """A change that was applied before this process looked: its verification goes on."""
        for change in await self._store.changes(standing.incident.id):
            entry = _round(standing, change.round)
            if change.state is ChangeState.APPLIED and (entry is None or entry.verification is None):
                return change
        return None

    async def _try(self, standing: Standing, current: Round, proposal: Proposal, evidence: Evidence) -> Turn:
        incident = standing.incident.id
        changes, decisions = await self._store.changes(incident), await self._store.decisions(incident)
        if because := await self._turned_down(incident, changes, decisions, current.number):
            return await self._settle(standing, because)
        if any(_helped(standing, change) for change in undone_lately(changes, decisions)):
            # Only the end of the work takes back what has helped, and was interrupted then.
            return await self._settle(standing, "what had helped was not enough", nothing=Outcome.ROLLED_BACK)
        stuck = await self._make_way(standing, proposal, changes)
        if stuck is not None:
            return stuck
        attempt = await self._remediation.attempt(standing.incident, proposal, evidence, round_number=current.number)
        if attempt.request is not None:
            return await self._waiting(standing, current, attempt, attempt.request)
        entry = msgspec.structs.replace(current, verdict=attempt.verdict, diff=attempt.diff)
        if attempt.change is None:
            return await self._not_applied(standing, entry, attempt)
        entry = msgspec.structs.replace(entry, change=attempt.change.id, change_state=attempt.change.state)
        await self._store.save_round(standing.incident.id, entry)
        return await self._verify(standing, attempt.change, entry)

    async def _make_way(self, standing: Standing, proposal: Proposal, changes: Sequence[Change]) -> Turn | None:
        """Undo failed changes to other fields first; a change to the same field goes on from where it stands."""
        for change in reversed([one for one in changes if one.stands]):
            # What has no way back is more room, and in nothing's way.
            if change.for_good or change.proposal.paths == proposal.paths or _helped(standing, change):
                continue
            try:
                await self._remediation.undo(change)
            except UndoRefused as error:
                return Turn(text=f"Change {change.id} cannot be undone: {error}", outcome=Outcome.ESCALATED)
            if change.anew is not None:  # the proposal is about the object that was deleted for that
                return Turn(text=f"{change.target} is as it was before change {change.id}", again=True)
        return None

    async def _turned_down(
        self, incident: IncidentId, changes: Sequence[Change], decisions: Sequence[Decision], number: int
    ) -> str:
        """Why a person does not want this round, if one has said so since the last `retry`."""
        if undone := taken_back(changes, decisions):
            return f"{undone.undone_by} has undone change {undone.id}"
        return turned_down(await self._store.requests_of(incident), decisions, number)

    async def _waiting(self, standing: Standing, current: Round, attempt: Attempt, request: Request) -> Turn:
        """The round stays as it is: with the answer it begins anew, from the world as it is then."""
        entry = msgspec.structs.replace(current, diff=attempt.diff)
        await self._store.save_round(standing.incident.id, entry)
        return Turn(text=f"Waits for a person: {_objections(attempt)}", entry=entry, request=request.id)

    async def _not_applied(self, standing: Standing, entry: Round, attempt: Attempt) -> Turn:
        said, until = _objections(attempt), attempt.verdict.until
        deferred, stands = attempt.verdict.answer is Answer.DEFER, await self._anything_stands(standing)
        if deferred and until is not None and not stands:
            await self._tell_of_breaker(attempt)
            return Turn(text=f"Deferred: {said}", parked_until=until)  # and the round is not counted
        await self._store.save_round(standing.incident.id, entry)
        if deferred and until is None and _first_deferral(standing):
            return Turn(text=f"Deferred: {said}", entry=entry, again=True)
        if stands:  # nothing of ours is left standing unverified while it waits
            settled = await self._settle(standing, said)
            return msgspec.structs.replace(settled, entry=entry)
        outcome = Outcome.OBSERVED if self._remediation.policy.mode is Mode.OBSERVE else Outcome.ESCALATED
        return Turn(text=f"Not applied: {said}", entry=entry, outcome=outcome)

    async def _tell_of_breaker(self, attempt: Attempt) -> None:
        """An open breaker is told of once, however many incidents it parks: somebody should look at what was undone."""
        for ruling in attempt.verdict.objections:
            if ruling.rule == "breaker" and ruling.until is not None:
                lines = (ruling.reason, "Incidents that need a change wait until then.")
                notice = Notice(
                    key=f"breaker/{ruling.until.isoformat()}",
                    title="No new changes are begun for a while",
                    sections=(Section(lines=lines),),
                )
                await self._store.enqueue(notice)

    async def _verify(self, standing: Standing, change: Change, entry: Round | None = None) -> Turn:
        change, verification = await self._remediation.verify(change)
        entry = entry or _round(standing, change.round) or Round(number=change.round)
        entry = msgspec.structs.replace(
            entry, proposal=change.proposal, change=change.id, change_state=change.state, verification=verification
        )
        await self._store.save_round(standing.incident.id, entry)
        text = f"{change.proposal.reason}: {verification.result} ({verification.detail})"
        match verification.result:
            case Result.WELL:
                return Turn(text=text, entry=entry, outcome=Outcome.RESOLVED)
            case Result.CANNOT_TELL:
                return Turn(text=text, entry=entry, outcome=Outcome.ESCALATED)
        if entry.number < await self._last_round(standing):
            return Turn(text=text, entry=entry, again=True)
        settled = await self._settle(standing, text)
        return msgspec.structs.replace(settled, entry=await self._refreshed(standing, entry))

    async def _last_round(self, standing: Standing) -> int:
        decisions = await self._store.decisions(standing.incident.id)
        return rounds_allowed(decisions, self._remediation.policy.bounds.rounds)

    async def _anything_stands(self, standing: Standing) -> bool:
        """Whether a change of this work has not ended yet; one that was kept has."""
        changes = await self._store.changes(standing.incident.id)
        return any(change.state in (ChangeState.SENT, ChangeState.APPLIED, ChangeState.UNDOING) for change in changes)

    async def _settle(self, standing: Standing, because: str, *, nothing: Outcome = Outcome.ESCALATED) -> Turn:
        """Take back what stands; ``nothing`` is the outcome where nothing does."""
        settlement = await self._remediation.settle(standing.incident)
        if settlement.kept:
            undone = f"{len(settlement.undone)} change(s) undone. " if settlement.undone else ""
            kept = f"{because}. {undone}The changes stay: {settlement.because}"
            return Turn(text=kept, outcome=Outcome.ESCALATED)
        if settlement.undone:
            undone = f"{because}. {len(settlement.undone)} change(s) undone"
            return Turn(text=undone, outcome=Outcome.ROLLED_BACK)
        return Turn(text=because, outcome=nothing)

    async def _refreshed(self, standing: Standing, entry: Round) -> Round:
        for change in await self._store.changes(standing.incident.id):
            if change.id == entry.change:
                entry = msgspec.structs.replace(entry, change_state=change.state)
        await self._store.save_round(standing.incident.id, entry)
        return entry


def _objections(attempt: Attempt) -> str:
    return "; ".join(f"{ruling.rule}: {ruling.reason}" for ruling in attempt.verdict.objections)


def _round(standing: Standing, number: int) -> Round | None:
    return next((entry for entry in standing.rounds if entry.number == number), None)


def _helped(standing: Standing, change: Change) -> bool:
    """Whether a change was judged better: it is kept, whatever else is tried."""
    entry = _round(standing, change.round)
    return entry is not None and entry.verification is not None and entry.verification.result is Result.BETTER


def _first_deferral(standing: Standing) -> bool:
    return not any(entry.verdict and entry.verdict.answer is Answer.DEFER for entry in standing.rounds)
