"""Pods that were pushed out: who told them to go, with class and value, and only where that is so."""

from typing import Any

import msgspec
import pytest

from evidence.answers import Answers
from incidents.evidence import Evidence, Want, WantKind
from incidents.proposals import Needs, Silent
from playbooks.outranked import consider
from tests.builders import condition, deployment, evidence, owned_by, pod, replica_set, snapshot
from tests.remediation.scripted import ScriptedCluster
from tools.cluster.reader import Reader

Object = dict[str, Any]
NO_ROOM = "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available."
SAID = "web-h2-abcde Preempted by pod uid-desk on node n1"
WANT = Want(WantKind.PREEMPTED, "shop")


def desk(priority: int = 1000, *, uid: str = "uid-desk", **metadata: Any) -> Object:
    """A pod of another Deployment, of PriorityClass ``first``."""
    owner = owned_by("ReplicaSet", "desk-f00", "uid-f00")
    metadata = {"labels": {"pod-template-hash": "f00"}, "ownerReferences": [owner], **metadata}
    placed = {"priority": priority, "priorityClassName": "first", "nodeName": "n1"}
    return {"metadata": {"name": "desk-f00-x", "uid": uid, **metadata}, "spec": placed, "status": {"phase": "Running"}}


def pending(*said: str, others: list[Object] | None = None, reason: str = NO_ROOM) -> Evidence:
    new = replica_set()
    waits = pod(of=new, phase="Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", reason)])
    objects = {"Pod": others} if others is not None else None
    return evidence(snapshot(deployment(), [new], [waits]), answers={WANT.key: said}, objects=objects)


def cause(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    return answer.diagnosis.cause if answer.diagnosis is not None else ""


def test_who_pushed_its_pods_out_is_told_with_class_and_value() -> None:
    told = cause(pending(SAID, others=[desk()]))
    assert told.startswith("pods of a higher priority pushed its pods out: Deployment desk on node n1 has")
    assert told.endswith("PriorityClass first (1000); its own have none (0)")


def test_the_scheduler_is_asked_first_and_pods_are_listed_only_where_it_pushed_some_out() -> None:
    unasked = msgspec.structs.replace(pending(), answers={})
    assert consider(unasked, ()) == Needs((WANT,))
    assert consider(pending(SAID), ()) == Needs((Want(WantKind.OBJECTS, "Pod"),))
    assert isinstance(consider(pending(), ()), Silent)


@pytest.mark.parametrize(
    "taken",
    [
        pending("api-h2-abcde Preempted by pod uid-desk on node n1", others=[desk()]),
        pending("web-h2-abcde was told something else", others=[desk()]),
        pending(SAID, others=[desk(0)]),
        pending(SAID, others=[desk(uid="uid-of-another")]),
        pending(SAID, others=[desk(deletionTimestamp="2026-11-21T11:00:00Z")]),
        pending(SAID, others=[desk()], reason="0/2 nodes are available: 2 node(s) had untolerated taint(s)."),
    ],
    ids=["another's pod", "other words", "no higher priority", "a pod not here", "one that goes", "not for room"],
)
def test_what_took_no_room_from_its_pods_explains_nothing(taken: Evidence) -> None:
    assert cause(taken) == ""


async def test_what_the_scheduler_said_of_pods_that_are_gone_is_read_and_masked() -> None:
    events = [
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"e{at}", "namespace": "shop", "uid": f"e{at}"},
            "involvedObject": {"kind": "Pod", "name": "web-h2-abcde", "namespace": "shop"},
            "reason": "Preempted",
            "message": f"Preempted by pod {text}",
            "lastTimestamp": f"2026-11-21T11:0{at}:00Z",
        }
        for at, text in ((2, "uid-desk on node n1 password=hunter2"), (1, "uid-old on node n1"))
    ]
    answered = await Answers(Reader(ScriptedCluster(*events))).answer(pending(), [WANT])
    old, new = answered.answers[WANT.key]
    assert old == "web-h2-abcde Preempted by pod uid-old on node n1"
    assert new.startswith(SAID)
    assert "hunter2" not in new
