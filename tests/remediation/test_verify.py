"""What verification says of a change, judged on what the API server would have shown meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest

from evidence.sight import Looking, Polled, Sight
from incidents.changes import Change, ChangeState, Inverse, InverseKind
from incidents.incident import Result, Verification
from incidents.objects import ObjectRef, Uid, reference
from incidents.proposals import SetField
from incidents.snapshot import Snapshot, spec_digest
from incidents.symptoms import Symptom
from remediation.growth import Growth
from remediation.guardrails.request import LONGEST_CLAIM
from remediation.verify import LONGEST_GAP_SECONDS, UNREADABLE_SECONDS, Verifier
from tests.builders import (
    NOW,
    change,
    container,
    deployment,
    not_there,
    owned_by,
    pod,
    proposal,
    replica_set,
    running,
    stamp,
    template,
    waiting,
)
from tests.clocks import FakeClock
from tests.remediation.scripted import ScriptedCluster
from tests.stateful import controller_revision, daemon_pod, daemon_set, member, stateful_set
from tools.clock import Clock
from tools.cluster.errors import Unreachable
from tools.cluster.reader import Reader

SETTLE = 5.0
Object = dict[str, Any]
World = list[Object]


def world(*pods: Object, ready: int | None = None, pod_template: Object | None = None, **fields: Any) -> World:
    """The Deployment with the pods of its present revision."""
    count = sum("True" in str(one["status"]["conditions"]) for one in pods) if ready is None else ready
    return [deployment(pod_template, ready=count, **fields), replica_set(), *pods]


def killed(seconds: float) -> Object:
    """An OOM kill so many seconds after the test's beginning."""
    moment = datetime.fromtimestamp(NOW.timestamp() + seconds, NOW.tzinfo)
    return {"reason": "OOMKilled", "exitCode": 137, "finishedAt": moment.isoformat()}


class Film:
    """Which world there is from which second on."""

    def __init__(self, *scenes: tuple[float, World]) -> None:
        self.cluster = ScriptedCluster(*scenes[0][1])
        self._scenes = scenes

    def show(self, moment: datetime) -> None:
        seconds = (moment - NOW).total_seconds()
        for since, objects in self._scenes:
            if seconds >= since:
                self.cluster.serve(*objects)


def applied(ends: Symptom = Symptom.IMAGE_PULL, *, ready_before: int = 0, **fields: Any) -> Change:
    made = change(made=proposal(ends=ends), ready_before=ready_before, state=ChangeState.APPLIED, **fields)
    return made if made.generation else _of_spec(made, deployment())


def _of_spec(made: Change, workload: Object) -> Change:
    return msgspec.structs.replace(made, generation=2, spec=spec_digest(workload))


def _polling(reader: Reader, clock: Clock) -> Looking:
    @asynccontextmanager
    async def look(target: ObjectRef) -> AsyncIterator[Sight]:
        yield Polled(reader, clock, target)

    return look


async def judged(
    film: Film, of: Change, *, speed: float = 1.0, seen: ObjectRef | None = None
) -> tuple[Verification, float]:
    """The answer and after how many seconds it came."""
    clock = FakeClock(speed=speed, on_sleep=film.show)
    reader = Reader(film.cluster)
    verifier = Verifier(_polling(reader, clock), clock, settle_seconds=SETTLE, growth=Growth(reader))
    return await verifier.verify(of, seen), (clock.now() - NOW).total_seconds()


class Deleting:
    """Keeps the changes for which a pod in the way was looked for."""

    def __init__(self) -> None:
        self.asked: list[Change] = []

    async def step(self, change: Change, snapshot: Snapshot) -> None:
        self.asked.append(change)


def claim(has: str | None, uid: str = "uid-data") -> Object:
    capacity = {"capacity": {"storage": has}} if has else {}
    metadata = {"name": "data", "namespace": "shop", "uid": uid}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "status": capacity}


STARTING = world(pod(waiting("ContainerCreating")))
WELL = world(pod(ready=True))


class TestWell:
    """Rolled out, ready, no restart and no finding for the settle time."""

    async def test_well_has_to_last_for_the_settle_time(self) -> None:
        verification, seconds = await judged(Film((0, STARTING), (10, WELL)), applied())
        assert verification.result is Result.WELL
        assert 10 + SETTLE <= seconds <= 10 + SETTLE + 2

    async def test_a_restart_begins_the_settle_time_anew(self) -> None:
        restarted = world(pod(running(restarts=1, last=killed(3)), ready=True))
        verification, seconds = await judged(Film((0, WELL), (4, restarted)), applied())
        assert (verification.result, seconds >= 4 + SETTLE) == (Result.WELL, True)

    async def test_a_clock_that_is_put_forward_has_not_seen_it_well(self) -> None:
        film, jumps = Film((0, WELL)), iter([0.0, 3_600.0])

        def sleep(moment: datetime) -> None:
            clock.advance(next(jumps, 0.0))

        clock = FakeClock(on_sleep=sleep)
        reader = Reader(film.cluster)
        of = msgspec.structs.replace(applied(), deadline=NOW + timedelta(hours=2))
        verification = await Verifier(_polling(reader, clock), clock, settle_seconds=60.0).verify(of)
        assert verification.result is Result.WELL
        assert (clock.now() - NOW).total_seconds() >= 3_600 + 60 - LONGEST_GAP_SECONDS

    async def test_pods_of_the_broken_revision_that_linger_do_not_count(self) -> None:
        old = replica_set(template(container(image="nginx:1.0")), number=1)
        lingering = [*world(pod(name="new"), replicas=1), old, pod(not_there("nginx:1.0"), name="old", of=old)]
        verification, _ = await judged(Film((0, lingering), (20, WELL)), applied())
        assert verification.result is Result.WELL

    async def test_a_single_failed_pull_of_the_new_image_is_a_transient(self) -> None:
        hiccup = world(pod(waiting("ErrImagePull", "i/o timeout")))
        verification, _ = await judged(Film((0, hiccup), (6, WELL)), applied())
        assert verification.result is Result.WELL

    async def test_durations_are_divided_by_the_speed(self) -> None:
        verification, seconds = await judged(Film((0, WELL)), applied(), speed=10)
        assert (verification.result, seconds <= 0.1 + SETTLE / 10) == (Result.WELL, True)

    async def test_scaling_meanwhile_is_nothing_against_it(self) -> None:
        scaled = world(pod(ready=True), pod(name="web-2", ready=True), replicas=2, generation=3)
        verification, _ = await judged(Film((0, scaled)), applied())
        assert verification.result is Result.WELL

    async def test_a_deadline_that_passed_while_nobody_looked_is_judged_from_a_fresh_read(self) -> None:
        verification, seconds = await judged(Film((0, WELL)), applied(deadline=NOW))
        assert verification.result is Result.WELL
        assert seconds <= SETTLE + 2

    async def test_a_deadline_that_a_wrong_clock_has_set_is_not_waited_for(self) -> None:
        _, seconds = await judged(Film((0, STARTING)), applied(deadline=NOW + timedelta(days=365)))
        assert seconds <= LONGEST_CLAIM.total_seconds() + 2 * SETTLE

    async def test_becoming_well_just_before_the_deadline_is_well(self) -> None:
        film = Film((0, STARTING), (598, WELL))
        assert (await judged(film, applied()))[0].result is Result.WELL


class TestNoBetter:
    """Neither is the promised symptom gone nor are more replicas ready."""

    @pytest.mark.parametrize("restarts", [2, 3])
    async def test_the_promised_symptom_in_a_new_pod_is_no_better(self, restarts: int) -> None:
        again = world(pod(waiting("CrashLoopBackOff", restarts=restarts, last=killed(8))))
        verification, seconds = await judged(Film((0, STARTING), (9, again)), applied(Symptom.OOM_KILLED))
        assert (verification.result, seconds <= 11) == (Result.NO_BETTER, True)
        assert "oom-killed again" in verification.detail

    async def test_a_pod_that_is_ready_between_two_kills_is_no_gain(self) -> None:
        between = world(pod(running(restarts=2, last=killed(8)), ready=True))
        verification, _ = await judged(Film((0, STARTING), (9, between)), applied(Symptom.OOM_KILLED))
        assert verification.result is Result.NO_BETTER

    async def test_a_pull_that_keeps_failing_is_no_better_after_some_patience(self) -> None:
        verification, seconds = await judged(Film((0, world(pod(not_there("nginx:1.28"))))), applied())
        assert (verification.result, SETTLE <= seconds <= 12) == (Result.NO_BETTER, True)

    async def test_what_it_quotes_of_a_pod_tells_no_secret(self) -> None:
        broken = world(pod(waiting("RunContainerError", 'exec: "--password=hunter2": not found')))
        verification, _ = await judged(Film((0, broken)), applied())
        assert "exec" in verification.detail
        assert "hunter2" not in verification.detail

    async def test_what_is_not_well_by_its_deadline_is_no_better(self) -> None:
        verification, seconds = await judged(Film((0, world())), applied())
        assert (verification.result, 600 <= seconds <= 602) == (Result.NO_BETTER, True)
        assert "not well by the deadline" in verification.detail

    async def test_a_promised_symptom_of_the_workload_itself_is_looked_for_too(self) -> None:
        stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
        verification, _ = await judged(Film((0, world(pod(), conditions=[stuck]))), applied(Symptom.ROLLOUT_STUCK))
        assert verification.result is Result.NO_BETTER


class TestBetter:
    """Something still fails, but less than before."""

    async def test_the_promised_symptom_is_gone_and_another_has_come(self) -> None:
        crashing = world(pod(waiting("CrashLoopBackOff", restarts=3, last={"exitCode": 1})))
        verification, _ = await judged(Film((0, STARTING), (5, crashing)), applied())
        assert verification.result is Result.BETTER
        assert "image-pull is gone, but crash-loop" in verification.detail

    async def test_more_replicas_are_ready_than_before_the_first_change(self) -> None:
        half = world(pod(ready=True), pod(name="web-2", age=0), replicas=2)
        verification, _ = await judged(Film((0, half)), applied())
        assert verification.result is Result.BETTER
        assert "1 more ready than before" in verification.detail

    async def test_more_ready_is_better_even_where_one_still_shows_the_symptom(self) -> None:
        again = waiting("CrashLoopBackOff", restarts=3, last=killed(1))
        verification, _ = await judged(
            Film((0, world(pod(ready=True), pod(again, name="web-2"), replicas=2))), applied(Symptom.OOM_KILLED)
        )
        assert verification.result is Result.BETTER

    async def test_as_many_ready_as_before_is_no_gain(self) -> None:
        half = world(pod(ready=True), pod(not_there("nginx:1.28"), name="web-2"), replicas=2)
        verification, _ = await judged(Film((0, half)), applied(ready_before=1))
        assert verification.result is Result.NO_BETTER


class TestCannotTell:
    """Nothing is concluded from what could not be seen or was somebody else's doing."""

    async def test_somebody_else_has_changed_the_spec(self) -> None:
        edited = world(pod(ready=True), pod_template=template(container(image="nginx:9")), generation=3)
        verification, _ = await judged(Film((0, STARTING), (3, edited)), applied())
        assert verification.result is Result.CANNOT_TELL
        assert "somebody else" in verification.detail

    async def test_the_object_is_gone(self) -> None:
        film = Film((0, STARTING), (3, [{**deployment(), "metadata": {**deployment()["metadata"], "uid": "new"}}]))
        verification, _ = await judged(film, applied())
        assert (verification.result, verification.detail) == (Result.CANNOT_TELL, "the object is gone")

    @pytest.mark.parametrize("deadline_passed", [False, True])
    async def test_the_cluster_cannot_be_read(self, deadline_passed: bool) -> None:
        film = Film((0, WELL))
        film.cluster.fail = Unreachable("away")
        verification, seconds = await judged(film, applied(deadline=NOW if deadline_passed else applied().deadline))
        assert verification.result is Result.CANNOT_TELL
        assert seconds == (0 if deadline_passed else UNREADABLE_SECONDS)

    async def test_a_short_absence_of_the_cluster_is_waited_out(self) -> None:
        film = Film((0, WELL))
        film.cluster.fail = Unreachable("away")
        show = film.show

        def back(moment: datetime) -> None:
            film.cluster.fail = None if (moment - NOW).total_seconds() >= 4 else film.cluster.fail
            show(moment)

        film.show = back  # type: ignore[method-assign]
        assert (await judged(film, applied()))[0].result is Result.WELL


def put_out(number: int, *, of: Object, began: float, lived: float) -> Object:
    """A pod that was evicted for what it wrote, so many seconds after the test's beginning (or before it)."""
    moments = [datetime.fromtimestamp(NOW.timestamp() + began + after, NOW.tzinfo).isoformat() for after in (0, lived)]
    end = {"name": "web", "state": {"terminated": {"exitCode": 137, "finishedAt": moments[1]}}}
    gone = pod(end, name=f"gone-{number}", of=of, phase="Failed", creationTimestamp=moments[0])
    return {**gone, "status": {**gone["status"], "reason": "Evicted", "message": "writes too much"}}


BEFORE = replica_set(template(container(image="nginx:1.26")), number=1)
EARLIER = [BEFORE, *(put_out(number, of=BEFORE, began=20 * number - 100, lived=20) for number in range(3))]
EVICTED = applied(Symptom.EVICTED)


class TestFilledDisks:
    """What is evicted is well until its disk is full: that it is well for a moment says nothing."""

    async def test_more_room_is_believed_when_it_has_lasted_twice_as_long_as_less(self) -> None:
        verification, seconds = await judged(Film((0, [*world(pod(ready=True)), *EARLIER])), EVICTED)
        assert verification.result is Result.WELL
        assert SETTLE + 40 <= seconds <= SETTLE + 50

    async def test_pods_that_are_evicted_later_are_evicted_all_the_same(self) -> None:
        """At each moment one of them is ready, as many as before or more."""
        gone = [put_out(10 + number, of=replica_set(), began=40 * number, lived=40) for number in range(3)]
        scenes = [
            (40.0 * number, [*world(pod(name=f"web-{number}", ready=True)), *EARLIER, *gone[:number]])
            for number in range(4)
        ]
        verification, seconds = await judged(Film(*scenes), EVICTED)
        assert (verification.result, 120 <= seconds <= 130) == (Result.NO_BETTER, True)
        assert "evicted again" in verification.detail


def crashed(seconds: float, *, restarts: int = 5) -> Object:
    return waiting("CrashLoopBackOff", "back-off 5m0s", restarts=restarts, last=killed(seconds) | {"reason": "Error"})


class TestGrownClaims:
    """A change beside the workload: its pods stay, and wait out their back-off from before it."""

    def grown(self) -> Change:
        edit = SetField(path="/spec/resources/requests/storage", expected="1Gi", value="2Gi")
        made = proposal(edit, target=reference(claim("1Gi")), ends=Symptom.CRASH_LOOP)
        deadline = NOW + timedelta(seconds=1_500)
        found = change(made=made, state=ChangeState.APPLIED, sent_at=NOW, deadline=deadline)
        return msgspec.structs.replace(found, inverse=Inverse(operations=(), kind=InverseKind.NONE))

    async def test_what_has_crashed_before_the_volume_had_grown_does_not_count(self) -> None:
        before, meanwhile = world(pod(crashed(-60))), world(pod(crashed(200)))
        film = Film((0, before), (201, meanwhile), (500, [*WELL, claim("2Gi")]))
        verification, seconds = await judged(film, self.grown(), seen=reference(deployment()))
        assert (verification.result, seconds >= 500 + SETTLE) == (Result.WELL, True)

    async def test_what_is_ready_before_the_volume_has_grown_is_not_believed_until_it_has(self) -> None:
        film = Film((0, [*WELL, claim("1Gi")]), (300, [*WELL, claim("2Gi")]))
        verification, seconds = await judged(film, self.grown(), seen=reference(deployment()))
        assert (verification.result, 300 + SETTLE <= seconds <= 310 + SETTLE) == (Result.WELL, True)

    @pytest.mark.parametrize(
        ("has", "said"),
        [("1Gi", "has not grown: it has 1Gi of 2Gi"), (None, "it has nothing of 2Gi"), ("much", "cannot be read")],
    )
    async def test_what_is_ready_and_never_grew_says_nothing_of_the_change(self, has: str | None, said: str) -> None:
        verification, seconds = await judged(Film((0, [*WELL, claim(has)])), self.grown(), seen=reference(deployment()))
        assert (verification.result, seconds >= 1_500) == (Result.CANNOT_TELL, True)
        assert said in verification.detail
        assert verification.ready == 1

    async def test_a_claim_that_is_gone_has_not_grown(self) -> None:
        film = Film((0, [*WELL, claim("2Gi", uid="another")]))
        verification, _ = await judged(film, self.grown(), seen=reference(deployment()))
        assert (verification.result, "is gone" in verification.detail) == (Result.CANNOT_TELL, True)

    async def test_what_crashes_long_after_that_is_no_better(self) -> None:
        film = Film((0, world(pod(crashed(-60)))), (950, world(pod(crashed(949)))))
        verification, seconds = await judged(film, self.grown(), seen=reference(deployment()))
        assert (verification.result, 950 <= seconds < 1_000) == (Result.NO_BETTER, True)

    async def test_nothing_is_over_while_what_failed_still_waits_out_its_back_off(self) -> None:
        beside = waiting("ImagePullBackOff", "no such tag") | {"name": "beside"}
        before, better = world(pod(crashed(-60), beside)), world(pod(crashed(200), beside))
        film = Film((0, before), (201, better), (900, [*WELL, claim("2Gi")]))
        verification, seconds = await judged(film, self.grown(), seen=reference(deployment()))
        assert (verification.result, seconds >= 900) == (Result.WELL, True)

    @pytest.mark.parametrize(("at", "result"), [(20, Result.WELL), (150, Result.NO_BETTER)])
    async def test_what_was_woken_may_take_its_time_until_what_needs_it_crashes_no_more(
        self, at: int, result: Result
    ) -> None:
        """A dependency with one replica again takes a while to start, and a crash meanwhile says nothing of it."""
        edit = SetField(path="/spec/replicas", expected=0, value=1)
        woken = proposal(edit, target=reference(deployment(name="db")), ends=Symptom.CRASH_LOOP)
        deadline = NOW + timedelta(seconds=600)
        of = change(made=woken, state=ChangeState.APPLIED, sent_at=NOW, deadline=deadline)
        of = msgspec.structs.replace(of, target=msgspec.structs.replace(of.target, uid=Uid("db")))
        film = Film((0, world(pod(crashed(-60)))), (at, world(pod(crashed(at - 1)))), (300, WELL))
        verification, _ = await judged(film, of, seen=reference(deployment()))
        assert verification.result is result


class TestOrderedSets:
    """A StatefulSet's stuck pod of the revision before says nothing of the new one, and is removed on the way."""

    async def test_the_stuck_pod_is_looked_for_until_the_set_is_well(self) -> None:
        before = [stateful_set(ready=1), member(0), member(1, revision="bad", ready=False)]
        after = [stateful_set(ready=2), member(0), member(1)]
        clock, deleting = FakeClock(on_sleep=(film := Film((0, before), (40, after))).show), Deleting()
        target = reference(stateful_set())
        of = _of_spec(
            change(made=proposal(ends=Symptom.IMAGE_PULL, target=target), state=ChangeState.APPLIED), stateful_set()
        )
        verifier = Verifier(
            _polling(Reader(film.cluster), clock),
            clock,
            settle_seconds=SETTLE,
            unblocking=deleting,  # type: ignore[arg-type]  # all that is asked of it is step()
        )
        assert (await verifier.verify(of)).result is Result.WELL
        assert len(deleting.asked) > 5

    async def test_pods_that_a_parallel_set_has_not_replaced_yet_say_nothing_of_its_new_template(self) -> None:
        parallel = stateful_set(ready=1, podManagementPolicy="Parallel")
        old = member(0, revision="bad", ready=False)
        old["status"]["containerStatuses"] = [running(restarts=4, last=killed(-5))]
        film = Film((0, [parallel, old, member(1)]), (60, [stateful_set(ready=2), member(0), member(1)]))
        of = _of_set(parallel, Symptom.OOM_KILLED)
        verification, seconds = await judged(film, of)
        assert (verification.result, seconds >= 60 + SETTLE) == (Result.WELL, True)


def _of_set(workload: Object, ends: Symptom, *, deadline: float = 600) -> Change:
    made = proposal(ends=ends, target=reference(workload))
    until = NOW + timedelta(seconds=deadline)
    standing = change(made=made, state=ChangeState.APPLIED, sent_at=NOW, deadline=until, ready_before=3)
    return _of_spec(standing, workload)


class TestRolloutsThatTakeTheirTime:
    """A DaemonSet replaces its pods one by one: those of before say nothing, and no deadline ends what goes on."""

    OLD, NEW = template(container(image="nginx:1.0")), template()
    REVISIONS = (
        controller_revision(OLD, hash_="old", number=1),
        controller_revision(NEW, hash_="new", number=2),
    )

    def nodes(self, updated: int, *, made: float = 0, failing: str = "") -> World:
        """Three nodes, so many of them with a pod of the new revision, made so many seconds after the beginning."""
        crashed = running(restarts=4, last=killed(-1))
        pods = [
            daemon_pod(
                f"web-{number}",
                crashed if failing == f"web-{number}" else running(),
                revision="new" if number < updated else "old",
                age=-made if number < updated else 9_000,
            )
            for number in range(3)
        ]
        return [daemon_set(self.NEW, updated=updated), *self.REVISIONS, *pods]

    async def test_a_pod_that_is_not_replaced_yet_says_nothing_of_the_new_template(self) -> None:
        film = Film((0, self.nodes(1, failing="web-2")), (90, self.nodes(3, made=80)))
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, seconds >= 90 + SETTLE) == (Result.WELL, True)

    async def test_a_new_pod_that_fails_does(self) -> None:
        film = Film((0, self.nodes(1, failing="web-0")))
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, seconds <= 2) == (Result.NO_BETTER, True)

    async def test_without_a_history_none_says_anything_until_all_are_replaced(self) -> None:
        first, last = self.nodes(1, failing="web-2"), self.nodes(3, made=80)
        film = Film(
            *((at, [one for one in scene if one not in self.REVISIONS]) for at, scene in ((0, first), (90, last)))
        )
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, seconds >= 90 + SETTLE) == (Result.WELL, True)

    async def test_one_that_goes_on_at_the_deadline_is_waited_for(self) -> None:
        film = Film((0, self.nodes(1)), (500, self.nodes(2, made=490)), (900, self.nodes(3, made=890)))
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, seconds >= 900 + SETTLE) == (Result.WELL, True)

    async def test_one_that_has_stopped_is_judged_at_its_deadline(self) -> None:
        film = Film((0, self.nodes(1)))
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, 600 <= seconds <= 610) == (Result.BETTER, True)
        assert "3 of 3 ready after its deadline" in verification.detail

    async def test_one_that_goes_on_for_ever_is_not_undone_and_said_so(self) -> None:
        film = Film(*((float(at), self.nodes(1 + at % 2, made=at)) for at in range(0, 4_000, 200)))
        verification, seconds = await judged(film, _of_set(daemon_set(self.NEW), Symptom.OOM_KILLED))
        assert (verification.result, 3_200 < seconds < 3_400) == (Result.CANNOT_TELL, True)
        assert "still on its way" in verification.detail


class TestCronJobs:
    """Only what a CronJob makes after a change says anything of it."""

    CRON_JOB: ClassVar[Object] = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 2},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template()}}},
        "status": {},
    }

    def running(self, seconds: float, *statuses: Object) -> World:
        """A Job and its pod, made so many seconds after the test's beginning."""
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "web-1",
                "namespace": "shop",
                "uid": "uid-job",
                "creationTimestamp": stamp(-seconds),
                "ownerReferences": [owned_by("CronJob", "web", "uid-web", "batch/v1")],
            },
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"active": 1},
        }
        made = pod(*statuses, phase="Pending", age=-seconds)
        made["metadata"]["ownerReferences"] = [owned_by("Job", "web-1", "uid-job", "batch/v1")]
        return [self.CRON_JOB, job, made]

    async def test_a_job_of_before_says_nothing_and_without_another_nobody_can_tell(self) -> None:
        film = Film((0, self.running(-900, not_there("nginx:1.28"))))
        verification, seconds = await judged(film, _of_set(self.CRON_JOB, Symptom.IMAGE_PULL))
        assert (verification.result, seconds >= 600) == (Result.CANNOT_TELL, True)
        assert "no Job of it has been made since" in verification.detail

    async def test_a_pod_that_a_job_of_before_has_made_since_says_nothing_either(self) -> None:
        job, replaced = self.running(-900, not_there("nginx:1.28"))[:2], self.running(30, not_there("nginx:1.28"))[2:]
        verification, seconds = await judged(Film((0, [*job, *replaced])), _of_set(self.CRON_JOB, Symptom.IMAGE_PULL))
        assert (verification.result, seconds >= 600) == (Result.CANNOT_TELL, True)

    async def test_a_job_that_was_made_since_and_fails_does(self) -> None:
        before, since = self.running(-900, not_there("nginx:1.28")), self.running(30, not_there("nginx:1.28"))
        verification, seconds = await judged(Film((0, before), (40, since)), _of_set(self.CRON_JOB, Symptom.IMAGE_PULL))
        assert (verification.result, 40 <= seconds < 70) == (Result.NO_BETTER, True)
