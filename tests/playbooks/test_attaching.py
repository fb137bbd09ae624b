"""Volumes that are bound and all the same not there: told with who holds them, and taken from nobody."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import EventLine, Evidence
from incidents.health import Finding, Health, State
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.consult import consult
from playbooks.storage import consider
from tests.builders import (
    condition,
    container,
    deployment,
    evidence,
    pod,
    replica_set,
    snapshot,
    stamp,
    template,
    waiting,
)

Object = dict[str, Any]
HELD = (
    'Multi-Attach error for volume "pvc-7" Volume is already exclusively attached to one node and can\'t be attached'
    " to another"
)
BY = 'Multi-Attach error for volume "pvc-7" Volume is already used by pod(s) web-old'
UNMOUNTED = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process"


def stuck(
    *messages: str, about: str = "Pod/web-1", ready: bool = False, reason: str = "FailedAttachVolume"
) -> Evidence:
    starting = pod(waiting("ContainerCreating"), ready=ready)
    taken = evidence(snapshot(deployment(), [replica_set()], [starting]))
    events = tuple(
        EventLine(about=about, type="Warning", reason=reason, message=text, count=3, last_seen=stamp())
        for text in messages
    )
    return msgspec.structs.replace(taken, events=events)


def cause(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert isinstance(answer, Silent)
    return answer.diagnosis.cause if answer.diagnosis is not None else ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (HELD, "volume pvc-7 of Pod/web-1 is still attached elsewhere: Volume is already exclusively attached"),
        (BY, "volume pvc-7 of Pod/web-1 is still attached elsewhere: Volume is already used by pod(s) web-old"),
        (UNMOUNTED, "volume data of Pod/web-1 is not mounted: Unable to attach or mount volumes"),
    ],
)
def test_a_volume_that_is_not_there_is_told_with_what_keeps_it(said: str, told: str) -> None:
    assert cause(stuck(said)).startswith(told)


def test_who_holds_a_volume_says_more_than_that_it_is_not_mounted() -> None:
    assert "web-old" in cause(stuck(BY, UNMOUNTED))


@pytest.mark.parametrize(
    "taken",
    [
        stuck(),
        stuck("something else about a volume"),
        stuck(BY, ready=True),
        stuck(BY, about="Pod/of-somebody-else"),
        stuck(BY, reason="Unheard-of"),
    ],
    ids=["nothing said", "another message", "ready by now", "another pod", "another reason"],
)
def test_what_is_not_said_of_a_pod_that_waits_explains_nothing(taken: Evidence) -> None:
    assert cause(taken) == ""


@pytest.mark.parametrize(
    "said",
    [
        "data cannot be made larger: the disk type allows 10Gi at most",
        "data is not made larger: whoever provides the volume is at it (Resizing)",
    ],
)
def test_a_claim_that_is_not_made_larger_is_told_with_why_and_both_sizes(said: str) -> None:
    health = Health(state=State.FAILING, findings=(Finding(Symptom.CLAIM_PENDING, said),), ready=1, desired=1)
    claim: Object = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"resources": {"requests": {"storage": "20Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "5Gi"}},
    }
    taken = evidence(
        snapshot(deployment(ready=1), [replica_set()], [pod(ready=True)]), objects={"PersistentVolumeClaim": [claim]}
    )
    unread = msgspec.structs.replace(taken, health=health)
    assert cause(unread) == f"PersistentVolumeClaim {said}"
    beside = msgspec.structs.replace(unread, snapshot=msgspec.structs.replace(taken.snapshot, related=(claim,)))
    assert cause(beside) == f"PersistentVolumeClaim {said}; it asks for 20Gi and has 5Gi"


CLAIM: Object = {
    "metadata": {"name": "data", "namespace": "shop", "uid": "uid-claim"},
    "spec": {"volumeName": "pvc-7", "accessModes": ["ReadWriteOnce"]},
    "status": {"phase": "Bound"},
}
RECREATED = SetField(path="/spec/strategy", expected={"type": "RollingUpdate"}, value={"type": "Recreate"})


def node(name: str, ready: str = "True") -> Object:
    metadata = {"name": name, "uid": f"uid-{name}"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"conditions": [
        {"type": "Ready", "status": ready}
    ]}}  # fmt: skip


def held(*, holder: Object | None = None, lost: str = "", listed: bool = True, **spec: Any) -> Evidence:
    """A rollout past its deadline whose new pod is on n2, while the claim's volume is with ``holder`` on n1."""
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    old, new = (replica_set(template(container(image=f"web:{at}"), volumes=volumes), number=at) for at in (1, 2))
    before = holder or on("n1", pod(name="web-old", of=old, ready=True))
    waits = on("n2", pod(waiting("ContainerCreating"), of=new))
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")
    spec = {"strategy": {"type": "RollingUpdate"}, **spec}
    workload = deployment(template(container(image="web:2"), volumes=volumes), ready=1, conditions=[stuck], **spec)
    nodes = [node(name, "Unknown" if name == lost else "True") for name in ("n1", "n2")]
    objects = {"PersistentVolumeClaim": [CLAIM], "Pod": [before, waits], "Node": nodes}
    pods = [before, waits] if holder is None else [waits]
    taken = evidence(snapshot(workload, [old, new], pods), objects=objects if listed else None)
    line = EventLine(about="Pod/web-1", type="Warning", reason="FailedAttachVolume", message=BY, count=1, last_seen="")
    return msgspec.structs.replace(taken, events=(line,))


def on(place: str, one: Object) -> Object:
    return {**one, "spec": {**one["spec"], "nodeName": place}}


def test_the_claims_the_pods_and_the_nodes_are_listed_for_a_volume_that_is_held() -> None:
    assert isinstance(consider(held(listed=False), ()), Needs)


def test_a_rollout_that_waits_for_its_own_old_pod_is_asked_to_stop_it_first() -> None:
    answer = consider(held(), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (RECREATED,)
    assert answer.proposal.confidence == SUGGESTED
    assert answer.diagnosis.cause == (
        "volume pvc-7 of PersistentVolumeClaim data (ReadWriteOnce) is held by pod web-old on node n1;"
        " pod web-1 on node n2 cannot have it as well"
    )


def test_a_revision_is_not_taken_back_for_a_volume_that_another_pod_holds() -> None:
    answer = consult(held(), ())
    assert isinstance(answer, Opinion), answer
    assert answer.proposal.action == (RECREATED,)


@pytest.mark.parametrize(
    "taken",
    [
        held(holder=on("n1", pod(name="of-another", of=replica_set(template(volumes=[
            {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}
        ]), owner="uid-another", hash_="x"), ready=True))),
        held(replicas=2),
        held(strategy={"type": "Recreate"}),
    ],
    ids=["another's pod holds it", "two replicas", "stops the old pod as it is"],
)  # fmt: skip
def test_what_another_strategy_would_not_free_is_told_and_left_alone(taken: Evidence) -> None:
    assert cause(taken).startswith("volume pvc-7 of PersistentVolumeClaim data (ReadWriteOnce) is held by pod ")


def test_a_volume_that_a_lost_node_holds_is_the_nodes_trouble() -> None:
    answer = consult(held(lost="n1"), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause.startswith("node n1 is not ready, and no other may have what it holds: volume pvc-7")
    assert answer.diagnosis.blames is not None
    assert answer.diagnosis.blames.name == "n1"
