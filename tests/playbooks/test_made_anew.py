"""What has to be made anew, because it cannot be corrected in place: when that is certain, and when nothing is done."""

from typing import Any

import pytest

from incidents.evidence import Evidence, Want, WantKind
from incidents.objects import Manifest
from incidents.proposals import Create, Opinion, Proposal, Recreate, SetField, Silent
from incidents.snapshot import Snapshot
from playbooks import admission, consult, image_reference, references, storage
from playbooks.belonging import BESIDE
from tests.builders import (
    NAMESPACE,
    NOW,
    condition,
    container,
    deployment,
    evidence,
    not_there,
    owned_by,
    pod,
    replica_set,
    snapshot,
    template,
    waiting,
)

Object = dict[str, Any]
UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
ACCOUNT = 'error looking up service account shop/clerk: serviceaccount "clerk" not found'


def of_its_own(kind: str, status: Object, spec: Object) -> Snapshot:
    """A Job or a Pod that nobody owns, with one pod whose container waits."""
    metadata = {"name": "web", "namespace": NAMESPACE, "uid": "uid-web"}
    if kind == "Pod":
        alone: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": spec,
            "status": {"phase": "Pending", "containerStatuses": [status]},
        }
        return Snapshot(workload=alone, pods=(alone,), read_at=NOW)
    job: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": {"spec": spec}},
        "status": {"active": 1},
    }
    made = pod(status, phase="Pending", ownerReferences=[owned_by("Job", "web", "uid-web", "batch/v1")])
    return Snapshot(workload=job, pods=(made,), read_at=NOW)


def misspelt(kind: str, *tags: str) -> Evidence:
    image = "nginx:1.28-alpnie"
    key = Want(WantKind.KNOWN_IMAGES, "nginx").key
    more = Want(WantKind.IMAGE_TAGS, "nginx").key
    known = tuple(f"nginx:{tag}" for tag in tags)
    taken = of_its_own(kind, not_there(image), {"containers": [container(image=image)]})
    return evidence(taken, answers={key: known, more: tags})


def proposed(answer: object) -> Proposal:
    assert isinstance(answer, Opinion), answer
    return answer.proposal


class TestImages:
    """A Job is made anew with its image, a Pod is corrected in place."""

    def test_a_job_is_made_anew(self) -> None:
        action = proposed(image_reference.consider(misspelt("Job", "1.28-alpine"), ())).action
        path = "/spec/template/spec/containers[web]/image"
        edit = SetField(path=path, expected="nginx:1.28-alpnie", value="nginx:1.28-alpine")
        assert action == Recreate(edits=(edit,))

    def test_the_image_of_a_pod_is_the_one_field_that_is_corrected_in_place(self) -> None:
        action = proposed(image_reference.consider(misspelt("Pod", "1.28-alpine"), ())).action
        edit = SetField(path="/spec/containers[web]/image", expected="nginx:1.28-alpnie", value="nginx:1.28-alpine")
        assert action == (edit,)

    @pytest.mark.parametrize("kind", ["Job", "Pod"])
    @pytest.mark.parametrize("tags", [("1.27",), ("1.28-alpine", "1.28-alpnei")], ids=["none is near", "two are"])
    def test_where_no_one_tag_is_meant_nothing_is_done(self, kind: str, tags: tuple[str, ...]) -> None:
        assert isinstance(image_reference.consider(misspelt(kind, *tags), ()), Silent)

    def test_of_all_playbooks_the_one_that_knows_the_image_is_heard(self) -> None:
        assert isinstance(proposed(consult(misspelt("Job", "1.28-alpine"), ())).action, Recreate)


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_a_reference_is_corrected_by_making_it_anew(kind: str) -> None:
    said = waiting("CreateContainerConfigError", 'configmap "web-setings" not found')
    spec = {"containers": [container(envFrom=[{"configMapRef": {"name": "web-setings"}}])]}
    maps = [{"metadata": {"name": name}, "data": {}} for name in ("web-settings", "other")]
    taken = evidence(of_its_own(kind, said, spec), objects={"ConfigMap": maps, **dict.fromkeys(BESIDE, ())})
    action = proposed(references.consider(taken, ())).action
    assert isinstance(action, Recreate)
    assert [edit.value for edit in action.edits] == ["web-settings"]


def claim(name: str = "albums", wanted: str = "fsat", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", **metadata},
        "spec": {"storageClassName": wanted},
        "status": {"phase": "Pending"},
    }


def unbound(
    *claims: Object, classes: tuple[str, ...] = ("fast", "slow"), volumes: tuple[Manifest, ...] = ()
) -> Evidence:
    """A Deployment whose pod mounts claims that stay unbound."""
    mounts = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": one["metadata"]["name"]}}
        for number, one in enumerate(claims)
    ]
    present = template(container(), volumes=mounts)
    new = replica_set(present)
    waits = condition("PodScheduled", "False", "Unschedulable", UNBOUND)
    taken = snapshot(deployment(present), [new], [pod(of=new, phase="Pending", conditions=[waits])])
    listed: dict[str, list[Object]] = {
        "PersistentVolumeClaim": list(claims),
        "StorageClass": [{"metadata": {"name": name}} for name in classes],
        "PersistentVolume": [dict(one) for one in volumes],
    }
    return evidence(taken, objects=listed)


class TestClaims:
    """An unbound claim of a misspelt class."""

    def test_it_is_made_anew_with_the_one_class_that_is_meant(self) -> None:
        made = proposed(storage.consider(unbound(claim()), ()))
        edit = SetField(path="/spec/storageClassName", expected="fsat", value="fast")
        assert (made.action, made.target.kind, made.target.uid) == (
            Recreate(edits=(edit,)),
            "PersistentVolumeClaim",
            "uid-albums",
        )

    @pytest.mark.parametrize(
        "taken",
        [
            unbound(claim(), classes=("slow",)),
            unbound(claim(), classes=("fast", "fsast")),
            unbound(claim(), claim("more")),
            unbound(claim(wanted="")),
            unbound(claim(ownerReferences=[{"kind": "Database", "name": "db"}])),
            unbound(claim(), volumes=({"metadata": {"name": "by-hand"}, "spec": {"storageClassName": "fsat"}},)),
        ],
        ids=["none is near", "two are", "two claims wait", "none is wanted", "somebody's own", "a class by name alone"],
    )
    def test_where_it_is_not_certain_it_is_told(self, taken: Evidence) -> None:
        answer = storage.consider(taken, ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None


class TestAccounts:
    """A ServiceAccount that is named and missing."""

    def refused(self, *names: str) -> Evidence:
        present = template(serviceAccountName="clerk")
        failure = condition("ReplicaFailure", "True", "FailedCreate", f'pods "web-x" is forbidden: {ACCOUNT}')
        there = [{"metadata": {"name": name}} for name in ("default", *names)]
        taken = snapshot(deployment(present), [replica_set(present, conditions=[failure])])
        return evidence(taken, objects={"ServiceAccount": there})

    def test_it_is_to_be_created_with_its_name_and_nothing_else_which_a_person_decides(self) -> None:
        made = proposed(admission.consider(self.refused(), ()))
        metadata = {"namespace": NAMESPACE, "name": "clerk"}
        assert made.action == Create(manifest={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        assert (made.target.name, made.target.uid, made.confidence < 0.8) == ("clerk", "", True)

    def test_where_two_like_it_could_be_meant_it_is_none_that_is_missing(self) -> None:
        assert isinstance(admission.consider(self.refused("clerks", "clrek"), ()), Silent)
