"""Verification: did the change end the symptom it promised to end, and is the workload well?

*Well*: rolled out, every replica ready, no restart and no finding for a settle time. *Better*: the promised
symptom is gone, or more replicas are ready than before the incident's first change, but something still fails.
*No better*: neither. *Cannot tell*: the cluster could not be read, or somebody else has changed the spec.
Only pods of the present spec count: those of the broken one linger while a rollout replaces them, and a rollout that
goes on without a failure is given its time: a hundred pods take longer than one. What fills its disk
is well until that is full: more room is believed only when it has lasted twice as long as the pods before it did, and
that of a claim only when its volume has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from evidence.redaction import mask_text
from evidence.sight import Looking, Sight
from incidents.changes import Change
from incidents.health import (
    PROGRESS_DEADLINE_SECONDS,
    Health,
    State,
    assess,
    pod_findings,
    restarts,
    steady,
)
from incidents.incident import Result, Verification
from incidents.object_health import RESIZE_SECONDS
from incidents.objects import CRON_JOB, JOB, NODE, Manifest, ObjectRef, controller_of
from incidents.ordering import all_updated, of_present_revision
from incidents.own_limits import lived_seconds, was_evicted
from incidents.pod_health import Finding, container_statuses, left_behind_findings, timestamp
from incidents.proposals import Drain
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom
from remediation.draining import NOTHING_LEFT, Draining, Left
from remediation.growth import Growth
from remediation.guardrails.request import LONGEST_CLAIM, LONGEST_DEADLINE
from remediation.unblocking import Unblocking
from tools.clock import Clock
from tools.cluster.errors import ClusterError

LOOK_SECONDS, LONGEST_LOOK_SECONDS = 1.0, 5.0
START_SECONDS = 120.0  # what a change to another object has begun is there, or its workload starts once more, by then
PATIENCE_SECONDS = 10.0  # one failed pull or probe is a transient; crashes are counted by `assess` already
_CRASHES = (Symptom.CRASH_LOOP, Symptom.OOM_KILLED)
_COUNTED = (*_CRASHES, Symptom.EVICTED)
_AS_LONG_AGAIN = 2  # a pod that fills its disk evenly lives twice as long with twice the room
_CORDONED = "nothing new is placed on the node; what ails it is for people to mend"
LONGEST_GAP_SECONDS = 30.0  # real seconds between two looks, of which what was seen at both ends may count
UNREADABLE_SECONDS = 30.0  # how long it may be impossible to look before verification says that it cannot tell

log = structlog.get_logger(__name__)


class Verifier:
    """Watches one change until it can say what became of it; ``settle_seconds`` is how long well must last.

    ``unblocking``, ``draining``: what is done between two looks so that the change reaches the pods of a StatefulSet,
    and those of a node; ``growth``: what a claim still waits for. What is well at the deadline is still given its
    settle time: a deadline that passed while nobody looked says nothing about the change.
    """

    def __init__(
        self,
        look: Looking,
        clock: Clock,
        *,
        settle_seconds: float,
        unblocking: Unblocking | None = None,
        draining: Draining | None = None,
        growth: Growth | None = None,
    ) -> None:
        self._look_at = look
        self._unblocking = unblocking
        self._draining = draining
        self._growth = growth
        self._clock = clock
        self._settle_seconds = settle_seconds

    async def verify(self, change: Change, seen: ObjectRef | None = None) -> Verification:
        """The answer, by the change's own deadline at the latest, or a settle time after it for what is well.

        ``seen``: the workload that the change is to mend, where it was made to another object. A deadline further off
        than any of ours was set by a clock that was wrong.
        """
        latest = self._clock.now() + LONGEST_CLAIM
        change = msgspec.structs.replace(change, deadline=min(change.deadline, latest))
        async with self._look_at(seen or change.object) as sight:
            return await self._watch(change, sight)

    async def _watch(self, change: Change, sight: Sight) -> Verification:
        quiet = _Quiet(self._clock.now())
        unreadable: datetime | None = None
        while True:
            try:
                snapshot = await sight.snapshot()
            except ClusterError as error:
                now = self._clock.now()
                unreadable = unreadable or now
                blind = (now - unreadable).total_seconds() * self._clock.speed
                if blind >= UNREADABLE_SECONDS or now >= change.deadline:
                    return _verdict(Result.CANNOT_TELL, f"the cluster cannot be read: {error}")
                await sight.changed(within_seconds=LOOK_SECONDS)
                continue
            if snapshot is None:
                return _verdict(Result.CANNOT_TELL, "the object is gone")
            unreadable, now = None, self._clock.now()
            health = assess(snapshot, now, self._clock.speed)
            left = await self._left(change, snapshot, health, now)
            answer = self._look(change, snapshot, health, now, quiet=quiet, left=left)
            if answer is not None:
                return answer
            if self._unblocking is not None:
                await self._unblocking.step(change, snapshot)
            lasted = quiet.seconds * self._clock.speed
            await sight.changed(within_seconds=_pause(lasted, self._settle(change, snapshot)))

    def _settle(self, change: Change, snapshot: Snapshot) -> float:
        """How long well must last, in seconds of the cluster."""
        if change.proposal.ends is not Symptom.EVICTED:
            return self._settle_seconds
        lives = [lived_seconds(pod) or 0.0 for pod in snapshot.pods if was_evicted(pod)]
        return self._settle_seconds + _AS_LONG_AGAIN * max(lives, default=0.0) * self._clock.speed

    async def _left(self, change: Change, snapshot: Snapshot, health: Health, now: datetime) -> Left:
        """What a change has begun and is not over: the cluster is at it, or the next pod is asked to leave here."""
        well = health.state is State.WELL
        if well and self._growth is not None:
            awaited = await self._growth.waits_for(change)
            return Left(goes_on=True, said=awaited) if awaited else NOTHING_LEFT
        if well or self._draining is None or not isinstance(change.proposal.action, Drain):
            return NOTHING_LEFT
        if change.overtaken(snapshot.workload):
            return NOTHING_LEFT
        if now >= change.deadline:
            return Left(goes_on=False, said="no more pods were asked to leave, for want of time")
        return await self._draining.step(change)

    def _look(
        self, change: Change, snapshot: Snapshot, health: Health, now: datetime, *, quiet: _Quiet, left: Left
    ) -> Verification | None:
        if snapshot.workload["metadata"]["uid"] == change.object.uid and change.overtaken(snapshot.workload):
            return _verdict(Result.CANNOT_TELL, "somebody else has changed the spec meanwhile", snapshot.ready)
        if change.target.kind == NODE.kind and health.state is not State.WELL:
            return None if left.goes_on else _verdict(Result.BETTER, "; ".join(filter(None, (_CORDONED, left.said))))
        lasted = quiet.lasted(snapshot, health, now, awaited=left.goes_on) * self._clock.speed
        patient = change.proposal.ends in _COUNTED or lasted >= PATIENCE_SECONDS
        since = _counts_from(change, snapshot, self._clock.speed)
        if patient and promised_symptom_is_back(change, snapshot, now, self._clock.speed, since=since):
            return _failing_again(change, snapshot, health, now, self._clock.speed)
        settle = self._settle(change, snapshot)
        settled = lasted >= settle
        if health.state is State.WELL and left.goes_on:
            said = f"{health.ready} of {health.desired} ready, but {left.said}"
            return _verdict(Result.CANNOT_TELL, said, health.ready) if now >= change.deadline else None
        if health.state is State.WELL and settled:
            return _verdict(Result.WELL, f"{health.ready} of {health.desired} ready, no restart since", health.ready)
        longest = min(change.sent_at or change.prepared_at, quiet.began) + LONGEST_DEADLINE / self._clock.speed
        late = now >= change.deadline
        goes_on = late and now < longest and _goes_on(change, snapshot, health, now, self._clock.speed)
        if goes_on:
            quiet.went_on = now
        deadline = max(change.deadline, quiet.went_on)
        last_look = deadline + timedelta(seconds=2 * settle / self._clock.speed)
        if health.state is State.WELL and now < last_look:
            return None
        lasting = lasted >= max(self._settle_seconds, PATIENCE_SECONDS)
        fails = lasting and _fails_otherwise(change, snapshot, now, self._clock.speed, since)
        if fails or (late and not goes_on):
            return _at_the_end(change, snapshot, health, now, self._clock.speed)
        return None


class _Quiet:
    """How long nothing has changed in what counts: health, ready pods, restarts of the present pods, what is left.

    Counted from look to look, and of a pause no more than ``LONGEST_GAP_SECONDS``: while a clock was put forward, or a
    machine slept, nobody has seen anything.
    """

    def __init__(self, began: datetime) -> None:
        self.began = began
        self.went_on = began  # the last moment at which a rollout was seen to go on after its deadline
        self._lasted = timedelta(0)
        self._looked = began
        self._seen: object = None

    def lasted(self, snapshot: Snapshot, health: Health, now: datetime, *, awaited: bool) -> float:
        seen = (
            awaited,
            health.state,
            health.ready,
            health.symptoms,
            sorted((pod["metadata"]["uid"], restarts(pod)) for pod in snapshot.current_pods),
        )
        since = min(max(now - self._looked, timedelta(0)), timedelta(seconds=LONGEST_GAP_SECONDS))
        self._lasted = self._lasted + since if seen == self._seen else timedelta(0)
        self._looked, self._seen = now, seen
        return self.seconds

    @property
    def seconds(self) -> float:
        return self._lasted.total_seconds()


def _pause(lasted: float, settle_seconds: float) -> float:
    """How long to wait before the next look: longer, the longer nothing has changed, but not past the settle time."""
    pause = min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, lasted / 10))
    return min(pause, settle_seconds - lasted) if lasted < settle_seconds else pause


def promised_symptom_is_back(
    change: Change, snapshot: Snapshot, now: datetime, speed: float, *, since: datetime | None = None
) -> bool:
    """Whether a pod of the present spec shows the symptom that the change promised to end; evicted ones did.

    ``since``: crashes before that do not count.
    """
    found = [finding for finding, over in _findings(change, snapshot, now, speed, since) if not over]
    left_behind = left_behind_findings(_made_since(change, snapshot), now, speed)
    return any(finding.symptom is change.proposal.ends for finding in (*found, *left_behind))


def _fails_otherwise(change: Change, snapshot: Snapshot, now: datetime, speed: float, since: datetime | None) -> bool:
    """Whether something fails, and nothing waits out a back-off from before the change: what that does is not known."""
    found = list(_findings(change, snapshot, now, speed, since))
    return bool(found) and not any(over for _, over in found)


def _findings(
    change: Change, snapshot: Snapshot, now: datetime, speed: float, since: datetime | None
) -> Iterator[tuple[Finding, bool]]:
    """What is wrong with pods of the present spec, and whether it was over before that moment (`_is_over`)."""
    for pod in _judged(change, snapshot):
        for finding in pod_findings(pod, now, speed):
            yield finding, _is_over(pod, finding, since)


def _judged(change: Change, snapshot: Snapshot) -> Sequence[Manifest]:
    """The pods that say something of a change."""
    return of_present_revision(_made_since(change, snapshot))


def _made_since(change: Change, snapshot: Snapshot) -> Snapshot:
    """The same; of a CronJob with the Jobs alone that it has made since the change, and their pods."""
    if snapshot.workload.get("kind") != CRON_JOB.kind:
        return snapshot
    jobs = [one for one in snapshot.related if one.get("kind") == JOB.kind and _is_newer(one, change)]
    made = {one["metadata"]["uid"] for one in jobs}
    pods = tuple(pod for pod in snapshot.pods if (controller_of(pod) or {}).get("uid") in made)
    return msgspec.structs.replace(snapshot, pods=pods, related=tuple(jobs))


def _is_newer(manifest: Manifest, change: Change) -> bool:
    created = timestamp(manifest["metadata"].get("creationTimestamp"))  # in whole seconds
    return created is not None and created >= (change.sent_at or change.prepared_at).replace(microsecond=0)


def _goes_on(change: Change, snapshot: Snapshot, health: Health, now: datetime, speed: float) -> bool:
    """Whether the rollout of a change still replaces pods, the last of them lately, and none of the new ones fails."""
    pods = _judged(change, snapshot)
    if snapshot.workload["metadata"]["uid"] != change.object.uid:
        return False
    if list(_findings(change, snapshot, now, speed, None)):
        return False
    if all_updated(snapshot.workload) and health.state is not State.STARTING:
        return False
    made = [moment for pod in pods if (moment := timestamp(pod["metadata"].get("creationTimestamp"))) is not None]
    return bool(made) and now < max(made) + timedelta(seconds=PROGRESS_DEADLINE_SECONDS / speed)


def _counts_from(change: Change, snapshot: Snapshot, speed: float) -> datetime | None:
    """From when on crashes say something of a change to another object than the workload, whose pods stay as they are.

    They wait out their back-off from before it; what was woken takes its time to start, and a volume to grow. None: of
    a change to the workload new pods tell.
    """
    if snapshot.workload["metadata"]["uid"] == change.object.uid:
        return None
    allowed = RESIZE_SECONDS if change.for_good else START_SECONDS
    return (change.sent_at or change.prepared_at) + timedelta(seconds=allowed / speed)


def _is_over(pod: Manifest, finding: Finding, since: datetime | None) -> bool:
    """Whether a finding is about a container that has ended before that moment, and not again after it."""
    if since is None or finding.symptom not in _CRASHES:
        return False
    statuses = [one for one in container_statuses(pod) if one.get("name") == finding.container]
    ends = [(one.get(which) or {}).get("terminated") or {} for one in statuses for which in ("state", "lastState")]
    moments = [moment for end in ends if (moment := timestamp(end.get("finishedAt"))) is not None]
    return bool(moments) and max(moments) < since


def gained(change: Change, snapshot: Snapshot, now: datetime, speed: float) -> int:
    """How many more pods are ready than before; what is evicted again and again is ready in between by chance."""
    by_chance = change.proposal.ends is Symptom.EVICTED
    return 0 if by_chance else steady(snapshot, now, speed) - change.baseline.ready


def _failing_again(change: Change, snapshot: Snapshot, health: Health, now: datetime, speed: float) -> Verification:
    """The promised symptom is back: better only if more replicas are ready all the same."""
    more = gained(change, snapshot, now, speed)
    detail = f"{change.proposal.ends} again: {_first(health)}"
    if more > 0:
        return _verdict(Result.BETTER, f"{more} more ready than before, but {detail}", health.ready)
    return _verdict(Result.NO_BETTER, detail, health.ready)


def _at_the_end(change: Change, snapshot: Snapshot, health: Health, now: datetime, speed: float) -> Verification:
    more = gained(change, snapshot, now, speed)
    if more > 0:
        return _verdict(Result.BETTER, f"{more} more ready than before, but {_first(health)}", health.ready)
    if _goes_on(change, snapshot, health, now, speed):
        return _verdict(Result.CANNOT_TELL, f"still on its way, and nothing new fails: {_first(health)}", health.ready)
    if snapshot.workload.get("kind") == CRON_JOB.kind and not _made_since(change, snapshot).related:
        return _verdict(Result.CANNOT_TELL, "no Job of it has been made since", health.ready)
    rolled_out = bool(of_present_revision(snapshot))
    still_there = promised_symptom_is_back(change, snapshot, now, speed) or any(
        finding.symptom is change.proposal.ends and not finding.pod for finding in health.findings
    )
    if rolled_out and not still_there and health.findings:
        return _verdict(Result.BETTER, f"{change.proposal.ends} is gone, but {_first(health)}", health.ready)
    return _verdict(Result.NO_BETTER, f"not well by the deadline: {_first(health)}", health.ready)


def _first(health: Health) -> str:
    if not health.findings:
        return f"{health.ready} of {health.desired} ready"
    finding = health.findings[0]
    place = f" in {finding.pod}/{finding.container}".rstrip("/") if finding.pod else ""
    return f"{finding.symptom}{place}: {finding.detail}"


def _verdict(result: Result, detail: str, ready: int = 0) -> Verification:
    return Verification(result=result, detail=mask_text(detail), ready=ready)  # it quotes pods as they are, unmasked
