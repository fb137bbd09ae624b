"""How much memory a container may have here: what LimitRanges and quotas of its namespace allow, and its largest node.

Rules: plugin/pkg/admission/limitranger (``max`` of type Container), pkg/quota/v1/evaluator/core (``limits.memory`` is
counted over all pods of the namespace), pkg/scheduler (a pod fits on a node or on none).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from incidents.evidence import Evidence
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes


class Bound(msgspec.Struct, frozen=True, order=True):
    """So many bytes, and which rule says so."""

    size: int
    rule: str


def most_memory(evidence: Evidence, present: int) -> Bound | None:
    """The tightest bound on the limit of a container that has ``present`` bytes; None where nothing is known of one."""
    return min((*_of_ranges(evidence), *_of_quotas(evidence, present), *_of_nodes(evidence)), default=None)


def _of_ranges(evidence: Evidence) -> Iterator[Bound]:
    for one in evidence.listed("LimitRange") or ():
        for item in one.get("spec", {}).get("limits") or ():
            size = _bytes((item.get("max") or {}).get("memory"))
            if item.get("type") == "Container" and size is not None:
                name = one["metadata"]["name"]
                yield Bound(size, f"LimitRange {name} allows a maximum of {format_bytes(size)} of memory")


def _of_quotas(evidence: Evidence, present: int) -> Iterator[Bound]:
    """What is left of a quota, and what the container gives back: its pod is replaced by another."""
    for one in evidence.listed("ResourceQuota") or ():
        hard, used = ((one.get("status") or {}).get(part) or {} for part in ("hard", "used"))
        most, taken = _bytes(hard.get("limits.memory")), _bytes(used.get("limits.memory", "0"))
        if most is not None and taken is not None and not (one.get("spec") or {}).get("scopes"):
            left = max(0, most - taken) + present
            yield Bound(left, f"ResourceQuota {one['metadata']['name']} leaves {format_bytes(left)} of memory for it")


def _of_nodes(evidence: Evidence) -> Iterator[Bound]:
    sizes = [
        size
        for node in evidence.listed("Node") or ()
        if not node.get("spec", {}).get("unschedulable")
        and (size := _bytes(((node.get("status") or {}).get("allocatable") or {}).get("memory"))) is not None
    ]
    if sizes:
        yield Bound(max(sizes), f"no node has more than {format_bytes(max(sizes))} of memory")


def _bytes(quantity: object) -> int | None:
    try:
        return parse_bytes(quantity) if quantity is not None else None
    except UnreadableQuantity:
        return None
