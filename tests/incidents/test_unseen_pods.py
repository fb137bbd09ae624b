"""Pods that are bound to a node by name, and that nobody there has taken up."""

from typing import Any

import pytest

from incidents.pod_health import UNSEEN_SECONDS, pod_findings
from incidents.symptoms import Symptom
from tests.builders import NOW, stamp


def bound(age: float = UNSEEN_SECONDS, node: str = "n7", **status: Any) -> dict[str, Any]:
    """A pod whose node was named by its template, so many seconds old."""
    metadata = {"name": "web-1", "creationTimestamp": stamp(age)}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": "Pending", **status}}


def test_one_that_no_kubelet_has_taken_up_says_so_with_its_node() -> None:
    (found,) = pod_findings(bound(), NOW)
    assert (found.symptom, found.pod) == (Symptom.NOT_READY, "web-1")
    assert "node n7" in found.detail


@pytest.mark.parametrize(
    "pod",
    [
        bound(age=UNSEEN_SECONDS - 1),
        bound(node=""),
        bound(startTime=stamp(5)),
        bound(conditions=[{"type": "PodScheduled", "status": "True"}]),
        bound(phase="Running"),
    ],
    ids=["just made", "not bound", "taken up", "bound by the scheduler", "running"],
)
def test_every_other_one_is_no_finding(pod: dict[str, Any]) -> None:
    assert list(pod_findings(pod, NOW)) == []


def test_on_a_faster_cluster_the_time_is_shorter() -> None:
    assert list(pod_findings(bound(age=2), NOW)) == []
    assert len(list(pod_findings(bound(age=2), NOW, speed=20.0))) == 1
