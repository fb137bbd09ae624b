"""What the status of an evicted pod says: which of its own limits it exceeded, and how long it had lived."""

from typing import Any

import pytest

from incidents.own_limits import Exceeded, exceeded, lived_seconds, was_evicted
from tests.builders import stamp

Object = dict[str, Any]
HELD = 'Usage of EmptyDir volume "held" exceeds the limit "1.5Gi". '


def gone(message: str, *, reason: str = "Evicted", **status: Any) -> Object:
    metadata = {"name": "web-1", "creationTimestamp": stamp(60)}
    return {"metadata": metadata, "status": {"phase": "Failed", "reason": reason, "message": message, **status}}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (HELD, Exceeded("volume", "held", "1.5Gi")),
        (
            "Pod ephemeral local storage usage exceeds the total limit of containers 96Mi. ",
            Exceeded("pod", "", "96Mi"),
        ),
        ('Container web exceeded its local ephemeral storage limit "1e9". ', Exceeded("container", "web", "1e9")),
        ("The node was low on resource: memory. ", None),
        (f"The node was low on resource: memory. {HELD}", None),
        ('Usage of EmptyDir volume "held/../x" exceeds the limit "1Gi". ', None),
        ('Usage of EmptyDir volume "held" exceeds the limit "a lot". ', None),
        ("", None),
    ],
)
def test_the_kubelets_three_sentences_name_the_limit_and_no_other_does(message: str, found: Exceeded | None) -> None:
    assert exceeded(gone(message)) == found


def test_only_a_pod_that_was_put_out_has_exceeded_anything() -> None:
    assert exceeded(gone(HELD, reason="Preempting")) is None
    assert not was_evicted(gone(HELD, phase="Running"))
    assert was_evicted(gone(HELD))


def test_its_life_is_from_its_start_to_the_end_of_its_last_container() -> None:
    ends = [{"name": "web", "state": {"terminated": {"exitCode": 137, "finishedAt": stamp(20)}}}]
    assert lived_seconds(gone(HELD, startTime=stamp(50), containerStatuses=ends)) == 30
    assert lived_seconds(gone(HELD, containerStatuses=ends)) == 40


def test_of_a_pod_whose_end_nobody_tells_no_life_is_known() -> None:
    assert lived_seconds(gone(HELD)) is None
