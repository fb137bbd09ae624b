"""The road on a recording: the same guardrails, sealing and records, with a cluster that is played.

The guardrails judge what they were shown then. What a change became on the object, verification, and what undoing met
are played as they ended: they are readings of a cluster that is not there. Nothing here can reach one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from incidents.changes import Change, ChangeState, LeafChange, Operation
from incidents.codec import from_json
from incidents.evidence import Evidence
from incidents.incident import Incident, Verification
from incidents.objects import ChangeId, ClusterId, Manifest, ObjectRef, reference
from incidents.patch import leaf_diff
from incidents.policy import Policy, Verdict
from incidents.proposals import Proposal
from incidents.recording import Guarded, Lately, LookedUp, Settled, TakenBack, Verified
from remediation.admission import Admission
from remediation.anew import difference, is_anew
from remediation.attempt import Attempt
from remediation.guardrails import View
from remediation.guardrails.inverse import inverse_of, never_ran
from remediation.guardrails.view import Source
from remediation.making import Making
from remediation.outcomes import NotApplied
from remediation.recorded import HALF_WAY
from remediation.road import Remediation
from remediation.settling import Settlement
from remediation.target import as_read, managed_by
from remediation.undo import UndoRefused
from tools.cluster.reader import Reader
from tools.cluster.writer import Propagation
from tools.player import Diverged, PlayedClock, Player
from tools.store import Store


class _Failed(NotApplied):
    """Here the recorded attempt failed; its ruling takes the place of this."""


class _Attempts:
    """The attempt that is being played."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.present: Guarded | None = None

    @property
    def now(self) -> Guarded:
        """The recorded attempt."""
        if self.present is None:
            raise Diverged("it writes outside of an attempt")
        return self.present

    def failed(self, what: str) -> Exception:
        """What to raise where the recording has no more of this attempt."""
        return _Failed(what) if self.now.failure is not None else Diverged(f"it goes on to {what}, and did not then")


class _PlayedWriter:
    """Answers as the server did, to the same requests: they follow from the proposal and the live object."""

    def __init__(self, attempts: _Attempts, store: Store) -> None:
        self._attempts = attempts
        self._store = store

    async def dry_run(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """What the object would have become."""
        answer = self._attempts.now.answer
        if answer is None:
            raise self._attempts.failed("the dry run")
        return answer

    async def apply(self, target: ObjectRef, patch: Sequence[Operation], *, change: ChangeId) -> dict[str, Any]:
        """The object as it was stored."""
        entry = self._attempts.now
        if entry.generation is None or entry.answer is None:
            if (sent := await self._store.change(change)) is not None:
                await self._store.save_change(sent.advance(ChangeState.ABANDONED, ended_at=self._attempts.player.at))
            raise self._attempts.failed("the change")
        metadata = {**entry.answer["metadata"], "generation": entry.generation, "uid": entry.made}
        return {**entry.answer, "metadata": metadata if entry.made else {**metadata, "uid": target.uid}}

    async def create(self, manifest: Manifest, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """The object as it would have become, or was stored."""
        target = reference(manifest)
        return await (self.dry_run if dry_run else self.apply)(target, (), change=change)

    async def delete(
        self,
        target: ObjectRef,
        *,
        change: ChangeId,
        resource_version: str = "",
        dry_run: bool = False,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> dict[str, Any]:
        """It is gone, where the recording went on."""
        return {}

    async def evict(self, pod: ObjectRef, *, change: ChangeId, dry_run: bool = False) -> dict[str, Any]:
        """It would go, where the recording went on."""
        return {}


class _PlayedAdmission(Admission):
    """Admission that looks at the caps and switches of then."""

    attempts: _Attempts

    async def up_to_date(self, view: View, cluster: ClusterId) -> View:
        """The view with what had been changed and switched just before the change was made."""
        if self.attempts.now.late is None:
            raise self.attempts.failed("the change")
        return _with(view, self.attempts.now.late)


class _PlayedMaking(Making):
    """Making anew as it ended: what was created then is the answer to the creation, and nothing is looked up."""

    async def make(self, sent: Change) -> Change:
        """The change as it was applied."""
        assert sent.anew is not None  # noqa: S101 - nothing else is brought here
        return await self._applied(sent, await self._writer.create(sent.anew.after, change=sent.id))


class _PlayedVerifier:
    """Says what verification said."""

    def __init__(self, player: Player) -> None:
        self._player = player

    async def verify(self, change: Change, seen: ObjectRef | None = None) -> Verification:
        """The next answer."""
        return self._player.next(Verified).verification


class PlayedRemediation(Remediation):
    """The road itself, on a recording. Every method raises Diverged where the recording has no answer."""

    _admission_type = _PlayedAdmission
    _making_type = _PlayedMaking

    def __init__(
        self, *, player: Player, reader: Reader, store: Store, policy: Policy, clock: PlayedClock, settle_seconds: float
    ) -> None:
        self._player, self._attempts = player, _Attempts(player)
        super().__init__(
            reader=reader,
            writer=_PlayedWriter(self._attempts, store),
            store=store,
            policy=policy,
            clock=clock,
            settle_seconds=settle_seconds,
            holder="replay",
        )
        assert isinstance(self._admission, _PlayedAdmission)  # noqa: S101 - it is made of the type named above
        self._admission.attempts = self._attempts
        self._verifier = _PlayedVerifier(player)  # type: ignore[assignment]  # all that is asked of it is verify()

    async def attempt(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """As the road does."""
        entry = self._begun(proposal)
        return _ended(entry, await super().attempt(incident, proposal, evidence, round_number=round_number))

    async def rehearse(
        self, incident: Incident, proposal: Proposal, evidence: Evidence, *, round_number: int
    ) -> Attempt:
        """As the road does."""
        entry = self._begun(proposal)
        return _ended(entry, await super().rehearse(incident, proposal, evidence, round_number=round_number))

    def _begun(self, proposal: Proposal) -> Guarded:
        entry = self._player.next(Guarded)
        if entry.proposal != proposal:
            raise Diverged("another change is proposed than the one whose dry run was recorded")
        self._attempts.present = entry
        return entry

    async def _view(self, incident: Incident, proposal: Proposal, evidence: Evidence) -> View:
        entry = self._attempts.now
        if entry.live is None or entry.early is None:
            raise self._attempts.failed("the live object")
        view = View(
            policy=self._policy,
            windows=self._windows,
            incident=incident.id,
            continues=frozenset(entry.continues),
            proposal=proposal,
            live=entry.live,
            replica_sets=entry.replica_sets,
            read_generation=int(as_read(evidence, proposal)["metadata"].get("generation", 0)),
            manager=managed_by(incident, entry.live),
            sources=tuple(from_json(source, Source) for source in entry.sources),
            earlier=tuple(await self._store.changes(incident.id)),
            known=frozenset(entry.known),
            inverse=inverse_of(proposal),
            never_ran=never_ran(evidence.snapshot, entry.live),
            now=entry.early.now,
        )
        return _with(view, entry.early)

    async def _rehearsed(
        self, incident: Incident, view: View, evidence: Evidence, round_number: int
    ) -> tuple[Change, dict[str, Any]]:
        change, answer = await super()._rehearsed(incident, view, evidence, round_number)
        entry = self._attempts.now
        found = difference(view.proposal, view.live, answer) if is_anew(view.proposal) else leaf_diff(view.live, answer)
        diff = _with_hidden(found, entry.diff)
        return msgspec.structs.replace(change, diff=diff, digest=entry.digest), answer

    async def look_up_sent(self, incident: Incident) -> bool:
        """What had become of them then."""
        sent = [one for one in await self._store.changes(incident.id) if one.state in HALF_WAY]
        told = self._player.next(LookedUp) if sent else None
        for change in sent:
            state = told.states.get(change.id, change.state) if told is not None else change.state
            if state is not change.state:
                await self._store.save_change(change.advance(state))
        return told is not None and told.put_back

    async def undo(self, change: Change) -> Change:
        """As it went then. Raises UndoRefused where it was refused."""
        entry = self._player.next(TakenBack)
        if entry.refused:
            raise UndoRefused(entry.refused)
        undone = change.advance(ChangeState.UNDONE, ended_at=entry.at)
        await self._store.save_change(undone)
        return undone

    async def settle(self, incident: Incident) -> Settlement:
        """As it went then: the newest are undone, the others kept."""
        entry = self._player.next(Settled)
        standing = [change for change in await self._store.changes(incident.id) if change.stands]
        if len(standing) < entry.undone + entry.kept:
            raise Diverged(f"{len(standing)} changes stand, and {entry.undone + entry.kept} did then")
        undone = [one for one in standing[::-1] if not one.for_good][: entry.undone]
        kept = [change for change in standing if change not in undone][: entry.kept]
        for change in undone:
            await self._store.save_change(change.advance(ChangeState.UNDONE, ended_at=entry.at))
        for change in kept:
            if change.state is ChangeState.APPLIED:
                await self._store.save_change(change.advance(ChangeState.KEPT, ended_at=entry.at))
        return Settlement(
            undone=tuple(change.id for change in undone), kept=tuple(c.id for c in kept), because=entry.because
        )


def _ended(entry: Guarded, attempt: Attempt) -> Attempt:
    """The attempt as it ended: where an error of the cluster ended it, with that error's ruling."""
    if entry.failure is None:
        return attempt
    return msgspec.structs.replace(attempt, verdict=Verdict((entry.failure,)))


def _with(view: View, lately: Lately) -> View:
    return msgspec.structs.replace(
        view, recent=lately.recent, workloads=lately.workloads, switches=lately.switches, now=lately.now
    )


def _with_hidden(found: Sequence[LeafChange], recorded: Sequence[LeafChange]) -> tuple[LeafChange, ...]:
    """The difference with the leaves whose two values are both masked: those look equal here, and were not."""
    hidden = [leaf for leaf in recorded if leaf.before == leaf.after]
    places = [leaf.pointer for leaf in recorded]
    order = {place: number for number, place in enumerate(places)}
    return tuple(sorted([*found, *hidden], key=lambda leaf: order.get(leaf.pointer, len(order))))
