"""Claims and volumes: a misspelt name corrected to the one free claim, everything else told and nothing touched."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.proposals import Needs, Opinion, SetField, Silent
from playbooks.confidence import ONLY_ONE_FITS, SUGGESTED
from playbooks.storage import consider
from tests.builders import condition, container, deployment, evidence, pod, replica_set, snapshot, template

Object = dict[str, Any]
NOT_FOUND = '0/3 nodes are available: persistentvolumeclaim "web-dtaa" not found.'
UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
ELSEWHERE = "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity."
ZONE = "topology.kubernetes.io/zone"


def claim(name: str = "web-data", phase: str = "Bound", **spec: Any) -> Object:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


NOBODY: dict[str, list[Object]] = {
    kind: [] for kind in ("Pod", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job")
}


def mounting(name: str, said: str, **listed: list[Object]) -> Evidence:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    present = template(container(), volumes=volumes)
    new = replica_set(present)
    waits = condition("PodScheduled", "False", "Unschedulable", said)
    taken = snapshot(deployment(present), [new], [pod(of=new, phase="Pending", conditions=[waits])])
    return evidence(taken, objects=listed)


def told(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    return diagnosed(taken)


def diagnosed(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert not isinstance(answer, Needs)
    assert answer.diagnosis is not None
    return answer.diagnosis.cause


def test_the_claims_and_the_pods_have_to_be_listed_first() -> None:
    assert isinstance(consider(mounting("web-dtaa", NOT_FOUND), ()), Needs)
    assert isinstance(consider(mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim()]), ()), Needs)


def test_the_one_free_claim_with_a_name_like_it_is_mounted() -> None:
    taken = mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim(), claim("other")], **NOBODY)
    answer = consider(taken, ())
    assert isinstance(answer, Opinion)
    path = "/spec/template/spec/volumes[data]/persistentVolumeClaim/claimName"
    assert answer.proposal.action == (SetField(path=path, expected="web-dtaa", value="web-data"),)


def test_a_claim_that_a_pod_mounts_is_somebody_elses_data() -> None:
    mounted = {"metadata": {"name": "db"}, "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "web-data"}}]}}
    taken = mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim()], **NOBODY | {"Pod": [mounted]})
    assert told(taken) == "PersistentVolumeClaim web-dtaa does not exist"


def test_two_claims_equally_like_it_are_for_a_person() -> None:
    taken = mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim(), claim("web-dtas")], **NOBODY)
    assert told(taken) == "PersistentVolumeClaim web-dtaa does not exist"


def test_an_unbound_claim_is_told_with_what_it_wants() -> None:
    classes = [{"metadata": {"name": "fast"}}]

    def cause(**spec: Any) -> str:
        pending = claim(phase="Pending", **spec)
        listed = {"PersistentVolumeClaim": [pending], "StorageClass": classes, "PersistentVolume": []}
        return diagnosed(mounting("web-data", UNBOUND, **listed))

    assert "wants StorageClass fsat, which does not exist; fast is the one like it" in cause(storageClassName="fsat")
    assert "wants no StorageClass" in cause(storageClassName="")
    assert "there is no default one" in cause()
    assert "StorageClass fast has provisioned no volume" in cause(storageClassName="fast")


def test_a_volume_on_another_node_is_told_with_its_place() -> None:
    demand = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n9"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [demand]}]}}
    volume = {"metadata": {"name": "disk-1"}, "spec": {"nodeAffinity": affinity}}
    there = [claim(volumeName="disk-1")]
    taken = mounting("web-data", ELSEWHERE, PersistentVolumeClaim=there, PersistentVolume=[volume], Node=[])
    assert told(taken) == "volume disk-1 can only be reached from nodes with kubernetes.io/hostname In n9"


@pytest.mark.parametrize(
    ("said", "volume"),
    [
        (
            ELSEWHERE,
            {"metadata": {"name": "disk-1"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["south"]}]}
            ]}}}},
        ),
        ("0/3 nodes are available: 3 node(s) had no available volume zone.", {
            "metadata": {"name": "disk-1", "labels": {ZONE: "south"}}, "spec": {}
        }),
    ],
    ids=["by its node affinity", "by its label"],
)  # fmt: skip
def test_a_volume_of_another_zone_is_told_with_the_zones_that_nodes_have(said: str, volume: Object) -> None:
    there, nodes = [claim(volumeName="disk-1")], [{"metadata": {"name": "n1", "labels": {ZONE: "north"}}}]
    taken = mounting("web-data", said, PersistentVolumeClaim=there, PersistentVolume=[volume], Node=nodes)
    assert told(taken) == f"volume disk-1 can only be reached from nodes with {ZONE} In south (nodes have north)"


def test_pods_that_wait_for_no_volume_are_another_familys() -> None:
    assert consider(mounting("web-data", "0/3 nodes are available: 3 Insufficient cpu."), ()) == Silent(
        "no volume is waited for"
    )


def resting(kind: str, name: str = "db", **spec: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name}, "spec": {"replicas": 0, **spec}}


def using(claim_name: str) -> Object:
    return {"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": claim_name}}]}}


@pytest.mark.parametrize(
    "other",
    [
        resting("Deployment", template=using("web-data")),
        resting("StatefulSet", template=using("web-data")),
        resting("CronJob", jobTemplate={"spec": {"template": using("web-data")}}),
        resting("Job", template=using("web-data")),
    ],
)
def test_a_claim_of_what_is_at_rest_just_now_is_somebody_elses_data(other: Object) -> None:
    there = NOBODY | {other["kind"]: [other]}
    taken = mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim()], **there)
    assert told(taken) == "PersistentVolumeClaim web-dtaa does not exist"


def test_a_claim_of_a_template_of_claims_belongs_to_its_stateful_set() -> None:
    said = NOT_FOUND.replace("web-dtaa", "dtaa-db-0")
    made = resting("StatefulSet", template={"spec": {}}, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    there = NOBODY | {"StatefulSet": [made]}
    taken = mounting("dtaa-db-0", said, PersistentVolumeClaim=[claim("data-db-0")], **there)
    assert told(taken) == "PersistentVolumeClaim dtaa-db-0 does not exist"


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"app": "ledger"}},
        {"deletionTimestamp": "2026-11-21T12:00:00Z"},
        {"ownerReferences": [{"kind": "Pod", "name": "web-1"}]},
    ],
)
def test_a_claim_that_says_it_is_not_for_this_one_is_not_mounted(metadata: Object) -> None:
    other = claim()
    other["metadata"].update(metadata)
    assert "web-dtaa" in told(mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[other], **NOBODY))


@pytest.mark.parametrize(
    ("wrong", "there", "phase"),
    [
        ("web-data", "wbe-data", "Pending"),  # it says what the workload is called, and may only be late
        ("data-web", "data-wbe", "Bound"),
        ("ledger-dtaa", "ledger-data", "Bound"),  # nothing says whose it is, and somebody may want what it holds
    ],
)
def test_a_claim_that_may_be_another_programs_is_mounted_only_if_a_person_agrees(
    wrong: str, there: str, phase: str
) -> None:
    said = NOT_FOUND.replace("web-dtaa", wrong)
    answer = consider(mounting(wrong, said, PersistentVolumeClaim=[claim(there, phase)], **NOBODY), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.confidence == SUGGESTED


@pytest.mark.parametrize(
    ("wrong", "there", "phase"), [("web-dtaa", "web-data", "Bound"), ("ledger-dtaa", "ledger-data", "Pending")]
)
def test_a_claim_of_its_own_name_or_with_nothing_in_it_is_mounted(wrong: str, there: str, phase: str) -> None:
    said = NOT_FOUND.replace("web-dtaa", wrong)
    answer = consider(mounting(wrong, said, PersistentVolumeClaim=[claim(there, phase)], **NOBODY), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.confidence == ONLY_ONE_FITS


def test_a_label_that_other_workloads_have_as_well_does_not_say_whose_a_claim_is() -> None:
    labelled = claim("ledger-data")
    labelled["metadata"]["labels"] = {"app": "web"}
    said, here = NOT_FOUND.replace("web-dtaa", "ledger-dtaa"), [labelled]
    sharing = resting("Deployment", name="api", template={"metadata": {"labels": {"app": "web"}}})
    for beside, certain in (([], ONLY_ONE_FITS), ([sharing], SUGGESTED)):
        there = NOBODY | {"Deployment": beside, "PersistentVolumeClaim": here}
        answer = consider(mounting("ledger-dtaa", said, **there), ())
        assert isinstance(answer, Opinion)
        assert answer.proposal.confidence == certain


def test_a_claim_that_begins_with_the_name_of_another_workload_is_that_ones() -> None:
    said = NOT_FOUND.replace("web-dtaa", "ledger-dtaa")
    there = NOBODY | {"Deployment": [resting("Deployment", name="ledger")]}
    assert "ledger-dtaa" in told(mounting("ledger-dtaa", said, PersistentVolumeClaim=[claim("ledger-data")], **there))


def test_what_may_not_all_be_read_is_no_reason_to_mount_anything() -> None:
    taken = mounting("web-dtaa", NOT_FOUND, PersistentVolumeClaim=[claim()], **NOBODY)
    objects = {kind: found for kind, found in taken.objects.items() if kind != "CronJob"}
    assert "web-dtaa" in told(msgspec.structs.replace(taken, objects=objects))


def test_the_claim_of_the_last_good_revision_comes_first_also_while_its_pods_hold_it() -> None:
    taken = mounting("gone", NOT_FOUND.replace("web-dtaa", "gone"), **NOBODY)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "ledger"}}]
    old = replica_set(template(container(), volumes=volumes), number=1)
    holds = pod(name="web-old", of=old, ready=True)
    shot = snapshot(taken.snapshot.workload, [old, *taken.snapshot.replica_sets], [*taken.snapshot.pods, holds])
    listed = {**NOBODY, "PersistentVolumeClaim": [claim("ledger")], "Pod": [holds]}
    answer = consider(evidence(shot, objects=listed), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
    assert answer.proposal.action[0].value == "ledger"


def disk(size: str = "1Gi", mode: str = "ReadWriteOnce", *, of: str = "", **fields: Any) -> Object:
    claimed = {"claimRef": {"namespace": "shop", "name": of, "uid": "uid-of-another"}} if of else {}
    spec = {"storageClassName": "", "capacity": {"storage": size}, "accessModes": [mode], **claimed}
    return {"metadata": {"name": "disk"}, "spec": spec, **fields}


def test_a_volume_that_does_not_fit_is_told_with_what_is_asked_and_what_it_has() -> None:
    asked: Object = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}}

    def cause(*volumes: Object, **spec: Any) -> str:
        pending = claim(phase="Pending", storageClassName="", **asked, **spec)
        listed = {"PersistentVolumeClaim": [pending], "StorageClass": [], "PersistentVolume": list(volumes)}
        return told(mounting("web-data", UNBOUND, **listed))

    assert "disk: ReadWriteMany is asked for, and it allows ReadWriteOnce; 5Gi is asked for, and it has 1Gi" in cause(
        disk()
    )
    assert "which does not exist" in cause(volumeName="disk")
    released = disk("9Gi", "ReadWriteMany", of="web-old", status={"phase": "Released"})
    assert "it is Released, and still belongs to the claim shop/web-old" in cause(released, volumeName="disk")
    assert cause(disk("9Gi", "ReadWriteMany")).endswith("no volume that is there fits it")
