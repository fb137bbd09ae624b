"""Containers that end by themselves: wired where one place fits, followed to what they need, else told."""

from typing import Any, ClassVar

import msgspec
import pytest

from incidents.evidence import Evidence, Want, WantKind
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, SetField, Silent
from playbooks import crash_after_rollout
from playbooks.confidence import SUGGESTED
from playbooks.consult import consult
from playbooks.crash import consider
from playbooks.last_good import may_roll_back, serves_now
from playbooks.registry import all_playbooks
from tests.builders import (
    container,
    deployment,
    ended,
    evidence,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
    waiting,
)

Object = dict[str, Any]
WEB = "/spec/template/spec/containers[web]"
WANTS_URL = "fatal: required environment variable DATABASE_URL is not set"
NO_ANSWER = "fatal: cannot reach ledger-db:5432: dial tcp 10.96.1.1:5432: connect: connection refused"


def crashing(
    log: str = "", *, listed: dict[str, list[Object]] | None = None, code: int = 1, well: bool = False, **fields: Any
) -> Evidence:
    present = template(container(**fields))
    new = replica_set(present)
    broken = pod(waiting("CrashLoopBackOff", "back-off", restarts=3, last=ended(code=code)), of=new)
    objects = (
        {**{kind: [] for kind in ("Deployment", "StatefulSet", "DaemonSet")}, **listed} if listed is not None else None
    )
    return evidence(
        snapshot(deployment(present), [new], [broken]), log=log, objects=objects, seen_well=[2] if well else []
    )


def config(name: str, *keys: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "data": dict.fromkeys(keys, "")}


def after_a_rollout(status: Object, *, ready: bool, log: str = "", there: list[Object] | None = None) -> Evidence:
    """A rollout whose pod crashed at its start, as the collector sees it: what has crashed just now is not steady."""
    before, new = replica_set(template(container(image="web:1")), number=1), replica_set(number=2)
    pods = [pod(status, of=new, ready=ready), pod(name="old", of=before, ready=True)]
    objects = {"ConfigMap": there or [], "Deployment": [], "StatefulSet": [], "DaemonSet": []}
    taken = evidence(snapshot(deployment(replicas=2, updated=1), [before, new], pods), log=log, objects=objects)
    revisions = tuple(msgspec.structs.replace(one, ready=int(one.number == 1)) for one in taken.revisions)
    return msgspec.structs.replace(taken, revisions=revisions)


def told(taken: Evidence) -> Diagnosis:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis


def behind(name: str, *, replicas: int, ready: int = 0) -> dict[str, list[Object]]:
    workload = {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}, "spec": {}}},
        "status": {"readyReplicas": ready},
    }
    service = {"metadata": {"name": name}, "spec": {"selector": {"app": name}}}
    return {"Service": [service], "Deployment": [workload], "StatefulSet": [], "DaemonSet": []}


def _answered(kinds: list[str], listed: dict[str, list[Object]]) -> Object:
    """What an evidence says once these kinds have been listed."""
    return {
        "answers": {Want(WantKind.OBJECTS, kind).key: () for kind in kinds},
        "objects": {kind: tuple(listed[kind]) for kind in kinds},
    }


class TestVariables:
    """A variable that the program names as missing."""

    def test_it_comes_from_the_one_config_map_of_this_program_that_has_it(self) -> None:
        there = [config("settings", "DATABASE_URL", app="web"), config("other", "HOST", app="web")]
        answer = consider(crashing(WANTS_URL, listed={"ConfigMap": there}), ())
        assert isinstance(answer, Opinion)
        source = {"configMapKeyRef": {"name": "settings", "key": "DATABASE_URL"}}
        assert answer.proposal.action == (
            SetField(
                path=f"{WEB}/env[DATABASE_URL]",
                expected=None,
                value={"name": "DATABASE_URL", "valueFrom": source},
            ),
        )

    def test_which_config_maps_there_are_is_asked_first(self) -> None:
        assert isinstance(consider(crashing(WANTS_URL), ()), Needs)

    @pytest.mark.parametrize(
        "there",
        [
            [],
            [config("settings", "HOST", app="web")],
            [config("blue", "DATABASE_URL", app="web"), config("green", "DATABASE_URL", app="web")],
            [config("settings", "DATABASE_URL", app="shop")],  # somebody else's
            [config("settings", "DATABASE_URL")],  # nobody's
            [config("settings", "DATABASE_URL", app="web"), config("other", "DATABASE_URL", app="shop")],
        ],
    )
    def test_none_or_two_or_anothers_is_for_a_person(self, there: list[Object]) -> None:
        assert "DATABASE_URL" in told(crashing(WANTS_URL, listed={"ConfigMap": there})).cause

    def test_a_config_map_of_a_workload_with_a_longer_name_is_that_ones(self) -> None:
        there = [config("web-admin-settings", "DATABASE_URL")]
        other = {"kind": "Deployment", "metadata": {"name": "web-admin"}, "spec": {}}
        listed = {"ConfigMap": there, "Deployment": [other]}
        assert told(crashing(WANTS_URL, listed=listed)).family == "crash"
        assert isinstance(consider(crashing(WANTS_URL, listed={"ConfigMap": there}), ()), Opinion)

    def test_one_that_it_is_given_with_a_whole_config_map_is_not_given_again(self) -> None:
        there = {"ConfigMap": [config("web-settings", "DATABASE_URL")]}
        taken = crashing(WANTS_URL, listed=there, envFrom=[{"configMapRef": {"name": "web-settings"}}])
        assert told(taken).family == "crash"

    @pytest.mark.parametrize(
        "line", ["DATABASE_URL is not set, using the default", "warning: optional variable DATABASE_URL is not set"]
    )
    def test_what_it_gets_along_without_is_no_reason_for_its_end(self, line: str) -> None:
        there = {"ConfigMap": [config("web-settings", "DATABASE_URL")]}
        assert "bad rate table" in told(crashing(f"{line}\nfatal: bad rate table", listed=there)).cause

    def test_a_variable_that_is_given_already_is_not_given_again(self) -> None:
        there = {"ConfigMap": [config("settings", "DATABASE_URL", app="web")]}
        taken = crashing(WANTS_URL, listed=there, env=[{"name": "DATABASE_URL", "value": ""}])
        assert told(taken).family == "crash"

    def test_what_was_well_before_is_not_rewired(self) -> None:
        there = {"ConfigMap": [config("settings", "DATABASE_URL", app="web")]}
        assert told(crashing(WANTS_URL, listed=there, well=True)).family == "crash"

    @pytest.mark.parametrize(
        "line",
        [
            "KeyError: 'DATABASE_URL'",
            "Error: missing required environment variable: DATABASE_URL",
            "config: DATABASE_URL must be set",
        ],
    )
    def test_other_programs_say_it_in_other_words(self, line: str) -> None:
        there = {"ConfigMap": [config("web-settings", "DATABASE_URL")]}
        assert isinstance(consider(crashing(line, listed=there), ()), Opinion)


class TestUpstreams:
    """What the program cannot reach."""

    def test_one_replica_of_a_database_that_is_scaled_to_zero_is_only_asked_for(self) -> None:
        there = behind("ledger-db", replicas=0) | {"HorizontalPodAutoscaler": []}
        answer = consider(crashing(NO_ANSWER, listed=there), ())
        assert isinstance(answer, Opinion)
        assert "ledger-db is scaled to zero replicas" in answer.diagnosis.cause
        assert answer.proposal.action == (SetField(path="/spec/replicas", expected=0, value=1),)
        assert answer.proposal.target.name == "ledger-db"
        assert answer.proposal.confidence == SUGGESTED

    def test_what_an_autoscaler_keeps_or_may_keep_is_named_and_left_so(self) -> None:
        asleep = behind("ledger-db", replicas=0)
        scaler = {"metadata": {"name": "s"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "ledger-db"}}}
        said = told(crashing(NO_ANSWER, listed=asleep | {"HorizontalPodAutoscaler": [scaler]}))
        assert "ledger-db is scaled to zero replicas" in said.cause

    def test_two_that_are_scaled_to_zero_are_left_so(self) -> None:
        there = behind("ledger-db", replicas=0) | {"HorizontalPodAutoscaler": []}
        there["Deployment"] = [*there["Deployment"], *behind("ledger-db", replicas=0)["Deployment"]]
        assert "scaled to zero" in told(crashing(NO_ANSWER, listed=there)).cause

    def test_one_that_is_not_ready_is_the_one_to_mend(self) -> None:
        assert "0 of 1 replicas ready" in told(crashing(NO_ANSWER, listed=behind("ledger-db", replicas=1))).cause

    def test_one_that_is_down_is_blamed_and_one_that_is_ready_is_not(self) -> None:
        down = told(crashing(NO_ANSWER, listed=behind("ledger-db", replicas=1))).blames
        assert down is not None
        assert (down.kind, down.name) == ("Deployment", "ledger-db")
        up = told(crashing(NO_ANSWER, listed=behind("ledger-db", replicas=1, ready=1)))
        assert up.blames is None
        assert "although deployment/ledger-db has 1 of 1 replicas ready" in up.cause

    def test_nothing_is_rolled_back_before_it_is_known_whether_another_is_down(self) -> None:
        """The same crash after a rollout is mended by putting that back; with its database away it is not."""
        old, new = replica_set(template(container(image="web:1")), number=1), replica_set(number=2)
        broken = pod(waiting("CrashLoopBackOff", "back-off", restarts=3, last=ended(code=1)), of=new)
        taken = evidence(snapshot(deployment(), [old, new], [broken]), log=NO_ANSWER, seen_well=[1])
        families = {name: all_playbooks()[name] for name in ("crash", "crash-after-rollout")}
        asked = consult(taken, (), families)
        assert isinstance(asked, Needs)
        kinds = [want.name for want in asked.wants]
        up, down = behind("ledger-db", replicas=1, ready=1), behind("ledger-db", replicas=1)
        assert set(kinds) <= set(up)
        held = consult(msgspec.structs.replace(taken, **_answered(kinds, down)), (), families)
        assert isinstance(held, Silent)
        assert held.diagnosis is not None
        assert held.diagnosis.blames is not None
        rolled = consult(msgspec.structs.replace(taken, **_answered(kinds, up)), (), families)
        assert isinstance(rolled, Opinion)
        assert isinstance(rolled.proposal.action, RollBack)

    def test_a_service_that_is_not_there_is_named(self) -> None:
        assert "ledger-db:5432" in told(crashing(NO_ANSWER, listed=behind("other", replicas=1))).cause

    def test_a_host_of_another_namespace_is_not_looked_for_here(self) -> None:
        line = "could not connect to ledger-db.bank.svc:5432: connection refused"
        assert isinstance(consider(crashing(line), ()), Silent)


class TestReadyAgain:
    """A new revision that crashed at its start, and has a pod that is Ready at this moment."""

    LAST: ClassVar[Object] = {**ended(seconds_ago=90), "startedAt": stamp(92)}
    CRASHED: ClassVar[Object] = {**running(restarts=2, last=LAST), "state": {"running": {"startedAt": stamp(60)}}}
    DOWN = waiting("CrashLoopBackOff", restarts=2, last=LAST)

    def test_what_serves_is_not_rolled_back_and_what_does_not_is(self) -> None:
        answer = crash_after_rollout.consider(after_a_rollout(self.CRASHED, ready=True), ())
        assert isinstance(answer, Silent), answer
        assert "ready just now" in answer.because
        assert answer.diagnosis is not None
        assert answer.diagnosis.cause == "container web has crashed since the last rollout"
        for status in (self.CRASHED, self.DOWN):
            down = crash_after_rollout.consider(after_a_rollout(status, ready=False), ())
            assert isinstance(down, Opinion), down
            assert isinstance(down.proposal.action, RollBack)
            assert down.proposal.confidence == crash_after_rollout.SURE

    @pytest.mark.parametrize(
        ("ran", "runs", "ago", "speed", "serves"),
        [
            (30, 5, 15, 1.0, False),  # the next run of a loop, without a readiness probe
            (30, 50, 60, 1.0, False),
            (30, 70, 80, 1.0, True),
            (1, 5, 15, 1.0, False),
            (10, 16, 20, 20.0, True),
            (7200, 650, 660, 1.0, True),  # its last end is long forgotten
        ],
    )
    def test_a_pod_between_two_crashes_does_not_serve_whenever_it_is_looked_at(
        self, ran: float, runs: float, ago: float, speed: float, serves: bool
    ) -> None:
        last = {**ended(seconds_ago=ago), "startedAt": stamp(ago + ran)}
        status = {**running(restarts=2, last=last), "state": {"running": {"startedAt": stamp(runs)}}}
        taken = msgspec.structs.replace(after_a_rollout(status, ready=True), speed=speed)
        assert serves_now(taken) is serves

    def test_a_loop_is_rolled_back_in_its_back_off_and_in_its_next_run_alike(self) -> None:
        last = {**ended(seconds_ago=45), "startedAt": stamp(75)}
        again = {**running(restarts=2, last=last), "state": {"running": {"startedAt": stamp(5)}}}
        for status, ready in ((waiting("CrashLoopBackOff", restarts=2, last=last), False), (again, True)):
            answer = crash_after_rollout.consider(after_a_rollout(status, ready=ready), ())
            assert isinstance(answer, Opinion), answer
            assert answer.proposal.confidence == crash_after_rollout.SURE

    def test_a_pod_without_a_restart_serves_from_its_first_moment_on(self) -> None:
        fresh = {**running(), "state": {"running": {"startedAt": stamp(0)}}}
        assert serves_now(after_a_rollout(fresh, ready=True))

    def test_no_family_puts_the_revision_before_back_as_a_whole_meanwhile(self) -> None:
        assert may_roll_back(after_a_rollout(self.DOWN, ready=False))
        assert not may_roll_back(after_a_rollout(self.CRASHED, ready=True))

    def test_what_it_lacked_at_its_start_is_not_wired_into_what_serves(self) -> None:
        there = [config("settings", "DATABASE_URL", app="web")]
        for ready, kind in ((True, Silent), (False, Opinion)):
            taken = after_a_rollout(self.CRASHED, ready=ready, log=WANTS_URL, there=there)
            assert isinstance(consider(taken, ()), kind)


class TestItsOwnEnd:
    """Ends that nothing here explains."""

    def test_a_trace_is_told_as_its_first_words_and_the_place(self) -> None:
        log = "starting\npanic: nil pointer\ngoroutine 1 [running]:\nrules.Load(0x0)\n    /src/rules.go:57\n"
        said = told(crashing(log))
        assert "panic: nil pointer" in said.cause
        assert said.rests_on[:2] == ("panic: nil pointer", "/src/rules.go:57")

    def test_python_says_the_error_last(self) -> None:
        log = 'Traceback (most recent call last):\n  File "/app/main.py", line 3, in f\nValueError: bad rate\n'
        assert "ValueError: bad rate" in told(crashing(log)).cause

    def test_without_a_word_the_exit_code_is_told(self) -> None:
        said = told(crashing(code=4))
        assert "container web of deployment/web in shop ends with exit code 4" in said.cause

    def test_a_missing_file_is_named(self) -> None:
        assert "/etc/shop/api.yaml" in told(crashing("fatal: open /etc/shop/api.yaml: no such file or directory")).cause

    def test_what_a_log_asks_for_is_quoted_and_never_done(self) -> None:
        log = "ERROR model file has version 4\nERROR to fix this, scale deployment/web to 0"
        said = told(crashing(log))
        assert "model file has version 4" in said.cause
        assert "scale" not in said.cause

    @pytest.mark.parametrize("code", [137, 143])
    def test_what_is_killed_does_not_end_by_itself(self, code: int) -> None:
        assert consider(crashing("starting", code=code), ()) == Silent("no container ends by itself")
