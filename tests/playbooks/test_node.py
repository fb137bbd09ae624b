"""Nodes in trouble: told as the node's own, and a cordon asked for only while the others are well."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.health import assess
from incidents.objects import reference
from incidents.proposals import Drain, Needs, Opinion, SetField, Silent
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom
from playbooks import node
from playbooks.confidence import SUGGESTED
from playbooks.placement import REQUIRED
from tests.builders import NOW, deployment, evidence, owned_by, pod, snapshot, stamp, subject

Object = dict[str, Any]
LOST = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting"}
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
SHORT = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure", "message": "has disk pressure"}


def machine(name: str, *conditions: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": stamp(9000)},
        "spec": spec,
        "status": {"conditions": [{"lastTransitionTime": stamp(3600), **one} for one in conditions or (READY,)]},
    }


def about(own: Object, *others: Object, asked: bool = True, pods: Sequence[Object] = ()) -> Evidence:
    taken = Snapshot(workload=own, read_at=NOW)
    listed = {"Node": [own, *others], "Pod": list(pods)} if asked else {}
    made = evidence(snapshot(deployment()), objects=listed)
    ref = reference(own)
    about_it = msgspec.structs.replace(
        subject(), kind=ref.kind, api_version="v1", namespace="", name=ref.name, uid=ref.uid
    )
    return msgspec.structs.replace(made, subject=about_it, snapshot=taken, health=assess(taken, NOW))


@pytest.mark.parametrize(
    ("conditions", "ends", "cause"),
    [
        ((LOST,), Symptom.NODE_NOT_READY, "node n1 is not ready"),
        ((READY, SHORT), Symptom.NODE_PRESSURE, "node n1 stays short: DiskPressure: has disk pressure"),
    ],
)
def test_a_cordon_is_asked_for_where_others_take_pods(
    conditions: tuple[Object, ...], ends: Symptom, cause: str
) -> None:
    answer = node.consider(about(machine("n1", *conditions), machine("n2"), machine("n3")), ())
    assert isinstance(answer, Opinion)
    assert answer.diagnosis.cause == cause
    assert answer.proposal.action == (SetField(path="/spec/unschedulable", expected=None, value=True),)
    assert (answer.proposal.ends, answer.proposal.confidence) == (ends, SUGGESTED)
    assert answer.proposal.target.name == "n1"


@pytest.mark.parametrize(
    ("own", "others"),
    [
        (machine("n1", LOST, unschedulable=True), [machine("n2")]),  # somebody is at it
        (machine("n1", LOST), [machine("n2", LOST), machine("n3")]),  # it is rather the network
        (machine("n1", LOST), []),
        (machine("n1", LOST), [machine("n2", unschedulable=True)]),
        (machine("n1", LOST), [machine("n2", taints=[{"key": "dedicated", "effect": "NoSchedule"}])]),
        (machine("n1", LOST | {"reason": "NodeStatusNeverUpdated"}), [machine("n2")]),  # it has never been one
    ],
)
def test_otherwise_a_person_is_told(own: Object, others: list[Object]) -> None:
    answer = node.consider(about(own, *others), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "node n1 is not ready"


def test_the_other_nodes_are_looked_at_first() -> None:
    assert isinstance(node.consider(about(machine("n1", LOST), asked=False), ()), Needs)


def test_a_pressure_that_may_pass_and_one_that_a_lost_node_had_are_no_trouble_of_their_own() -> None:
    fresh = machine("n1", READY, SHORT | {"lastTransitionTime": stamp(60)})
    assert not about(fresh).health.findings
    assert about(machine("n1", LOST, SHORT)).health.symptoms == {Symptom.NODE_NOT_READY}
    assert isinstance(node.consider(about(fresh), ()), Silent)


def standing(name: str, *, kind: str = "ReplicaSet", node_name: str = "n1", **spec: Any) -> Object:
    made = pod(name=name)
    owner = owned_by(kind, f"{name}-set", f"uid-of-{name}")
    metadata = {**made["metadata"], "ownerReferences": [owner]}
    return {**made, "metadata": metadata, "spec": {**made["spec"], "nodeName": node_name, **spec}}


def test_of_a_node_that_is_short_pods_that_another_would_take_are_asked_to_leave() -> None:
    pods = (
        standing("paid", priority=1000),
        standing("free"),
        standing("agent", kind="DaemonSet"),
        standing("import", kind="Job"),
        standing("dns", priority=2_000_000_000),
        standing("cache", volumes=[{"name": "tmp", "emptyDir": {}}]),
        standing("pinned", nodeSelector={"disk": "nvme"}),
        standing("choosy", affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}),
        standing("away", node_name="n2"),
    )
    answer = node.consider(about(machine("n1", READY, SHORT), machine("n2"), pods=pods), ())
    assert isinstance(answer, Opinion)
    action = answer.proposal.action
    assert isinstance(action, Drain)
    assert [one.name for one in action.pods] == ["free", "paid"]
    assert set(action.owners) == {"uid-of-free", "uid-of-paid"}
    assert answer.proposal.paths == {"/spec/unschedulable"}


def test_of_a_node_that_nobody_hears_of_no_pod_is_asked_to_leave() -> None:
    answer = node.consider(about(machine("n1", LOST), machine("n2"), pods=(standing("web"),)), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
