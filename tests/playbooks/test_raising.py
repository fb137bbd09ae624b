"""What a quota would have to admit, and how a rollout gets on without: the least, as commands, or none."""

import json
import shlex
from typing import Any

import msgspec
import pytest

from incidents.causes import with_effects
from incidents.evidence import Evidence
from incidents.proposals import Needs, Silent
from playbooks.admission import consider
from tests.builders import condition, container, deployment, evidence, pod, replica_set, snapshot, subject, template

Object = dict[str, Any]
SAID = 'pods "web-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'


def full(
    *refused_by_it: Object, hard: Object | None = None, used: Object | None = None, name: str = "q", **listed: Any
) -> Evidence:
    """A quota of 2 pods that are used, and the Deployments that it refuses more; ``listed``: of other kinds."""
    hard = hard or {"pods": "2"}
    made: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "spec": {"hard": hard},
        "status": {"used": used or hard, "hard": hard},
    }
    made["metadata"] = {"name": name, "namespace": "shop", "uid": "uid-q"}
    kinds: dict[str, Any] = {"Deployment": list(refused_by_it), "StatefulSet": [], "DaemonSet": [], **listed}
    taken = evidence(snapshot(made), objects=kinds)
    health = with_effects(taken.health, "ResourceQuota", [subject(one) for one in refused_by_it] or [subject()])
    return msgspec.structs.replace(taken, health=health)


def short_of(replicas: int = 2, there: int = 1, *, of: Object | None = None, said: str = SAID, **spec: Any) -> Object:
    failure = condition("ReplicaFailure", "True", "FailedCreate", said)
    made = deployment(template(of or container()), replicas=replicas, ready=there, conditions=[failure], **spec)
    made["status"]["replicas"] = there
    made["status"]["updatedReplicas"] = 0 if there >= replicas else there
    return made


def commands(taken: Evidence) -> tuple[str, ...]:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis.by_hand


def raised_to(taken: Evidence) -> Object:
    """The keys of the quota as the one command would leave them; empty where none is told."""
    if not (told := commands(taken)):
        return {}
    meaning, command = told[:2]
    assert meaning.startswith("# allows the namespace more")
    words = shlex.split(command)
    assert words[:7] == ["kubectl", "-n", "shop", "patch", "resourcequota", "q", "--type=merge"]
    hard: Object = json.loads(words[-1])["spec"]["hard"]
    return hard


def test_a_quota_that_refuses_pods_is_told_with_what_is_used() -> None:
    taken = full(short_of())
    assert consider(evidence(taken.snapshot), ()) == Silent("the quota refuses nothing")
    assert isinstance(consider(msgspec.structs.replace(taken, answers={}, objects={}), ()), Needs)
    answer = consider(taken, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "quota q refuses pods; used: pods 2 of 2" in answer.diagnosis.cause


SMALL = container(resources={"requests": {"cpu": "300m"}, "limits": {"memory": "96Mi"}})
MEMORY = (
    "exceeded quota: q, requested: requests.memory=64Mi, used: requests.memory=192Mi, limited: requests.memory=192Mi"
)


@pytest.mark.parametrize(
    ("workload", "hard", "used", "least"),
    [
        (short_of(4, 1), {"pods": "2"}, {"pods": "2"}, {"pods": "5"}),
        (short_of(), {"pods": "9", "requests.cpu": "1"}, {"pods": "2", "cpu": "0", "requests.cpu": "900m"},
         {}),  # nothing is said of cpu: what a rule would fill in is not known
        (short_of(3, 1, of=SMALL), {"cpu": "1", "pods": "9"}, {"cpu": "900m", "pods": "2"}, {"cpu": "1500m"}),
        (short_of(of=SMALL), {"requests.memory": "100Mi"}, {"requests.memory": "96Mi"}, {"requests.memory": "192Mi"}),
        (short_of(3, 1, said=MEMORY), {"requests.memory": "192Mi"}, {"requests.memory": "192Mi"},
         {"requests.memory": "320Mi"}),
        (short_of(), {"pods": "3", "services": "1"}, {"pods": "2", "services": "1"}, {}),
        (short_of(), {"pods": "two"}, {"pods": "2"}, {}),
    ],
    ids=["missing", "unsaid", "short key", "limit is request", "as it was said", "room by now", "no quantity"],
)  # fmt: skip
def test_the_command_raises_what_is_exceeded_to_the_least_that_admits_all(
    workload: Object, hard: Object, used: Object, least: Object
) -> None:
    assert raised_to(full(workload, hard=hard, used=used)) == least


def test_the_needs_of_all_that_it_refuses_are_summed_and_of_one_unknown_there_is_no_sum() -> None:
    other = short_of(3, 1)
    other["metadata"] = {**other["metadata"], "name": "api", "uid": "uid-api"}
    assert raised_to(full(short_of(), other)) == {"pods": "5"}
    unknown = full(short_of(), other)
    objects = {**unknown.objects, "Deployment": unknown.objects["Deployment"][:1]}
    assert commands(msgspec.structs.replace(unknown, objects=objects)) == ()
    assert commands(full(short_of(), name="q; rm -rf /")) == ()


STRICT: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_rollout_without_room_for_a_pod_more_is_told_how_it_goes_on_with_one_fewer() -> None:
    held = short_of(2, 2, strategy=STRICT)
    assert isinstance(consider(full(held), ()), Needs)
    taken = full(held, Pod=[pod(ready=True), pod(name="web-2", ready=True)])
    assert raised_to(taken) == {"pods": "3"}
    meaning, command = commands(taken)[2:]
    assert "one fewer serves" in meaning
    words = shlex.split(command)
    assert words[:6] == ["kubectl", "-n", "shop", "patch", "deployment", "web"]
    path = "/spec/strategy/rollingUpdate/maxUnavailable"
    assert json.loads(words[-1]) == [
        {"op": "test", "path": path, "value": 0},
        {"op": "replace", "path": path, "value": 1},
    ]


@pytest.mark.parametrize(
    ("fields", "pods"),
    [
        ({"strategy": {"type": "Recreate"}}, [pod(ready=True)]),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, [pod(ready=True)]),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}}, [pod(ready=True)]),
        ({"strategy": STRICT, "there": 1}, [pod(ready=True)]),
        ({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}}, [pod(ready=True)]),
        ({"strategy": STRICT, "paused": True}, [pod(ready=True)]),
        ({"strategy": STRICT}, []),
    ],
    ids=["recreated", "may go without one", "a share", "some are missing", "no surge", "paused", "none serves"],
)
def test_a_rollout_that_goes_on_by_itself_or_lacks_more_is_told_of_the_quota_alone(
    fields: Object, pods: list[Object]
) -> None:
    held = short_of(**{"replicas": 2, "there": 2, **fields})
    assert len(commands(full(held, Pod=pods))) == 2


def test_an_old_pod_that_leaves_less_than_the_new_one_takes_is_no_help() -> None:
    more = short_of(2, 2, of=container(resources={"requests": {"cpu": "2"}}), strategy=STRICT)
    old = replica_set(template(container(resources={"requests": {"cpu": "1"}})), number=1)
    taken = full(more, hard={"requests.cpu": "2"}, Pod=[pod(of=old, ready=True)])
    assert raised_to(taken) == {"requests.cpu": "4"}
    assert len(commands(taken)) == 2
