"""A claim's volume that is full: it is asked whether it may become twice as large, or told why it cannot."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence, LogExcerpt
from incidents.incident import Round
from incidents.objects import ChangeId, reference
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.consult import consult
from playbooks.storage import consider
from tests.builders import container, deployment, ended, evidence, pod, replica_set, snapshot, template, waiting

Object = dict[str, Any]
GO = "2026-11-22 ERROR write /var/data/wal/0007: no space left on device"
MOUNTS = [{"name": "data", "mountPath": "/var/data"}]
VOLUMES = [{"name": "data", "persistentVolumeClaim": {"claimName": "albums"}}]
PATH = "/spec/resources/requests/storage"
CRASHES = waiting("CrashLoopBackOff", "back-off 5m0s", restarts=5, last=ended())


def claim(name: str = "albums", asked: str = "1Gi", has: str = "1Gi", **status: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"storageClassName": "disks", "volumeName": "disk-1", "resources": {"requests": {"storage": asked}}},
        "status": {"phase": "Bound", "capacity": {"storage": has}, **status},
    }


def storage_class(grows: bool = True) -> Object:
    return {"metadata": {"name": "disks"}, "provisioner": "csi.example", "allowVolumeExpansion": grows}


def quota(key: str, hard: str, used: str = "1Gi") -> Object:
    return {"metadata": {"name": "all", "namespace": "shop"}, "status": {"hard": {key: hard}, "used": {key: used}}}


def full(
    log: str = GO,
    *,
    mounts: list[Object] = MOUNTS,
    volumes: list[Object] = VOLUMES,
    said: Object = CRASHES,
    **listed: list[Object],
) -> Evidence:
    present = template(container(volumeMounts=mounts), volumes=volumes)
    new = replica_set(present)
    taken = snapshot(deployment(present), [new], [pod(said, of=new)])
    there = {
        "PersistentVolumeClaim": [claim()],
        "StorageClass": [storage_class()],
        "ResourceQuota": [],
        "PersistentVolume": [{"metadata": {"name": "disk-1"}, "spec": {"csi": {}}}],
    }
    return evidence(taken, log=log, objects=there | listed)


def told(taken: Evidence) -> tuple[str, Diagnosis]:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.because, answer.diagnosis


def asked(taken: Evidence) -> Opinion:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer


def test_what_may_grow_is_asked_to_once_to_twice_its_size() -> None:
    answer = asked(full())
    assert answer.proposal.action == (SetField(path=PATH, expected="1Gi", value="2Gi"),)
    assert answer.proposal.target == reference(claim())
    assert (answer.proposal.ends, answer.proposal.risk) == (Symptom.CRASH_LOOP, "medium")
    assert "cannot be taken back" in answer.proposal.reason
    assert answer.diagnosis.cause.startswith("the volume of PersistentVolumeClaim albums (1Gi) is full")


def test_what_has_been_made_larger_once_is_not_asked_for_again() -> None:
    """The line may be older than the room that there is now, and growing is for good."""
    first = asked(full())
    grown = Round(number=1, proposal=first.proposal, change=ChangeId("one"))
    answer = consider(full(PersistentVolumeClaim=[claim(asked="2Gi", has="2Gi")]), (grown,))
    assert isinstance(answer, Silent)
    assert "made larger once" in answer.because
    assert answer.diagnosis is not None
    assert "4Gi" in str(answer.diagnosis.by_hand)


@pytest.mark.parametrize(
    "line",
    ['"PUT /var/data/x HTTP/1.1" 507 no space left on device', "no space left on device"],
    ids=["a path that a client has chosen", "no path"],
)
def test_a_line_that_does_not_say_for_certain_whose_volume_it_is_outdoes_nothing_else(line: str) -> None:
    answer = asked(full(line))
    assert answer.proposal.confidence < asked(full()).proposal.confidence
    assert answer.diagnosis.blames is None


def test_the_claims_and_what_bounds_them_are_listed_first() -> None:
    assert isinstance(consider(msgspec.structs.replace(full(), answers={}, objects={}), ()), Needs)


@pytest.mark.parametrize(
    "line",
    [
        "OSError: [Errno 28] No space left on device: '/var/data/images/1.png'",
        "java.io.IOException: No space left on device",
        'PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device',
        "[Error: ENOSPC: no space left on device, write]",
        'Error: Os { code: 28, message: "disk" } (os error 28)',
        "cp: error writing '/var/data/b': No space left on device",
        "panic: copy /tmp/a to /var/data/b: no space left on device",
    ],
)
def test_it_is_known_by_what_languages_make_of_the_errno(line: str) -> None:
    assert asked(full(line)).proposal.target.name == "albums"


@pytest.mark.parametrize(
    "line",
    [
        "write /tmp/upload-7: no space left on device",  # on the node's disk
        "write /var/data/cache/7: no space left on device",  # an emptyDir within the claim
        "inotify_add_watch /var/data: no space left on device",
        "ENOSPC: System limit for number of file watchers reached, watch '/var/data'",
        'could not resize shared memory segment "/PostgreSQL.1": No space left on device',
        "write /var/data/7: no space left on device, ignoring it",
        "the queue is full",
        "disk quota exceeded",
    ],
)
def test_what_is_not_certainly_the_claims_volume_is_none_of_it(line: str) -> None:
    cache = {"name": "cache", "mountPath": "/var/data/cache"}
    taken = full(line, mounts=[*MOUNTS, cache], volumes=[*VOLUMES, {"name": "cache", "emptyDir": {}}])
    assert consider(taken, ()) == Silent("no volume is waited for")


def test_without_a_path_it_is_the_claim_only_if_nothing_else_is_mounted_to_be_written_to() -> None:
    line, config = "No space left on device", {"name": "config", "mountPath": "/etc/app"}
    read = [*VOLUMES, {"name": "config", "configMap": {"name": "app"}}]
    assert asked(full(line, mounts=[*MOUNTS, config], volumes=read)).proposal.confidence < 0.8
    written = [*VOLUMES, {"name": "config", "emptyDir": {}}]
    assert isinstance(consider(full(line, mounts=[*MOUNTS, config], volumes=written), ()), Silent)
    sealed = [MOUNTS[0] | {"readOnly": True}]
    assert consider(full(GO, mounts=sealed), ()) == Silent("no volume is waited for")


def test_what_runs_well_has_said_it_in_passing() -> None:
    well = {"name": "web", "ready": True, "restartCount": 0, "state": {"running": {}}, "lastState": {}}
    assert consider(full(said=well), ()) == Silent("no volume is waited for")


def test_of_a_class_in_which_none_may_grow_a_person_is_told_the_commands() -> None:
    because, diagnosis = told(full(StorageClass=[storage_class(grows=False)]))
    assert because == "its StorageClass disks does not allow claims to grow (allowVolumeExpansion)"
    patch = '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'
    assert [line for line in diagnosis.by_hand if not line.startswith("#")] == [
        "kubectl patch storageclass disks --type=merge -p '{\"allowVolumeExpansion\":true}'",
        f"kubectl -n shop patch pvc albums --type=merge -p '{patch}'",
    ]


@pytest.mark.parametrize("key", ["requests.storage", "disks.storageclass.storage.k8s.io/requests.storage"])
def test_a_quota_without_room_is_told_with_the_least_that_would_do(key: str) -> None:
    because, diagnosis = told(full(ResourceQuota=[quota(key, "1536Mi")]))
    assert because == f"ResourceQuota all leaves it no room to become 2Gi: {key} would have to be 2Gi"
    assert f'{{"spec":{{"hard":{{"{key}":"2Gi"}}}}}}' in diagnosis.by_hand[1]
    assert isinstance(consider(full(ResourceQuota=[quota(key, "2Gi")]), ()), Opinion)


@pytest.mark.parametrize(
    ("present", "because"),
    [
        (claim(asked="2Gi"), "it is being made larger already"),
        (
            claim(conditions=[{"type": "ControllerResizeError", "status": "True"}]),
            "it is being made larger already (ControllerResizeError)",
        ),
        (
            claim(allocatedResourceStatuses={"storage": "NodeResizePending"}),
            "it is being made larger already (NodeResizePending)",
        ),
        (claim(asked="much"), "how large it is cannot be read: 'much' is not a quantity such as 128Mi"),
    ],
)
def test_what_grows_already_or_cannot_be_read_is_left_alone(present: Object, because: str) -> None:
    assert told(full(PersistentVolumeClaim=[present]))[0] == because


def test_a_volume_that_is_a_folder_of_a_node_never_grows() -> None:
    folder = {"metadata": {"name": "disk-1"}, "spec": {"hostPath": {"path": "/srv"}}}
    assert told(full(PersistentVolume=[folder]))[0] == "nothing makes a volume of its kind larger (hostPath)"


def test_it_doubles_what_a_larger_volume_has_and_not_what_its_claim_asked_for() -> None:
    grown = asked(full(PersistentVolumeClaim=[claim(has="3Gi")]))
    assert grown.proposal.action == (SetField(path=PATH, expected="1Gi", value="6Gi"),)


def test_of_two_that_are_full_a_person_decides_and_of_a_set_it_is_the_claim_of_the_pod_that_says_so() -> None:
    present = template(container(volumeMounts=MOUNTS))
    new = replica_set(present)
    pods = [pod(CRASHES, name=f"web-{number}", of=new) for number in (1, 2)]
    for number, one in enumerate(pods, 1):
        source = {"claimName": f"data-web-{number}"}
        one["spec"] = {**one["spec"], "volumes": [{"name": "data", "persistentVolumeClaim": source}]}
    claims = [claim("data-web-1"), claim("data-web-2")]
    taken = full(PersistentVolumeClaim=claims)
    taken = msgspec.structs.replace(taken, snapshot=snapshot(deployment(present), [new], pods))

    def says(*names: str) -> Evidence:
        logs = tuple(LogExcerpt(pod=name, container="web", previous=True, text=GO) for name in names)
        found = evidence(taken.snapshot, objects=taken.objects)
        return msgspec.structs.replace(found, logs=logs)

    assert asked(says("web-2")).proposal.target.name == "data-web-2"
    because, diagnosis = told(says("web-1", "web-2"))
    assert because == "which of them is to grow, and how far, is for a person"
    assert "data-web-1" in diagnosis.cause
    assert "data-web-2" in diagnosis.cause
    typed = [line for line in diagnosis.by_hand if line.startswith("kubectl")]
    assert [line.split()[5] for line in typed] == ["data-web-1", "data-web-2"]


@pytest.mark.parametrize(("before", "target"), [("albums", "albums"), ("larger", "web")])
def test_an_earlier_revision_is_put_back_only_if_it_kept_its_data_elsewhere(before: str, target: str) -> None:
    taken = full()
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": before}}]
    old = replica_set(template(container(image="web:1", volumeMounts=MOUNTS), volumes=volumes), number=1)
    shown = snapshot(taken.snapshot.workload, [*taken.snapshot.replica_sets, old], taken.snapshot.pods)
    assert isinstance(consult(evidence(shown, log=GO, seen_well=[1]), ()), Needs)  # that comes first
    answer = consult(evidence(shown, log=GO, objects=taken.objects, seen_well=[1]), ())
    assert isinstance(answer, Opinion), answer
    assert answer.proposal.target.name == target
