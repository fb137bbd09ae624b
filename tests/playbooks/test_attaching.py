"""Volumes that are bound and all the same not there: told with who holds them, and taken from nobody."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import EventLine, Evidence
from incidents.health import Finding, Health, State
from incidents.proposals import Silent
from incidents.symptoms import Symptom
from playbooks.storage import consider
from tests.builders import deployment, evidence, pod, replica_set, snapshot, stamp, waiting

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


def test_a_claim_that_cannot_be_made_larger_is_told_with_the_drivers_words() -> None:
    said = "data cannot be made larger: the disk type allows 10Gi at most"
    health = Health(state=State.FAILING, findings=(Finding(Symptom.CLAIM_PENDING, said),), ready=1, desired=1)
    claim: Object = {"metadata": {"name": "data", "namespace": "shop"}, "status": {"phase": "Bound"}}
    taken = evidence(snapshot(deployment(ready=1), [replica_set()], [pod(ready=True)]), objects={
        "PersistentVolumeClaim": [claim]
    })  # fmt: skip
    assert cause(msgspec.structs.replace(taken, health=health)) == f"PersistentVolumeClaim {said}"
