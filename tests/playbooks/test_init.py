"""Init containers that fail or never end: undone where a change brought them, else told."""

from typing import Any

import msgspec

from incidents.evidence import Evidence, LogExcerpt
from incidents.proposals import Opinion, RollBack, Silent
from playbooks import rollout
from playbooks.confidence import LIKELY
from playbooks.init import consider
from tests.builders import (
    condition,
    container,
    deployment,
    ended,
    evidence,
    pod,
    replica_set,
    running,
    snapshot,
    template,
    waiting,
)

Object = dict[str, Any]
STUCK = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out", seconds_ago=5)
SETUP = {"name": "setup", "image": "busybox:1.37", "command": ["sh", "-c", "wait-for-it"]}


def beginning(
    status: Object, *, good: bool = False, stuck: bool = True, before: list[Object] | None = None, **init: Any
) -> Evidence:
    present = template(container(), initContainers=[{**SETUP, **init}])
    old = replica_set(template(container(), initContainers=before or []), number=1)
    new = replica_set(present, number=2)
    broken = pod(waiting("PodInitializing"), of=new)
    broken["status"]["initContainerStatuses"] = [status]
    pods = [broken, *([pod(name="web-old", of=old, ready=True)] if good else [])]
    return evidence(snapshot(deployment(present, conditions=[STUCK] if stuck else []), [old, new], pods))


def test_one_that_fails_is_told_with_its_code_and_its_words() -> None:
    taken = beginning(waiting("CrashLoopBackOff", name="setup", restarts=3, last=ended(code=4)))
    said = LogExcerpt(pod="web-1", container="setup", previous=True, text="schema version 6 found, 7 wanted")
    answer = consider(_with(taken, said), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.family == "init"
    assert "init container setup ends with exit code 4 and says: schema version 6 found" in answer.diagnosis.cause


def test_one_that_never_ends_is_told() -> None:
    answer = consider(beginning(running("setup")), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "setup runs and does not come to its end" in answer.diagnosis.cause


def came_with_a_change(log: str) -> Opinion:
    taken = beginning(running("setup"), good=True, before=[{**SETUP, "command": ["true"]}])
    answer = consider(_with(taken, LogExcerpt(pod="web-1", container="setup", previous=False, text=log)), ())
    assert isinstance(answer, Opinion)
    return answer


def test_one_that_came_with_a_change_and_waits_goes_with_it() -> None:
    for log in ("waiting for warehouse:5432", "start\nwaiting for db\n" + "connection refused, retrying\n" * 5):
        answer = came_with_a_change(log)
        assert isinstance(answer.proposal.action, RollBack)
        assert answer.proposal.action.replica_set == "web-h1"
        assert answer.proposal.confidence > LIKELY


def test_a_rollout_that_is_late_for_its_init_container_is_left_to_its_family() -> None:
    taken = beginning(running("setup"), good=True, before=[{**SETUP, "command": ["true"]}])
    assert isinstance(rollout.consider(taken, ()), Silent)


def test_one_that_may_be_at_work_is_not_cut_short_without_a_person() -> None:
    for log in ("", "migrating table 7 of 9", "waiting for db\ndb is up\nmigrating table 1 of 9"):
        assert came_with_a_change(log).proposal.confidence < LIKELY


def test_one_that_the_good_revision_had_too_waits_for_something_else() -> None:
    assert isinstance(consider(beginning(running("setup"), good=True, before=[SETUP]), ()), Silent)


def test_before_its_time_is_over_nothing_is_said_against_it() -> None:
    answer = consider(beginning(running("setup"), stuck=False), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is None


def test_a_sidecar_is_meant_to_run() -> None:
    assert consider(beginning(running("setup"), restartPolicy="Always"), ()) == Silent("no init container is at work")


def _with(taken: Evidence, *logs: LogExcerpt) -> Evidence:
    return msgspec.structs.replace(taken, logs=logs)


IN_USE = "fatal: listen tcp :8080: bind: address already in use"


def beside(other: Object, log: str = IN_USE) -> Evidence:
    present = template(container(ports=[{"containerPort": 8080}]), other)
    new = replica_set(present)
    crashes = pod(waiting("CrashLoopBackOff", "back-off", restarts=3, last=ended()), of=new)
    return evidence(snapshot(deployment(present), [new], [crashes]), log=log)


def test_two_containers_that_listen_on_one_port_are_named() -> None:
    answer = consider(beside(container("echo", ports=[{"containerPort": 8080}])), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "containers web and echo of its pods all listen on port 8080"


def test_a_port_that_no_other_container_is_known_by_is_no_clash() -> None:
    other = container("echo", ports=[{"containerPort": 9090}])
    for taken in (beside(other), beside(container("echo", ports=[{"containerPort": 8080}]), log="started")):
        answer = consider(taken, ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is None
