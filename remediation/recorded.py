"""The road, with what it is shown of the world put on the tape of the run.

Nothing is decided here and no step waits for it: the objects are kept as they are and masked when the run has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from evidence.recorded import without_values
from evidence.redaction import mask_leaves, mask_manifest, mask_text
from incidents.changes import Change, ChangeState
from incidents.codec import to_json
from incidents.evidence import Evidence
from incidents.incident import Incident, Verification
from incidents.objects import ClusterId
from incidents.policy import Ruling
from incidents.proposals import Proposal
from incidents.recording import Guarded, Lately, LookedUp, Settled, TakenBack, Verified
from remediation.admission import Admission
from remediation.anew import stood
from remediation.attempt import Attempt
from remediation.guardrails import View
from remediation.road import Remediation
from remediation.settling import Settlement
from remediation.undo import UndoRefused
from tools.tape import present_tape

HALF_WAY = frozenset({ChangeState.SENT, ChangeState.UNDOING})
FAILURES = frozenset({"seal", "apply", "kill-switch", "api-server"})  # rules that stand for an error, alone


class Guarding:
    """One proposal on the road, as far as it has come."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.view: View | None = None
        self.rehearsed: tuple[Change, dict[str, Any]] | None = None
        self.late: View | None = None
        self.attempt: Attempt | None = None

    def seen(self, view: View) -> None:
        """The guardrails look: before the dry run, and once more just before it is made."""
        if self.view is None:
            self.view = view
        else:
            self.late = view

    def told(self, at: datetime) -> Guarded:
        """As it is written down."""
        entry = Guarded(at=at, proposal=self.proposal, failure=self._failure())
        if self.view is not None:
            entry = msgspec.structs.replace(entry, **_shown(self.view))
        if self.view is not None and self.rehearsed is not None:
            change, answer = self.rehearsed
            diff = mask_leaves(change.diff, stood(self.view.proposal, self.view.live), answer)
            entry = msgspec.structs.replace(entry, answer=mask_manifest(answer), diff=diff, digest=change.digest)
        if self.late is not None:
            entry = msgspec.structs.replace(entry, late=_lately(self.late))
        made = self.attempt.change if self.attempt is not None else None
        if made is not None:
            entry = msgspec.structs.replace(entry, generation=made.generation, made=made.made)
        return entry

    def _failure(self) -> Ruling | None:
        rulings = self.attempt.verdict.rulings if self.attempt is not None else ()
        if len(rulings) != 1 or rulings[0].rule not in FAILURES:
            return None
        return msgspec.structs.replace(rulings[0], reason=mask_text(rulings[0].reason))


def _shown(view: View) -> dict[str, Any]:
    return {
        "live": mask_manifest(view.live),
        "replica_sets": tuple(map(mask_manifest, view.replica_sets)),
        "continues": tuple(sorted(view.continues)),
        "sources": tuple(to_json(source) for source in view.sources),
        "known": tuple(sorted(view.known)),
        "early": _lately(view),
    }


def _lately(view: View) -> Lately:
    return Lately(
        now=view.now,
        recent=tuple(_counted(change) for change in view.recent if _counts(change, view)),
        workloads=view.workloads,
        switches=view.switches,
    )


def _counts(change: Change, view: View) -> bool:
    """Whether a rule over time may look at it: a day's changes to other objects are many, and nobody asks for them."""
    since = view.now - timedelta(seconds=max(view.windows.hour, view.windows.breaker))
    lately = max(change.prepared_at, change.ended_at or change.prepared_at) >= since
    return lately or change.concerns(view.proposal.target.uid) or not change.state.is_last


def _counted(change: Change) -> Change:
    """Another incident's change as the rules count it: without what it was about."""
    proposal = msgspec.structs.replace(change.proposal, action=(), reason="")
    return msgspec.structs.replace(without_values(change), proposal=proposal)


class RecordedAdmission(Admission):
    """Admission; what it looked at is kept."""

    async def up_to_date(self, view: View, cluster: ClusterId) -> View:
        """As it does."""
        seen = await super().up_to_date(view, cluster)
        guarding = tape.last(Guarding) if (tape := present_tape()) is not None else None
        if guarding is not None:
            guarding.seen(seen)
        return seen


class RecordedRemediation(Remediation):
    """The road itself; what it was told is kept."""

    _admission_type = RecordedAdmission

    async def attempt(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """As the road does."""
        walk = super().attempt
        return await _kept(proposal, lambda: walk(incident, proposal, evidence, round_number=round_number))

    async def rehearse(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """As the road does."""
        walk = super().rehearse
        return await _kept(proposal, lambda: walk(incident, proposal, evidence, round_number=round_number))

    async def _rehearsed(
        self, incident: Incident, view: View, evidence: Evidence, round_number: int
    ) -> tuple[Change, dict[str, Any]]:
        rehearsed = await super()._rehearsed(incident, view, evidence, round_number)
        guarding = tape.last(Guarding) if (tape := present_tape()) is not None else None
        if guarding is not None:
            guarding.rehearsed = rehearsed
        return rehearsed

    async def verify(self, change: Change) -> tuple[Change, Verification]:
        """As the road does."""
        judged, verification = await super().verify(change)
        if (tape := present_tape()) is not None:
            at = tape.now()
            tape.put(verification, lambda: Verified(at=at, verification=verification))
        return judged, verification

    async def look_up_sent(self, incident: Incident) -> bool:
        """As the road does."""
        sent = [one for one in await self._store.changes(incident.id) if one.state in HALF_WAY]
        put_back = await super().look_up_sent(incident)
        if sent and (tape := present_tape()) is not None:
            at = tape.now()
            found = {
                one.id: one.state for one in await self._store.changes(incident.id) if one.id in {s.id for s in sent}
            }
            tape.put(found, lambda: LookedUp(at=at, states=found, put_back=put_back))
        return put_back

    async def undo(self, change: Change) -> Change:
        """As the road does."""
        refused = ""
        try:
            return await super().undo(change)
        except UndoRefused as error:
            refused = mask_text(str(error))
            raise
        finally:
            if (tape := present_tape()) is not None:
                at = tape.now()
                tape.put(change, lambda: TakenBack(at=at, refused=refused))

    async def settle(self, incident: Incident) -> Settlement:
        """As the road does."""
        settlement = await super().settle(incident)
        if (tape := present_tape()) is not None:
            at, because = tape.now(), mask_text(settlement.because)
            tape.put(
                settlement,
                lambda: Settled(at=at, undone=len(settlement.undone), kept=len(settlement.kept), because=because),
            )
        return settlement


async def _kept(proposal: Proposal, walk: Callable[[], Awaitable[Attempt]]) -> Attempt:
    tape = present_tape()
    if tape is None:
        return await walk()
    guarding, at = Guarding(proposal), tape.now()
    tape.put(guarding, lambda: guarding.told(at))
    guarding.attempt = await walk()
    return guarding.attempt
