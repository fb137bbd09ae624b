"""What pods ask of a node, as scheduler and kubelet count it. Pure.

After k8s.io/component-helpers/resource/helpers.go (v0.36): containers are summed; an init container counts by its own
size beside the sidecars started before it, and the larger of both sums is asked for; requests of the pod as a whole
replace those of its containers; the overhead of its runtime class comes on top.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.informer import Object
from simulator.quantities import parse, to_bytes, to_millicores

_DISK = "ephemeral-storage"


@dataclass(frozen=True)
class PodRequests:
    """What pods ask of a node: millicores, bytes, their number, and everything else by its name."""

    millicores: int = 0
    memory_bytes: int = 0
    pods: int = 0
    disk_bytes: int = 0
    others: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "PodRequests") -> "PodRequests":
        return PodRequests(
            self.millicores + other.millicores,
            self.memory_bytes + other.memory_bytes,
            self.pods + other.pods,
            self.disk_bytes + other.disk_bytes,
            _added(self.others, other.others, 1),
        )

    def __sub__(self, other: "PodRequests") -> "PodRequests":
        return PodRequests(
            self.millicores - other.millicores,
            self.memory_bytes - other.memory_bytes,
            self.pods - other.pods,
            self.disk_bytes - other.disk_bytes,
            _added(self.others, other.others, -1),
        )


def amounts(listed: Mapping[str, Any] | None) -> PodRequests:
    """The quantities of one list of resources; `pods` is left to the caller, except on a node that states it."""
    found = listed or {}
    others = {name: int(parse(value)) for name, value in found.items() if name not in ("cpu", "memory", "pods", _DISK)}
    return PodRequests(
        to_millicores(found.get("cpu", 0)),
        to_bytes(found.get("memory", 0)),
        int(parse(found.get("pods", 0))),
        to_bytes(found.get(_DISK, 0)),
        others,
    )


def requests_of(pod: Object) -> PodRequests:
    """All that the pod asks for; it counts as one pod."""
    spec = pod["spec"]
    running = _sum(_asked(item) for item in spec["containers"])
    started, peak = PodRequests(), PodRequests()
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            started += asked
            asked = PodRequests()
        peak = _larger(peak, started + asked)
    total = _larger(running + started, peak)
    whole = (spec.get("resources") or {}).get("requests")
    total = _replaced(total, whole) if whole else total
    return total + amounts(spec.get("overhead")) + PodRequests(pods=1)


def _asked(container: Mapping[str, Any]) -> PodRequests:
    return amounts((container.get("resources") or {}).get("requests"))


def _sum(items: Iterable[PodRequests]) -> PodRequests:
    return sum(items, PodRequests())


def _larger(one: PodRequests, other: PodRequests) -> PodRequests:
    names = {*one.others, *other.others}
    return PodRequests(
        max(one.millicores, other.millicores),
        max(one.memory_bytes, other.memory_bytes),
        max(one.pods, other.pods),
        max(one.disk_bytes, other.disk_bytes),
        {name: max(one.others.get(name, 0), other.others.get(name, 0)) for name in names},
    )


def _replaced(total: PodRequests, whole: Mapping[str, Any]) -> PodRequests:
    asked = amounts(whole)
    return PodRequests(
        asked.millicores if "cpu" in whole else total.millicores,
        asked.memory_bytes if "memory" in whole else total.memory_bytes,
        total.pods,
        total.disk_bytes,
        {**total.others, **asked.others},
    )


def _added(one: Mapping[str, int], other: Mapping[str, int], sign: int) -> Mapping[str, int]:
    if not other:
        return one
    return {name: one.get(name, 0) + sign * other.get(name, 0) for name in {**one, **other}}
