"""Where pods go and why not. Three nodes, none of them special."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import claim, container, pod
from .client import Api

NO_HELP = (
    " no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
)
AFFINE = {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"absent": "x"}}, "topologyKey": "kubernetes.io/hostname"}
    ]
}
SPREAD = {
    "maxSkew": 1, "topologyKey": "nolabel", "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"k": "v"}},
}  # fmt: skip
NODE_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "nolabel", "operator": "Exists"}]}]
    }
}


def _volume(name: str) -> dict[str, Any]:
    return {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            pod("web", container(resources={"requests": {"cpu": "999"}})), "3 Insufficient cpu." + NO_HELP, id="cpu"
        ),
        pytest.param(
            pod("web", container(resources={"limits": {"example.com/gpu": "1"}})),
            "3 Insufficient example.com/gpu." + NO_HELP,
            id="extended resource",
        ),
        pytest.param(
            pod(nodeSelector={"no": "where"}),
            "3 node(s) didn't match Pod's node affinity/selector." + NO_HELP,
            id="node selector",
        ),
        pytest.param(
            pod(affinity={"nodeAffinity": NODE_AFFINITY}),
            "3 node(s) didn't match Pod's node affinity/selector." + NO_HELP,
            id="node affinity",
        ),
        pytest.param(
            pod(affinity={"podAffinity": AFFINE}),
            "3 node(s) didn't match pod affinity rules." + NO_HELP,
            id="pod affinity",
        ),
        pytest.param(
            pod(topologySpreadConstraints=[SPREAD], labels={"k": "v"}),
            "3 node(s) didn't match pod topology spread constraints (missing required label)." + NO_HELP,
            id="spread",
        ),
        pytest.param(
            pod(**_volume("none")), 'persistentvolumeclaim "none" not found. not found', id="a claim that is not there"
        ),
    ],
)
def test_why_a_pod_fits_nowhere(api: Api, body: Any, message: str) -> None:
    api.create("pods", body).ok()
    event, *_ = api.eventually(lambda: api.events_about("web", "FailedScheduling"))  # a busy scheduler may try twice
    assert event["message"] == f"0/3 nodes are available: {message}"
    assert (event["type"], event["reportingComponent"], event["action"]) == (
        "Warning",
        "default-scheduler",
        "Scheduling",
    )
    conditions = api.eventually(lambda: api.get("pods", "web").ok()["status"].get("conditions"))
    [condition] = [one for one in conditions if one["type"] == "PodScheduled"]
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == event["message"]


def test_a_pod_waits_for_a_claim_to_be_bound(api: Api) -> None:
    api.create("persistentvolumeclaims", claim(storageClassName="")).ok()
    [event] = api.eventually(lambda: api.events_about("data", "FailedBinding"))
    assert event["message"] == "no persistent volumes available for this claim and no storage class is set"
    assert event["type"] == "Normal"
    api.create("pods", pod(**_volume("data"))).ok()
    [event] = api.eventually(lambda: api.events_about("web", "FailedScheduling"))
    said = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    assert event["message"] == said


def test_a_gated_pod_is_left_alone(api: Api) -> None:
    made = api.create("pods", pod(schedulingGates=[{"name": "example.com/hold"}])).ok()
    [condition] = made["status"]["conditions"]
    assert {key: condition[key] for key in ("type", "status", "reason", "message")} == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }
    api.patch("pods", "web", {"spec": {"schedulingGates": None}}).ok()
    api.eventually(lambda: api.get("pods", "web").ok()["spec"].get("nodeName"))


def test_a_pod_that_fits_is_assigned(api: Api) -> None:
    api.create("pods", pod()).ok()
    [event] = api.eventually(lambda: api.events_about("web", "Scheduled"))
    node = api.get("pods", "web").ok()["spec"]["nodeName"]
    assert event["message"] == f"Successfully assigned {api.namespace}/web to {node}"
    assert (event["type"], event["action"]) == ("Normal", "Binding")


def test_a_node_selector_chooses(api: Api) -> None:
    api.create("pods", pod(nodeSelector={"kubernetes.io/hostname": "node-2"})).ok()
    api.eventually(lambda: api.get("pods", "web").ok()["spec"].get("nodeName") == "node-2")


def test_pods_that_avoid_each_other_are_spread_until_there_is_no_room(api: Api) -> None:
    apart = {"labelSelector": {"matchLabels": {"k": "v"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    for name in "abcd":
        api.create("pods", pod(name, labels={"k": "v"}, affinity=affinity)).ok()

    def placed() -> list[str]:
        found = (one["spec"].get("nodeName") for one in api.get("pods").ok()["items"])
        return sorted(node for node in found if node)

    api.eventually(lambda: placed() == ["node-1", "node-2", "node-3"])

    def refused() -> list[Any]:
        events: list[Any] = api.get("events", fieldSelector="reason=FailedScheduling").ok()["items"]
        return events

    [event] = api.eventually(refused)
    assert event["message"] == (
        "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, "
        "preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
    )


def test_a_host_port_is_free_once_a_node(api: Api) -> None:
    port = {"containerPort": 80, "hostPort": 28080}
    for name in "abcd":
        api.create("pods", pod(name, container(ports=[port]))).ok()
    events = api.eventually(lambda: api.get("events", fieldSelector="reason=FailedScheduling").ok()["items"])
    assert events[0]["message"] == (
        "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports. no new claims to "
        "deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
    )
