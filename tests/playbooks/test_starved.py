"""Probes of containers that are held at their CPU limit: the limit is raised where metrics say so, and only there."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import EventLine, Evidence, Want, WantKind
from incidents.incident import Result, Round, Verification
from incidents.proposals import Needs, Opinion, SetField, Silent
from playbooks import consult
from playbooks.confidence import CERTAIN, LIKELY, SUGGESTED
from tests.builders import (
    NAMESPACE,
    condition,
    container,
    deployment,
    evidence,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
)

Object = dict[str, Any]
LIMIT = "/spec/template/spec/containers[web]/resources/limits/cpu"
TIMEOUT = "/spec/template/spec/containers[web]/readinessProbe/timeoutSeconds"
USAGE = Want(WantKind.USAGE, NAMESPACE)
LATE = (
    'Readiness probe failed: Get "http://10.0.0.7:8080/": context deadline exceeded '
    "(Client.Timeout exceeded while awaiting headers)"
)
REFUSED = 'Liveness probe failed: Get "http://10.0.0.7:8080/": dial tcp 10.0.0.7:8080: connect: connection refused'
STUCK = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out", seconds_ago=5)
ASKS: Object = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5, "timeoutSeconds": 1}
NODE = {"metadata": {"name": "n"}, "spec": {}, "status": {"allocatable": {"cpu": "4"}}}


def slow(
    used: Sequence[str] | None = ("cpu=100m",),
    *,
    limits: Object | None = None,
    requests: Object | None = None,
    before: Object | None = None,
    said: str = LATE,
    probe: str = "readinessProbe",
    rules: Mapping[str, Sequence[Object]] | None = None,
) -> Evidence:
    """Pods whose probe fails; ``used``: what each of their containers uses (None: it was not read)."""
    resources = {"limits": limits or {"cpu": "100m"}, "requests": requests or {"cpu": "50m"}}
    fields: Object = {"resources": resources, probe: ASKS, "ports": [{"containerPort": 8080}]}
    present = template(container(**fields))
    old = replica_set(template(container(resources={"limits": before or {}}, readinessProbe=ASKS)), number=1)
    new = replica_set(present, number=2)
    pods = [pod(running(), name=f"web-{index}", of=new) for index in range(1, max(1, len(used or ())) + 1)]
    taken = snapshot(deployment(present, conditions=[STUCK]), [old, new], pods)
    lines = {} if used is None else {USAGE.key: tuple(f"web-{at} web {one}" for at, one in enumerate(used, 1) if one)}
    objects: dict[str, Sequence[Object]] = {
        "Service": (),
        "LimitRange": (),
        "ResourceQuota": (),
        "Node": [NODE],
        **(rules or {}),
    }
    return evidence(taken, answers=lines, unhealthy=[said], objects=objects, seen_well=[1] if before else [])


def edit(taken: Evidence, rounds: tuple[Round, ...] = ()) -> SetField:
    answer = consult(taken, rounds)
    assert isinstance(answer, Opinion), answer
    (found,) = answer.proposal.edits
    return found


def confidence(taken: Evidence) -> float:
    answer = consult(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer.proposal.confidence


def told(taken: Evidence, rounds: tuple[Round, ...] = ()) -> str:
    answer = consult(taken, rounds)
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    assert answer.diagnosis.family == "memory"
    return str(answer.diagnosis)


def limit_range(**bounds: Object) -> Object:
    return {"metadata": {"name": "narrow"}, "spec": {"limits": [{"type": "Container", **bounds}]}}


def quota(**figures: Object) -> Object:
    return {"metadata": {"name": "team"}, "spec": {}, "status": figures}


def no_better(answer: Silent | Needs | Opinion) -> Round:
    assert isinstance(answer, Opinion)
    result = Verification(result=Result.NO_BETTER, detail="")
    return Round(number=1, diagnosis=answer.diagnosis, proposal=answer.proposal, verification=result)


def test_what_is_only_slow_by_its_looks_waits_for_the_metrics() -> None:
    answer = consult(slow(None), ())
    assert isinstance(answer, Needs)
    assert USAGE in answer.wants


def test_the_limit_is_doubled_before_anybody_waits_longer() -> None:
    assert edit(slow()) == SetField(path=LIMIT, expected="100m", value="200m")


@pytest.mark.parametrize(
    "used",
    [
        ("cpu=94m",),
        ("cpu=0",),
        ("cpu=100m", "cpu=20m"),
        ("cpu=20m", ""),
    ],
)
def test_what_does_not_use_up_its_limit_in_every_pod_that_fails_is_given_more_patience(used: Sequence[str]) -> None:
    assert edit(slow(used)).path == TIMEOUT
    assert confidence(slow(used)) == LIKELY


@pytest.mark.parametrize(
    "used",
    [
        (),  # nobody could read them, or the pod has been restarted just now
        ("memory=100Mi",),
        ("cpu=lots",),
    ],
)
def test_nobody_is_given_more_patience_without_being_asked_where_the_limit_may_be_why(used: Sequence[str]) -> None:
    assert edit(slow(used)).path == TIMEOUT
    assert confidence(slow(used)) == SUGGESTED


def test_pods_that_are_not_measured_say_nothing_of_those_that_are() -> None:
    assert edit(slow(("cpu=100m", ""))).path == LIMIT
    assert confidence(slow(("cpu=100m", ""))) == CERTAIN


def test_without_a_limit_nobody_asks_for_metrics() -> None:
    assert edit(slow(None, limits={"memory": "1Gi"})).path == TIMEOUT
    assert edit(slow(None, limits={"cpu": "0"})).path == TIMEOUT


def test_the_limit_of_the_revision_that_was_well_comes_first() -> None:
    assert edit(slow(before={"cpu": "500m"})).value == "500m"
    assert edit(slow(before={"cpu": "2"})).value == "200m"  # more than eight times as much says nothing of this one


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        ({"LimitRange": [limit_range(max={"cpu": "150m"})]}, "150m"),
        ({"LimitRange": [limit_range(maxLimitRequestRatio={"cpu": "3"})]}, "150m"),
        ({"ResourceQuota": [quota(hard={"limits.cpu": "1"}, used={"limits.cpu": "970m"})]}, "130m"),
        ({"Node": [{**NODE, "status": {"allocatable": {"cpu": "180m"}}}]}, "180m"),
        ({"ResourceQuota": [quota(hard={"requests.cpu": "1"}, used={"requests.cpu": "1"})]}, "200m"),
    ],
)
def test_no_rule_is_passed_on_the_way(rules: dict[str, Sequence[Object]], value: str) -> None:
    assert edit(slow(rules=rules)).value == value


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"LimitRange": [limit_range(max={"cpu": "100m"})]}, "LimitRange narrow allows a maximum of 100m of cpu"),
        ({"ResourceQuota": [quota(hard={"limits.cpu": "1"}, used={"limits.cpu": "1"})]}, "leaves 100m of cpu"),
    ],
)
def test_at_the_rule_a_person_is_told_and_the_probe_stays_as_it_is(
    rules: dict[str, Sequence[Object]], words: str
) -> None:
    said = told(slow(rules=rules))
    assert words in said
    assert "CPU limit of 100m" in said


def test_of_pods_that_are_served_first_because_they_ask_for_all_of_their_limits_it_is_told() -> None:
    all_of_it = {"cpu": "100m", "memory": "64Mi"}
    assert "Guaranteed" in told(slow(limits=all_of_it, requests=all_of_it))


def test_what_asks_for_all_of_its_limit_is_bound_by_the_quota_for_requests_too() -> None:
    full = {"ResourceQuota": [quota(hard={"cpu": "1"}, used={"cpu": "1"})]}
    assert "ResourceQuota team" in told(slow(requests={"memory": "64Mi"}, rules=full))


def test_each_round_doubles_it_and_eight_times_where_it_began_is_the_end() -> None:
    rounds: tuple[Round, ...] = ()
    for present in ("100m", "200m", "400m"):
        taken = slow((f"cpu={present}",), limits={"cpu": present})
        rounds = (*rounds, no_better(consult(taken, rounds)))
    assert [one.proposal.edits[0].value for one in rounds if one.proposal] == ["200m", "400m", "800m"]
    assert "8 times the 100m" in told(slow(("cpu=800m",), limits={"cpu": "800m"}), rounds)


def test_a_container_that_is_killed_before_it_listens_is_no_slow_starter_where_it_is_starved() -> None:
    taken = slow(said=REFUSED, probe="livenessProbe", rules={"Service": [serving()]})
    words = "Container web failed liveness probe, will be restarted"
    killing = EventLine(about="Pod/web-1", type="Normal", reason="Killing", message=words, count=1, last_seen=stamp())
    taken = msgspec.structs.replace(taken, events=(*taken.events, killing))
    assert edit(taken).path == LIMIT
    rested = msgspec.structs.replace(taken, answers={**taken.answers, USAGE.key: ("web-1 web cpu=20m",)})
    assert edit(rested).path.endswith("/startupProbe")


def serving() -> Object:
    ports = [{"port": 80, "targetPort": 8080}]
    return {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
