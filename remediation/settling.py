"""How an incident that is not well ends: its standing changes are taken back, or kept where that is better."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from evidence.snapshots import read_snapshot
from incidents.changes import Change, ChangeState
from incidents.health import steady
from incidents.incident import Incident
from incidents.objects import NODE, ChangeId
from incidents.symptoms import Symptom
from remediation.undo import NO_WAY_BACK, Undo, UndoRefused
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.store import Store


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident's standing changes were settled: taken back, kept because they help, or stuck."""

    undone: tuple[ChangeId, ...] = ()
    kept: tuple[ChangeId, ...] = ()
    because: str = ""


class Settling:
    """Settles one incident at a time."""

    def __init__(self, reader: Reader, store: Store, undo: Undo, clock: Clock) -> None:
        self._reader = reader
        self._store = store
        self._undo = undo
        self._clock = clock

    async def settle(self, incident: Incident) -> Settlement:
        """Take the incident's standing changes back, newest first.

        They stay if more replicas are ready than before the first of them, or if somebody else has changed the
        spec since. If one cannot be taken back, the rest wait for a person; what never could is in nobody's way, and
        says nothing of those that can.
        """
        changes = await self._store.changes(incident.id)
        standing = [change for change in changes if change.stands]
        incident = await self._store.incident(incident.id) or incident  # its subject may have been made anew since
        if not standing and changes:
            await self._undo.finish(changes[-1])  # a crash came between taking it back and what follows that
        undone: list[ChangeId] = []
        while standing and await self._undo.noticed(standing[-1]):
            undone.append(standing.pop().id)  # a crash came between taking it back and recording that
        for_good = [change for change in standing if change.for_good]
        open_to = [change for change in standing if not change.for_good]
        reason = await self._reason_to_keep(incident, open_to) if open_to else ""
        if reason:
            return await self._keep(standing, tuple(undone), reason)
        for change in reversed(open_to):
            try:
                await self._undo.undo(change)
            except UndoRefused as error:
                await self._told_why(change, error)
                left = [other for other in standing if other.id not in undone]
                return await self._keep(left, tuple(undone), f"change {change.id} cannot be undone: {error}")
            undone.append(change.id)
        if for_good:
            return await self._keep(for_good, tuple(undone), f"change {for_good[0].id}: {NO_WAY_BACK}")
        return Settlement(undone=tuple(undone))

    async def _reason_to_keep(self, incident: Incident, standing: Sequence[Change]) -> str:
        """The object says whether it is still ours; the subject, which may be another object, whether it helped."""
        now, target = self._clock.now(), standing[-1].object
        snapshot = await read_snapshot(self._reader, target, now=now)
        if snapshot is None:
            return "the object is gone"
        if standing[-1].overtaken(snapshot.workload):
            return "somebody else has changed the spec since"
        if target.kind == NODE.kind:
            return "a node that is cordoned stays so until somebody has seen to it"
        if target.uid != incident.subject.uid:
            snapshot = await read_snapshot(self._reader, incident.subject.ref, now=now)
            if snapshot is None:
                return ""
        if standing[-1].proposal.ends is Symptom.EVICTED:
            return ""  # pods that are evicted again and again are ready in between, before a change and after it
        ready = steady(snapshot, now, self._clock.speed)
        if ready > standing[0].baseline.ready:
            return f"{ready} replicas are ready, {standing[0].baseline.ready} were before"
        return ""

    async def _told_why(self, change: Change, error: UndoRefused) -> None:
        await self._store.note(
            change.incident,
            "undo-refused",
            change=change.id,
            because=error.message,
            differences=[msgspec.to_builtins(one) for one in error.differences],
        )

    async def _keep(self, changes: Sequence[Change], undone: tuple[ChangeId, ...], because: str) -> Settlement:
        for change in changes:
            if change.state is ChangeState.APPLIED:
                await self._store.save_change(change.advance(ChangeState.KEPT, ended_at=self._clock.now()))
        return Settlement(undone=undone, kept=tuple(change.id for change in changes), because=because)
