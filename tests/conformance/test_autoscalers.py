"""autoscaling/v1 beside v2: one autoscaler, seen in two versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .client import MERGE, Api

FIRST, SECOND = "horizontalpodautoscalers.v1", "horizontalpodautoscalers"
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
TARGET = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "absent"}, "maxReplicas": 3}


def _resource(name: str, **target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _autoscaler(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {**TARGET, **spec}}


CPU = _resource("cpu", type="Utilization", averageUtilization=50)
MEMORY = _resource("memory", type="Utilization", averageUtilization=60)


def test_a_target_for_cpu_is_a_field_of_the_first_version(api: Api) -> None:
    made = api.create(FIRST, _autoscaler(targetCPUUtilizationPercentage=50)).ok()
    assert (made["apiVersion"], made["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)
    assert api.get(SECOND, "a").ok()["spec"]["metrics"] == [CPU]
    [listed] = api.get(FIRST).ok()["items"]
    assert listed["spec"] == made["spec"]
    [seen] = api.watch(api.at(FIRST), 1)
    assert (seen["object"]["apiVersion"], seen["object"]["spec"]) == ("autoscaling/v1", made["spec"])


def test_what_the_first_version_cannot_say_goes_round_in_annotations(api: Api) -> None:
    api.create(SECOND, _autoscaler(metrics=[MEMORY, CPU])).ok()
    found = api.get(FIRST, "a").ok()
    assert found["spec"]["targetCPUUtilizationPercentage"] == 50
    written = [{"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": 60}}]
    assert json.loads(found["metadata"]["annotations"][METRICS]) == written
    api.request("PATCH", api.at(FIRST, "a"), {"spec": {"maxReplicas": 9}}, content_type=MERGE).ok()
    found = api.get(SECOND, "a").ok()
    assert (found["spec"]["maxReplicas"], found["spec"]["metrics"]) == (9, [MEMORY, CPU])
    assert METRICS not in found["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("metric", "written"),
    [
        (
            _resource("cpu", type="AverageValue", averageValue="100m"),
            {"type": "Resource", "resource": {"name": "cpu", "targetAverageValue": "100m"}},
        ),
        (
            {
                "type": "Pods",
                "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "1k"}},
            },
            {"type": "Pods", "pods": {"metricName": "p", "targetAverageValue": "1k"}},
        ),
        (
            {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "30"}}},
            {"type": "External", "external": {"metricName": "q", "targetValue": "30"}},
        ),
        (
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "o", "selector": {"matchLabels": {"a": "b"}}},
                    "describedObject": {"kind": "Service", "name": "x", "apiVersion": "v1"},
                    "target": {"type": "Value", "value": "10"},
                },
            },
            {
                "type": "Object",
                "object": {
                    "target": {"kind": "Service", "name": "x", "apiVersion": "v1"},
                    "metricName": "o",
                    "targetValue": "10",
                    "selector": {"matchLabels": {"a": "b"}},
                },
            },
        ),
    ],
)
def test_every_kind_of_metric_comes_back_as_it_was(api: Api, metric: Any, written: Any) -> None:
    api.create(SECOND, _autoscaler(metrics=[metric])).ok()
    found = api.get(FIRST, "a").ok()
    assert json.loads(found["metadata"]["annotations"][METRICS]) == [written]
    del found["metadata"]["resourceVersion"]  # the controller writes the status meanwhile
    api.update(FIRST, found).ok()
    assert api.get(SECOND, "a").ok()["spec"]["metrics"] == [metric]


def test_a_broken_annotation_is_dropped(api: Api) -> None:
    api.create(FIRST, _autoscaler(targetCPUUtilizationPercentage=50)).ok()
    api.request("PATCH", api.at(FIRST, "a"), {"metadata": {"annotations": {METRICS: "no"}}}, content_type=MERGE).ok()
    found = api.get(SECOND, "a").ok()
    assert found["spec"]["metrics"] == [CPU]
    assert METRICS not in found["metadata"].get("annotations", {})


@pytest.mark.parametrize(("first", "second"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_who_applies_is_the_same_manager_in_every_version(api: Api, first: str, second: str) -> None:
    for resource, most in ((first, 3), (second, 9)):
        version = "v1" if resource == FIRST else "v2"
        body = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", **_autoscaler()}
        body["spec"]["maxReplicas"] = most
        found = api.apply(resource, body).ok()
    [mine] = [one for one in found["metadata"]["managedFields"] if one["operation"] == "Apply"]
    assert (mine["manager"], mine["apiVersion"], found["spec"]["maxReplicas"]) == ("one", f"autoscaling/{version}", 9)


def test_rules_of_pace_are_filled_in(api: Api) -> None:
    found = api.create(SECOND, _autoscaler(behavior={"scaleUp": {}})).ok()["spec"]["behavior"]
    doubled = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert found["scaleUp"] == {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, doubled],
    }
    assert found["scaleDown"] == {"selectPolicy": "Max", "policies": [doubled]}
