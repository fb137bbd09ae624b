"""Metrics of an autoscaler: how they are stated, named and reported, and what is said when they cannot be had. Pure.

Words after pkg/controller/podautoscaler/horizontal.go and metrics/client.go in Kubernetes v1.36.
"""

from typing import Any

from simulator.autoscaling.replicas import Proposal, Target
from simulator.quantities import canonical, parse

FAILED_REASONS = {
    "Resource": "FailedGetResourceMetric",
    "ContainerResource": "FailedGetContainerResourceMetric",
    "Pods": "FailedGetPodsMetric",
    "Object": "FailedGetObjectMetric",
    "External": "FailedGetExternalMetric",
}


def prefix_of(metric: dict[str, Any]) -> str:
    """How the summary of all metrics introduces what went wrong with one."""
    match metric["type"]:
        case "Resource":
            return f"failed to get {metric['resource']['name']} resource metric value"
        case "ContainerResource":
            return f"failed to get {metric['containerResource']['container']} container metric value"
        case "External":
            return f"failed to get {metric['external']['metric']['name']} external metric value"
    return f"failed to get {metric['type'].lower()} metric value"


def no_adapter(metric: dict[str, Any], namespace: str) -> str:
    if metric["type"] == "External":
        name = metric["external"]["metric"]["name"]
        missing = f"the server could not find the requested resource (get {name}.external.metrics.k8s.io)"
        said = f"unable to get external metric {namespace}/{name}/nil"
        return f"{said}: unable to fetch metrics from external metrics API: {missing}"
    name = metric[metric["type"].lower()]["metric"]["name"]
    missing = "no custom metrics API (custom.metrics.k8s.io) registered"
    return f"unable to get metric {name}: unable to fetch metrics from custom metrics API: {missing}"


def target_of(stated: dict[str, Any]) -> Target:
    wanted = stated["target"]
    average = wanted.get("averageValue")
    return Target(
        stated["name"],
        stated.get("container", ""),
        None if average is not None else wanted.get("averageUtilization"),
        int(parse(average) * 1000) if average is not None else None,
    )


def metric_name(target: Target) -> str:
    if target.utilization is None:
        return f"{target.resource} resource"
    inside = "container resource" if target.container else "resource"
    return f"{target.resource} {inside} utilization (percentage of request)"


def current_value(target: Target, proposal: Proposal) -> dict[str, Any]:
    milli = proposal.average_milli
    shown = {"averageValue": canonical(f"{milli}m") if target.resource != "memory" else _memory(milli)}
    return shown if proposal.utilization is None else {"averageUtilization": proposal.utilization, **shown}


def _memory(milli: int) -> str:
    """Bytes, rounded up, in the largest power of 1024 that they are a multiple of."""
    found = -(-milli // 1000)
    return canonical(f"{found // 1024}Ki") if found % 1024 == 0 else str(found)
