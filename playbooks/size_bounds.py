"""How much memory, disk or CPU a container may have: what the rules of its namespace allow, and its nodes hold.

Rules: plugin/pkg/admission/limitranger (``max`` of type Container), pkg/quota/v1/evaluator/core (``limits.memory`` is
counted over all pods of the namespace), pkg/scheduler (a pod fits on a node or on none). Memory that was asked for
leads the scheduler to the node that has it. What a pod may write is a promise of no node, so that it has to be kept by
the smallest of those that may get it. CPU is counted in thousandths of a core, all else in bytes. A container without a
request asks for as much as its limit; one with a request keeps it, so that a ratio (``maxLimitRequestRatio``) binds it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from incidents.evidence import Evidence
from incidents.objects import Manifest
from incidents.quantities import UnreadableQuantity, format_bytes, format_millis, parse_bytes, parse_millis
from playbooks.last_good import good_value, never_well
from playbooks.placement import selected

MEMORY, DISK, CPU = "memory", "ephemeral-storage", "cpu"
STEP = 2
FURTHEST = 8  # three steps: what wants more than that is a wish


class Bound(msgspec.Struct, frozen=True, order=True):
    """So many bytes or thousandths, and which rule says so."""

    size: int
    rule: str


def most_memory(evidence: Evidence, present: int) -> Bound | None:
    """The tightest bound on the limit of a container that has ``present`` bytes; None where nothing is known of one."""
    bounds = (*_of_ranges(evidence, MEMORY), *_of_quotas(evidence, MEMORY, present), *_of_nodes(evidence, MEMORY))
    return min(bounds, default=None)


def most_cpu(evidence: Evidence, present: int, asked: int | None) -> Bound | None:
    """The same for CPU, in thousandths; ``asked``: its request, which stays as it is (None: there is none)."""
    bounds = [*_of_ranges(evidence, CPU), *_of_quotas(evidence, CPU, present), *_of_nodes(evidence, CPU)]
    bounds += _of_ratios(evidence, asked) if asked is not None else _of_quotas(evidence, CPU, present, "requests")
    return min(bounds, default=None)


def most_written(evidence: Evidence, present: int) -> Bound | None:
    """The same for what a container may write to its node's disk."""
    bounds = (*_of_ranges(evidence, DISK), *_of_quotas(evidence, DISK, present), *_of_smallest_node(evidence))
    return min(bounds, default=None)


def most_held(evidence: Evidence) -> Bound | None:
    """The same for a volume on the node's disk. It counts as written by the containers."""
    limits = [
        _amount(DISK, ((one.get("resources") or {}).get("limits") or {}).get(DISK)) for one in evidence.containers
    ]
    total = sum(size for size in limits if size is not None)
    of_all = [Bound(total, f"its containers may write {format_bytes(total)} in all")] if total else []
    return min((*of_all, *_of_smallest_node(evidence)), default=None)


def is_guaranteed(container: Manifest) -> bool:
    """Whether a container asks for all of its limits, as the class Guaranteed wants it (helper/qos)."""
    resources = container.get("resources") or {}
    asked, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return {CPU, MEMORY} <= asked.keys() and all(asked[what] == limits.get(what) for what in (CPU, MEMORY))


def limit_before(evidence: Evidence, field: str, present: int, most: Bound | None) -> int | None:
    """The higher limit of the last good revision at a path below the pod spec, which the present one has lowered."""
    limit = good_value(evidence, field)
    if limit is None or not never_well(evidence):
        return None
    size = _amount(field.rpartition("/")[2], limit)
    furthest = min(FURTHEST * present, most.size) if most is not None else FURTHEST * present
    return size if size is not None and present < size <= furthest else None


def _of_ranges(evidence: Evidence, what: str) -> Iterator[Bound]:
    for one in evidence.listed("LimitRange") or ():
        for item in one.get("spec", {}).get("limits") or ():
            size = _amount(what, (item.get("max") or {}).get(what))
            if item.get("type") == "Container" and size is not None:
                name = one["metadata"]["name"]
                yield Bound(size, f"LimitRange {name} allows a maximum of {_written(what, size)} of {what}")


def _of_ratios(evidence: Evidence, asked: int) -> Iterator[Bound]:
    for one in evidence.listed("LimitRange") or ():
        for item in one.get("spec", {}).get("limits") or ():
            times = _amount(CPU, (item.get("maxLimitRequestRatio") or {}).get(CPU))
            if item.get("type") == "Container" and times is not None:
                name, ratio = one["metadata"]["name"], format_millis(times)
                yield Bound(
                    asked * times // 1000, f"LimitRange {name} allows a limit of {ratio} times the request for cpu"
                )


def _of_quotas(evidence: Evidence, what: str, present: int, which: str = "limits") -> Iterator[Bound]:
    """What is left of a quota, and what the container gives back: its pod is replaced by another."""
    keys = {f"{which}.{what}", what} if which == "requests" else {f"{which}.{what}"}
    for one in evidence.listed("ResourceQuota") or ():
        hard, used = ((one.get("status") or {}).get(part) or {} for part in ("hard", "used"))
        for key in sorted(keys & hard.keys()):
            most, taken = _amount(what, hard[key]), _amount(what, used.get(key, "0"))
            if most is not None and taken is not None and not (one.get("spec") or {}).get("scopes"):
                left, name = max(0, most - taken) + present, one["metadata"]["name"]
                yield Bound(left, f"ResourceQuota {name} leaves {_written(what, left)} of {what} for it")


def _of_nodes(evidence: Evidence, what: str) -> Iterator[Bound]:
    sizes = [size for node in _open_nodes(evidence) if (size := _allocatable(node, what)) is not None]
    if sizes:
        yield Bound(max(sizes), f"no node has more than {_written(what, max(sizes))} of {what}")


def _of_smallest_node(evidence: Evidence) -> Iterator[Bound]:
    may_get_it = [node for node in _open_nodes(evidence) if selected(node, evidence.pod_spec)]
    sizes = [size for node in may_get_it if (size := _allocatable(node, DISK)) is not None]
    if sizes:
        yield Bound(min(sizes), f"a node that it may be placed on has only {format_bytes(min(sizes))} of {DISK}")


def _open_nodes(evidence: Evidence) -> Iterator[Manifest]:
    return (node for node in evidence.listed("Node") or () if not node.get("spec", {}).get("unschedulable"))


def _allocatable(node: Manifest, what: str) -> int | None:
    return _amount(what, ((node.get("status") or {}).get("allocatable") or {}).get(what))


def _amount(what: str, quantity: object) -> int | None:
    read = parse_millis if what == CPU else parse_bytes
    try:
        return read(quantity) if quantity is not None else None
    except UnreadableQuantity:
        return None


def _written(what: str, amount: int) -> str:
    return format_millis(amount) if what == CPU else format_bytes(amount)
