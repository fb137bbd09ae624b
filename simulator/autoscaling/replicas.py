"""How many replicas the use of a resource calls for. Pure, but for the time that is passed in.

After pkg/controller/podautoscaler/replica_calculator.go in Kubernetes v1.36: pods that are not ready or say nothing are
counted so that they dampen what the others call for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.autoscaling.metrics import MetricsError, Usage
from simulator.clock import SimClock, parse_time
from simulator.informer import Object
from simulator.quantities import parse

_TOLERANCE = 0.1
_CPU_INITIALIZATION_SECONDS = 300.0
_INITIAL_READINESS_SECONDS = 30.0


@dataclass(frozen=True)
class Proposal:
    """``utilization`` is None for a target in absolute numbers; ``average_milli`` is of one pod."""

    replicas: int
    average_milli: int
    utilization: int | None = None


@dataclass
class _Groups:
    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Target:
    """What is measured and where it should be: percent of the request, or thousandths a pod."""

    resource: str
    container: str = ""
    utilization: int | None = None
    average_milli: int | None = None


def propose(pods: list[Object], usages: Mapping[str, Usage], target: Target, current: int, clock: SimClock) -> Proposal:
    """Raises MetricsError when the pods give nothing to calculate with."""
    if not pods:
        raise MetricsError("no pods returned by selector while calculating replica count")
    groups = _grouped(pods, usages, target.resource, clock)
    out = groups.ignored | groups.unready
    used = {name: usage.milli for name, usage in usages.items() if name not in out}
    if not used:
        raise MetricsError("did not receive metrics for targeted pods (pods might be unready)")
    requests = _requests(pods, target) if target.utilization is not None else {}
    _, percent, average = _ratio(used, requests, target)
    replicas = _replicas(used, requests, target, groups, current)
    return Proposal(replicas, average, None if target.utilization is None else percent)


def _replicas(used: dict[str, int], requests: Mapping[str, int], target: Target, groups: _Groups, current: int) -> int:
    ratio, _, _ = _ratio(used, requests, target)
    grows_beside_unready = bool(groups.unready) and ratio > 1
    if not grows_beside_unready and not groups.missing:
        return current if _is_close(ratio) else math.ceil(ratio * groups.ready)
    filled = dict(used)
    if ratio != 1:
        for name in groups.missing:
            filled[name] = 0 if ratio > 1 else _supposed(name, requests, target)
    if grows_beside_unready:
        filled |= dict.fromkeys(groups.unready, 0)
    again, _, _ = _ratio(filled, requests, target)
    if _is_close(again) or (ratio < 1) != (again < 1):
        return current
    wanted = math.ceil(again * len(filled))
    turns = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return current if turns else wanted


def _supposed(name: str, requests: Mapping[str, int], target: Target) -> int:
    """What a silent pod is taken to use when the others call for fewer."""
    if target.utilization is None:
        return target.average_milli or 0
    return requests.get(name, 0) * max(100, target.utilization) // 100


def _ratio(used: Mapping[str, int], requests: Mapping[str, int], target: Target) -> tuple[float, int, int]:
    """Use against target, percent of the requests, and the average of a pod."""
    if target.utilization is None:
        average = sum(used.values()) // len(used)
        return average / (target.average_milli or 1), 0, average
    known = {name: milli for name, milli in used.items() if name in requests}
    asked = sum(requests[name] for name in known)
    if not asked:
        raise MetricsError("no metrics returned matched known pods")
    percent = sum(known.values()) * 100 // asked
    return percent / target.utilization, percent, sum(known.values()) // len(known)


def _is_close(ratio: float) -> bool:
    return 1 - _TOLERANCE <= ratio <= 1 + _TOLERANCE


def _grouped(pods: list[Object], usages: Mapping[str, Usage], resource: str, clock: SimClock) -> _Groups:
    groups = _Groups()
    for pod in pods:
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Failed":
            groups.ignored.add(name)
        elif status.get("phase") == "Pending":
            groups.unready.add(name)
        elif name not in usages:
            groups.missing.add(name)
        elif resource == "cpu" and _starts_up(status, usages[name], clock):
            groups.unready.add(name)
        else:
            groups.ready += 1
    return groups


def _starts_up(status: Mapping[str, Any], usage: Usage, clock: SimClock) -> bool:
    """Whether what a pod uses says more of its start than of its work."""
    ready = next((item for item in status.get("conditions") or () if item["type"] == "Ready"), None)
    if ready is None or not status.get("startTime"):
        return True
    started, turned = parse_time(status["startTime"]), parse_time(ready["lastTransitionTime"])
    is_unready = ready["status"] == "False"
    if clock.simulated_seconds(clock.now() - started) < _CPU_INITIALIZATION_SECONDS:
        return is_unready or clock.simulated_seconds(usage.at - turned) < usage.window_seconds
    return is_unready and clock.simulated_seconds(turned - started) < _INITIAL_READINESS_SECONDS


def _requests(pods: list[Object], target: Target) -> dict[str, int]:
    return {pod["metadata"]["name"]: _request(pod, target) for pod in pods}


def _request(pod: Object, target: Target) -> int:
    spec, resource = pod["spec"], target.resource
    whole = (spec.get("resources") or {}).get("requests") or {}
    if resource in whole and not target.container:
        return int(parse(whole[resource]) * 1000)
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    counted = [item for item in (*spec["containers"], *sidecars) if target.container in ("", item["name"])]
    name = pod["metadata"]["name"]
    if not counted:
        raise MetricsError(f"container {target.container} not found in Pod {name}")
    total = 0
    for item in counted:
        asked = ((item.get("resources") or {}).get("requests") or {}).get(resource)
        if asked is None:
            raise MetricsError(f"missing request for {resource} in container {item['name']} of Pod {name}")
        total += int(parse(asked) * 1000)
    return total
