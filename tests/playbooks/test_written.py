"""Pods evicted for what they write: the one limit is raised a bounded step, or a person is told why it is not."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import consult
from tests.builders import container, deployment, evidence, pod, replica_set, snapshot, stamp, template

Object = dict[str, Any]
DISK = "ephemeral-storage"
SPEC = "/spec/template/spec"
HELD = 'Usage of EmptyDir volume "held" exceeds the limit "64Mi". '
IN_ALL = "Pod ephemeral local storage usage exceeds the total limit of containers 64Mi. "
BY_WEB = 'Container web exceeded its local ephemeral storage limit "64Mi". '
LOW = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. "
HOLDS = [{"name": "held", "emptyDir": {"sizeLimit": "64Mi"}}]
WRITES = container(resources={"limits": {DISK: "64Mi"}})


def put_out(
    *said: str,
    of: Object | None = None,
    before: Object | None = None,
    lived: float = 8,
    speed: float = 1.0,
    ranges: Sequence[Object] = (),
    quotas: Sequence[Object] = (),
    nodes: Sequence[Object] = (),
) -> Evidence:
    """A Deployment with three evicted pods and one that has just come; ``before``: a template that was well."""
    present = of or template(volumes=HOLDS)
    old, new = replica_set(before or template(), number=1), replica_set(present, number=2)
    messages = said * 3 if len(said) == 1 else said
    gone = [evicted(number, message, of=new, lived=lived) for number, message in enumerate(messages)]
    listed = {"LimitRange": ranges, "ResourceQuota": quotas, "Node": nodes}
    taken = snapshot(deployment(present), [old, new], [*gone, pod(of=new, age=2)])
    made = evidence(taken, objects=listed, seen_well=[1] if before else [])
    return msgspec.structs.replace(made, speed=speed)


def evicted(number: int, message: str, *, of: Object, lived: float) -> Object:
    ended = {"name": "web", "state": {"terminated": {"exitCode": 137, "finishedAt": stamp(20)}}}
    gone = pod(ended, name=f"gone-{number}", of=of, age=20 + lived, phase="Failed")
    return {**gone, "status": {**gone["status"], "reason": "Evicted", "message": message}}


def edit_of(taken: Evidence) -> SetField:
    answer = consult(taken, ())
    assert isinstance(answer, Opinion), answer
    assert answer.proposal.ends is Symptom.EVICTED
    (edit,) = answer.proposal.edits
    return edit


def told(taken: Evidence) -> tuple[str, str]:
    """Why nothing is proposed, and what is told."""
    answer = consult(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    assert answer.diagnosis.family == "memory"
    return answer.because, str(answer.diagnosis)


def limit_range(most: str) -> Object:
    return {"metadata": {"name": "narrow"}, "spec": {"limits": [{"type": "Container", "max": {DISK: most}}]}}


def quota(most: str, used: str) -> Object:
    amounts = {"hard": {f"limits.{DISK}": most}, "used": {f"limits.{DISK}": used}}
    return {"metadata": {"name": "team"}, "spec": {}, "status": amounts}


def node(size: str, *, labels: Object | None = None, **spec: Any) -> Object:
    metadata = {"name": "n", "labels": labels or {}}
    return {"metadata": metadata, "spec": spec, "status": {"allocatable": {DISK: size}}}


@pytest.mark.parametrize(
    ("said", "of", "path"),
    [
        (HELD, template(volumes=HOLDS), f"{SPEC}/volumes[held]/emptyDir/sizeLimit"),
        (IN_ALL, template(WRITES, container("side")), f"{SPEC}/containers[web]/resources/limits/{DISK}"),
        (BY_WEB, template(WRITES), f"{SPEC}/containers[web]/resources/limits/{DISK}"),
    ],
    ids=["volume", "all containers", "container"],
)
def test_the_limit_that_the_kubelet_names_is_doubled(said: str, of: Object, path: str) -> None:
    assert edit_of(put_out(said, of=of)) == SetField(path=path, expected="64Mi", value="128Mi")


def test_the_limit_that_a_rollout_has_lowered_is_put_back() -> None:
    before = template(volumes=[{"name": "held", "emptyDir": {"sizeLimit": "320Mi"}}])
    assert edit_of(put_out(HELD, before=before)).value == "320Mi"
    far = template(volumes=[{"name": "held", "emptyDir": {"sizeLimit": "320Gi"}}])
    assert edit_of(put_out(HELD, before=far)).value == "128Mi"


@pytest.mark.parametrize(
    ("bounds", "rule"),
    [
        ({"ranges": [limit_range("96Mi")]}, "LimitRange narrow"),
        ({"quotas": [quota("1Gi", "992Mi")]}, "ResourceQuota team"),
        ({"nodes": [node("96Mi"), node("90Gi"), node("8Mi", unschedulable=True)]}, "has only"),
    ],
    ids=["range", "quota", "node"],
)
def test_a_container_is_raised_no_further_than_rules_and_the_smallest_node_allow(bounds: Object, rule: str) -> None:
    assert edit_of(put_out(BY_WEB, of=template(WRITES), **bounds)).value == "96Mi"
    at_it = template(container(resources={"limits": {DISK: "96Mi"}}))
    quoted = {"quotas": [quota("1Gi", "1Gi")]} if "quotas" in bounds else bounds
    because, said = told(put_out(BY_WEB.replace("64Mi", "96Mi"), of=at_it, **quoted))
    assert "as high as it may be" in because
    assert rule in said


def test_a_volume_is_raised_no_further_than_its_containers_may_write_and_its_own_nodes_have() -> None:
    both = template(container(resources={"limits": {DISK: "80Mi"}}), volumes=HOLDS)
    assert edit_of(put_out(HELD, of=both)).value == "80Mi"
    pinned = template(volumes=HOLDS, nodeSelector={"pool": "big"})
    nodes = [node("90Gi", labels={"pool": "big"}), node("70Mi")]
    assert edit_of(put_out(HELD, of=pinned, nodes=nodes)).value == "128Mi"


def test_bounds_are_read_first() -> None:
    answer = consult(msgspec.structs.replace(put_out(HELD), objects={}, answers={}), ())
    assert isinstance(answer, Needs)
    assert [want.key for want in answer.wants] == ["objects:LimitRange", "objects:ResourceQuota", "objects:Node"]


@pytest.mark.parametrize(
    ("said", "of"),
    [
        ((LOW,), template(volumes=HOLDS)),
        ((HELD, HELD, LOW), template(volumes=HOLDS)),
        ((HELD,), template(volumes=[{"name": "held", "emptyDir": {"sizeLimit": "96Mi"}}])),
        ((HELD,), template(volumes=[{"name": "held", "emptyDir": {"sizeLimit": "64Mi", "medium": "Memory"}}])),
        ((HELD,), template()),
        ((IN_ALL,), template(WRITES, container("side", resources={"limits": {DISK: "32Mi"}}))),
        ((BY_WEB,), template(container(resources={"limits": {DISK: "lots"}}))),
        ((HELD.replace("held", "he/ld"),), template(volumes=HOLDS)),
    ],
    ids=["node", "not all", "another limit", "in memory", "no volume", "two limits", "no quantity", "no name"],
)
def test_what_names_no_one_limit_is_told_with_the_kubelets_words(said: tuple[str, ...], of: Object) -> None:
    because, diagnosis = told(put_out(*said, of=of))
    assert because
    assert "its pods are evicted: 3 pods were evicted" in diagnosis


@pytest.mark.parametrize("lived", [75, 900])
def test_what_has_written_for_long_is_told_as_more_room_might_only_put_it_off(lived: float) -> None:
    because, diagnosis = told(put_out(HELD, lived=lived))
    assert f"each had lived for {lived} s" in because
    assert "sizeLimit, 64Mi" in diagnosis


def test_how_long_they_lived_counts_in_the_clusters_own_seconds() -> None:
    assert "lived for 160 s" in told(put_out(HELD, lived=8, speed=20))[0]
    assert edit_of(put_out(HELD, lived=2, speed=20)).value == "128Mi"  # moments are dated to the second
