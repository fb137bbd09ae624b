"""Making an object anew: deleting it and creating the corrected one, and the way back.

The change is recorded as sent, with the whole original, before the deletion leaves. The deletion is bound to the uid
and the version that were judged: what has got data, or has begun to run since, is not that version any more. If the
corrected object cannot be created, the original is at once. A crash in between is decided by the name: where nothing
stands, the original is put back, and whether it is tried again is for the incident's next round, with its guardrails;
finishing would write under a policy that may have changed since. A creation is found again by the change's id on it.
While the name is free and nothing can be written, every look tries again, and a person is told once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from incidents.changes import Anew, Change, ChangeState
from incidents.objects import ChangeId, Manifest, ObjectRef, Uid
from incidents.patch import leaf_diff
from incidents.snapshot import spec_digest
from remediation.anew import as_answered, as_created, rehearsal
from remediation.gate import Writes, WritesStopped
from remediation.outcomes import FateUnknown, NotApplied, PutBack, carries, is_refusal, outlasted
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Conflict, NotFound, Unreachable
from tools.cluster.reader import Reader
from tools.cluster.writer import CREATED
from tools.notify.contract import Notice, Section
from tools.store import Store

LINGER_SECONDS, LONGEST_LINGER = 60.0, 600.0  # for which a deleted object may linger, besides a Pod's time to end
LOOK_SECONDS = 0.5

Object = dict[str, Any]
log = structlog.get_logger(__name__)


class Refused(Exception):
    """The API server has not done it, and nothing is on its way. ``error``: what it said, if it said anything."""

    def __init__(self, message: str, error: ClusterError | None = None) -> None:
        super().__init__(message)
        self.error = error


class Making:
    """Makes objects anew, and puts them back."""

    def __init__(self, reader: Reader, writer: Writes, store: Store, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock

    async def make(self, sent: Change) -> Change:
        """Carry out a change that is recorded as sent.

        Raises NotApplied, PutBack, FateUnknown, or Busy, Unreachable and WritesStopped when nothing has been changed.
        """
        anew = sent.anew
        assert anew is not None  # noqa: S101 - nothing else is brought here
        try:
            if anew.before is not None:
                await self._delete(sent, sent.target, anew.version)
                sent = msgspec.structs.replace(sent, sent_at=self._clock.now())
                await self._store.save_change(sent)  # the creation has its own time to land
            elif await self.present(sent.target) is not None:
                raise Refused(f"{sent.target} is there by now")
        except Refused as refused:
            return await self._given_up(sent, refused)
        except WritesStopped:
            await self._abandon(sent, "writes were stopped before anything was sent")
            raise
        return await self._finish(sent, anew)

    async def _finish(self, sent: Change, anew: Anew) -> Change:
        """Create the corrected object, now that its name is free."""
        try:
            return await self._applied(sent, await self._create(sent, anew.after, lambda live: carries(live, sent)))
        except Refused as refused:
            return await self._put_back(sent, str(refused))
        except WritesStopped as stopped:
            if anew.before is None:
                await self._abandon(sent, str(stopped))
                raise
            raise await self._in_between(sent, str(stopped)) from stopped

    async def find_out(self, sent: Change, *, because: str, refused: bool = False) -> Change:
        """Decide the fate of such a change that was sent and never answered for.

        Raises NotApplied when nothing has been changed, PutBack when the original has been created again, FateUnknown
        when it cannot be known or done now.
        """
        assert sent.anew is not None  # noqa: S101 - nothing else is brought here
        live = await self.present(sent.target)
        if live is not None and carries(live, sent):
            return await self._applied(sent, live)
        if not refused and (live is None or _uid(live) == sent.target.uid):
            await outlasted(sent, sent.sent_at, self._clock)
            live = await self.present(sent.target)
        if live is not None and _uid(live) == sent.target.uid and leaving(live):
            await self._gone(sent, sent.target)
            live = await self.present(sent.target)
        if live is not None and carries(live, sent):
            return await self._applied(sent, live)
        if live is None and sent.anew.before is not None:
            return await self._put_back(sent, because)
        if live is not None and _uid(live) != sent.target.uid and _is(live, sent.anew.before):
            await self._undone(sent, live)
            raise PutBack(f"{because}; what was there is there again")
        await self._abandon(sent, because)
        raise NotApplied(because)

    async def take_back(self, change: Change, live: Object | None) -> Object | None:
        """Delete what the change has created, and create what stood there; answers that, None where nothing did.

        The change is recorded as being undone. ``live`` is what was judged to stand there: what it created is deleted
        in that version alone. Raises Refused when nothing has been changed, FateUnknown when it is to be tried again.
        """
        assert change.anew is not None  # noqa: S101 - nothing else is brought here
        if live is not None and _uid(live) == change.made:
            await self._cleared(change, live)
            live = await self.present(change.target)
        before = change.anew.before
        if before is None:
            return None
        if live is not None:
            if _is(live, before):
                return live
            raise Refused("another object has its name by now")
        return await self._restored(change, "it is being taken back")

    async def _cleared(self, change: Change, live: Object) -> None:
        """Have what the change has created deleted, once. Raises Refused and FateUnknown."""
        if leaving(live):
            return await self._gone(change, change.object)
        try:
            await self._delete(change, change.object, str(live["metadata"].get("resourceVersion", "")))
        except WritesStopped as stopped:
            raise Refused(str(stopped), stopped) from stopped

    async def present(self, target: ObjectRef) -> Object | None:
        """What stands under the target's name now, whichever uid it has. Raises FateUnknown when it cannot be read."""
        kind = CREATED[target.api_version, target.kind]
        try:
            found = await self._reader.get(kind, target.namespace, target.name)
        except NotFound:
            return None
        except ClusterError as error:
            raise FateUnknown(f"{target} cannot be read: {error}") from error
        return {"apiVersion": kind.api_version, "kind": kind.kind, **found}

    # --- deleting

    async def _delete(self, change: Change, target: ObjectRef, version: str) -> None:
        """Delete the object and wait until it is gone. Raises Refused, WritesStopped (not sent) and FateUnknown."""
        sent_at = self._clock.now()
        try:
            await self._writer.delete(target, change=change.id, resource_version=version)
        except NotFound as error:
            raise Refused(f"{target} is gone", error) from error
        except ClusterError as error:
            if isinstance(error, WritesStopped) and not error.sent:
                raise
            if is_refusal(error):
                raise Refused(_moved_on(target, error), error) from error
            await outlasted(change, sent_at, self._clock)
            live = await self.present(target)
            if live is not None and _uid(live) == target.uid and not leaving(live):
                raise Refused(str(error), error) from error
        await self._gone(change, target)

    async def _gone(self, change: Change, target: ObjectRef) -> None:
        """Wait until the name is free, or another object has it. Raises FateUnknown while something holds it."""
        until = self._clock.now() + timedelta(seconds=_lingering(change) / self._clock.speed)
        while (live := await self.present(target)) is not None and _uid(live) == target.uid:
            if self._clock.now() >= until:
                held = ", ".join(map(str, live["metadata"].get("finalizers") or ())) or "its end"
                raise await self._in_between(change, f"it is deleted, and waits for {held}")
            await self._clock.sleep(LOOK_SECONDS)

    # --- creating

    async def _create(self, change: Change, manifest: Manifest, is_it: Callable[[Manifest], bool]) -> Object:
        """Create the object, once; one whose answer is lost is recognised by ``is_it``.

        Raises Refused, WritesStopped (not sent) and FateUnknown.
        """
        sent_at = self._clock.now()
        try:
            return await self._writer.create(manifest, change=change.id)
        except ClusterError as error:
            if isinstance(error, WritesStopped) and not error.sent:
                raise
            if not is_refusal(error):
                await outlasted(change, sent_at, self._clock)
            live = await self.present(change.target)
            if live is not None and is_it(live):
                return live
            taken = isinstance(error, Conflict) and live is not None
            raise Refused("another object has its name by now" if taken else str(error), error) from error

    async def _restored(self, change: Change, because: str) -> Object:
        """The original, created again. Raises Refused where another object has its name, FateUnknown otherwise."""
        assert change.anew is not None and change.anew.before is not None  # noqa: S101, PT018 - asked by the callers
        before = change.anew.before
        try:
            return await self._create(change, before, lambda live: _is(live, before))
        except Refused as refused:
            if await self.present(change.target) is not None:
                raise
            raise await self._in_between(change, f"{because}, and it cannot be put back: {refused}") from refused
        except WritesStopped as stopped:
            raise await self._in_between(change, f"{because}, and it cannot be put back: {stopped}") from stopped

    async def _put_back(self, sent: Change, because: str) -> Change:
        """Create what stood there again, in place of the corrected one. Raises PutBack, NotApplied, FateUnknown."""
        if sent.anew is None or sent.anew.before is None:
            await self._abandon(sent, because)
            raise NotApplied(because)
        try:
            live = await self._restored(sent, because)
        except Refused as refused:
            await self._abandon(sent, str(refused))
            raise NotApplied(f"{because}; {refused}") from refused
        await self._undone(sent, live)
        raise PutBack(f"{because}; what was there has been put back")

    # --- what is written down

    async def _applied(self, sent: Change, stored: Object) -> Change:
        applied = sent.advance(
            ChangeState.APPLIED,
            generation=int(stored["metadata"].get("generation", 0)),
            spec=spec_digest(stored),
            made=Uid(_uid(stored)),
        )
        await self._store.save_change(applied)
        await self._store.note(sent.incident, "applied", change=sent.id, made=applied.made)
        log.info("change.applied", incident=sent.incident, change=sent.id, target=str(sent.target))
        return applied

    async def _undone(self, sent: Change, live: Object) -> None:
        ended_at = self._clock.now()
        await self._store.save_change(sent.advance(ChangeState.UNDONE, ended_at=ended_at, made=Uid(_uid(live))))
        await self._store.note(sent.incident, "put-back", change=sent.id, target=str(sent.target))
        log.warning("change.put_back", incident=sent.incident, change=sent.id, target=str(sent.target))

    async def _given_up(self, sent: Change, refused: Refused) -> Change:
        """The deletion was refused: nothing has been changed. Raises what says when to try again."""
        await self._abandon(sent, str(refused))
        if isinstance(refused.error, Busy | Unreachable | WritesStopped):
            raise refused.error
        raise NotApplied(str(refused)) from refused

    async def _abandon(self, sent: Change, because: str) -> None:
        await self._store.save_change(sent.advance(ChangeState.ABANDONED, ended_at=self._clock.now()))
        await self._store.note(sent.incident, "not-applied", change=sent.id, because=because)

    async def _in_between(self, change: Change, because: str) -> FateUnknown:
        """What is said while the object is neither there nor put back; a person is told of it once."""
        said = f"{change.target} is deleted and not there again yet: {because}"
        log.error("change.in_between", incident=change.incident, change=change.id, because=because)
        await self._store.enqueue(
            Notice(
                key=f"in-between/{change.id}",
                title=f"Deleted, and not created again yet: {change.target}",
                sections=(Section(lines=(said, "It is kept whole in the store, and tried again until it is there.")),),
                severity="critical",
                incident=change.incident,
            )
        )
        return FateUnknown(said)


async def rehearsed_anew(writer: Writes, target: ObjectRef, anew: Anew, change: ChangeId) -> Object:
    """What the server would store, under the name that is meant; that it would delete is asked too.

    Raises ClusterError.
    """
    if anew.before is not None:
        await writer.delete(target, change=change, dry_run=True)
        answer = await writer.create(rehearsal(anew.after, change), change=change, dry_run=True)
    else:
        answer = await writer.create(anew.after, change=change, dry_run=True)
    return as_answered(answer, anew.after)


def _lingering(change: Change) -> float:
    """For how long, in the clock's seconds, the deleted object may be there still."""
    spec = change.anew.after.get("spec") or {} if change.anew is not None else {}
    return min(LINGER_SECONDS + float(spec.get("terminationGracePeriodSeconds") or 0), LONGEST_LINGER)


def _uid(live: Manifest) -> str:
    return str(live["metadata"].get("uid", ""))


def leaving(live: Manifest) -> bool:
    """Whether an object has been deleted, and is still there."""
    return bool(live["metadata"].get("deletionTimestamp"))


def _is(live: Manifest, before: Manifest | None) -> bool:
    """Whether an object is the one that stood there, created again."""
    return before is not None and not leaf_diff(before, as_created(live))


def _moved_on(target: ObjectRef, error: ClusterError) -> str:
    if isinstance(error, Conflict):
        return f"{target} has moved on since it was read: {error}"
    return str(error)
