"""Security settings: a place to write is given, and protection is never taken away."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.proposals import Needs, Opinion, SetField, Silent
from playbooks.security import ROOM, consider
from tests.builders import container, deployment, ended, evidence, pod, replica_set, snapshot, template, waiting

Object = dict[str, Any]
POD = "/spec/template/spec"
TMP = "/tmp"  # noqa: S108 - in a container
READ_ONLY = {"readOnlyRootFilesystem": True}


def failing(said: str = "", *, log: str = "", reason: str = "CrashLoopBackOff", **fields: Any) -> Evidence:
    spec = {"volumes": fields.pop("volumes")} if "volumes" in fields else {}
    present = template(container(**{"securityContext": READ_ONLY, **fields}), **spec)
    new = replica_set(present)
    broken = pod(waiting(reason, said, restarts=2, last=ended()), of=new)
    return evidence(snapshot(deployment(present), [new], [broken]), log=log)


def denied(path: str) -> str:
    return f"fatal: open {path}: read-only file system"


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/var/spool/notifier", "/var/spool/notifier"),
        ("/var/cache/app/index.db", "/var/cache/app"),
        (f"{TMP}/upload123", TMP),
        (TMP, TMP),
        ("/run/web.pid", "/run"),
    ],
)
def test_a_folder_to_write_to_gets_an_empty_volume_and_the_root_stays_read_only(path: str, folder: str) -> None:
    answer = consider(failing(log=denied(path)), ())
    assert isinstance(answer, Opinion)
    volume, mount = answer.proposal.action  # type: ignore[misc]  # two edits, no rollback
    assert isinstance(volume, SetField)
    assert isinstance(mount, SetField)
    assert volume.value["emptyDir"] == {"sizeLimit": ROOM}
    assert volume.path == f"{POD}/volumes[{volume.value['name']}]"
    assert mount.value == {"name": volume.value["name"], "mountPath": folder}


@pytest.mark.parametrize(
    "path",
    [
        f"{TMP}/../etc/passwd",
        f"{TMP}/../../etc",
        "/run/" + "a" * 300,
        "/etc/app/settings.lock",
        "/usr/share/app",
        "/var/lib/app/data.db",
        "/app/state",
        "/var/spool/job.txt",
    ],
)
def test_where_data_or_the_image_may_lie_a_person_is_told(path: str) -> None:
    answer = consider(failing(log=denied(path)), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert path[:60] in answer.diagnosis.cause


def test_what_is_mounted_already_is_not_mounted_over() -> None:
    mounts = [{"name": "spool", "mountPath": "/var/spool/notifier"}]
    assert isinstance(consider(failing(log=denied("/var/spool/notifier/a.txt"), volumeMounts=mounts), ()), Silent)


def test_a_root_that_is_not_read_only_is_another_trouble() -> None:
    assert isinstance(consider(failing(log=denied(TMP), securityContext={}), ()), Silent)


def test_a_name_that_a_volume_has_already_is_not_taken() -> None:
    answer = consider(failing(log=denied(f"{TMP}/x.txt"), volumes=[{"name": "writable-tmp", "emptyDir": {}}]), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
    assert answer.proposal.action[0].path == f"{POD}/volumes[writable-tmp-1]"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("container has runAsNonRoot and image will run as root (pod: web)", "root"),
        (
            "container has runAsNonRoot and image has non-numeric user (keeper), cannot verify user is non-root",
            "keeper",
        ),
    ],
)
def test_who_it_may_not_run_as_is_told_and_never_loosened(said: str, word: str) -> None:
    answer = consider(failing(said, reason="CreateContainerConfigError"), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "runAsNonRoot" in answer.diagnosis.cause
    assert word in answer.diagnosis.cause


def test_a_container_without_such_trouble_gets_no_opinion() -> None:
    assert consider(failing(log="started"), ()) == Silent("no security setting keeps it from running")


UID_ZERO = "container's runAsUser breaks non-root policy (pod: web, container: web)"
ZERO = {"runAsNonRoot": True, "runAsUser": 0}


def named_by_the_image(*facts: str, security: Object | None = None) -> Silent | Needs | Opinion:
    taken = failing(UID_ZERO, reason="CreateContainerConfigError", securityContext=security or ZERO)
    return consider(msgspec.structs.replace(taken, answers={"image-config:nginx:1.27": facts}), ())


def test_the_user_that_the_image_names_is_proposed_in_place_of_root() -> None:
    assert isinstance(consider(failing(UID_ZERO, reason="CreateContainerConfigError", securityContext=ZERO), ()), Needs)
    answer = named_by_the_image("port=80/tcp", "user=1000:1000")
    assert isinstance(answer, Opinion)
    wanted = SetField(path=f"{POD}/containers[web]/securityContext/runAsUser", expected=0, value=1000)
    assert answer.proposal.action == (wanted,)


@pytest.mark.parametrize("facts", [(), ("user=0",), ("user=root",), ("user=nginx",), ("user=00",), ("user=\u0661",)])
def test_an_image_that_names_no_number_or_root_is_for_a_person(facts: tuple[str, ...]) -> None:
    answer = named_by_the_image(*facts)
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "runAsUser says 0" in answer.diagnosis.cause


def test_a_port_that_takes_a_capability_is_told_and_none_is_given() -> None:
    log = "FATAL listen tcp :80: bind: permission denied"
    answer = consider(failing(log=log, securityContext={"capabilities": {"drop": ["ALL"]}}), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "port 80: that takes NET_BIND_SERVICE, and its capabilities drop ALL" in answer.diagnosis.cause
    free = consider(failing(log=log.replace(":80", ":8080"), securityContext={}), ())
    assert isinstance(free, Silent)
    assert free.diagnosis is None
