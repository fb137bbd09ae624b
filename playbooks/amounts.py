"""What one pod takes, by its spec, as the scheduler and quotas count it.

Rule: staging/src/k8s.io/component-helpers/resource (containers and sidecars run together, each init container beside
the sidecars before it, overhead on top); what has a limit and no request requests its limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents.quantities import UnreadableQuantity, format_bytes, format_millis, parse_bytes, parse_millis

_SIZES = ("memory", "storage", "hugepages")


class Unsaid(ValueError):
    """The spec does not say how much the pod takes of something, or says it in a way that is not counted here."""


def is_size(what: str) -> bool:
    """Whether something is counted in bytes; all else in thousandths."""
    name = what.rpartition(".")[2]
    return name.startswith(_SIZES) or name.endswith(_SIZES)


def read(what: str, text: object) -> int:
    """A quantity of something, in bytes or thousandths. Raises UnreadableQuantity."""
    return parse_bytes(text) if is_size(what) else parse_millis(text)


def written(what: str, amount: int) -> str:
    """An amount as a quantity."""
    return format_bytes(amount) if is_size(what) else format_millis(amount)


def taken(pod_spec: Mapping[str, Any], what: str) -> int:
    """How much of ``requests.NAME`` or ``limits.NAME`` one pod takes. Raises Unsaid."""
    if pod_spec.get("resources"):
        raise Unsaid("it says what it takes as a whole pod")
    found = [_said(one, what) for one in pod_spec.get("containers") or ()]
    beside, peak = 0, 0
    for one in pod_spec.get("initContainers") or ():
        amount = _said(one, what)
        found.append(amount)
        peak = max(peak, beside + (amount or 0))
        if one.get("restartPolicy") == "Always":
            beside += amount or 0
    if all(amount is None for amount in found):
        raise Unsaid(f"no container says {what}")
    running = sum(amount or 0 for amount in found[: len(pod_spec.get("containers") or ())])
    overhead = (pod_spec.get("overhead") or {}).get(what.partition(".")[2], "0")
    return max(running + beside, peak) + _read(what, overhead)


def _said(container: Mapping[str, Any], what: str) -> int | None:
    which, _, name = what.partition(".")
    resources = container.get("resources") or {}
    text = (resources.get(which) or {}).get(name)
    if text is None and which == "requests":
        text = (resources.get("limits") or {}).get(name)
    return _read(what, text) if text is not None else None


def _read(what: str, text: object) -> int:
    try:
        return read(what, text)
    except UnreadableQuantity as error:
        raise Unsaid(str(error)) from error
