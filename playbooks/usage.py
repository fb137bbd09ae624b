"""What containers use of the CPU just now, as the metrics of the subject's namespace tell it.

Rule: metrics.k8s.io/v1beta1 ``PodMetrics``, the average of the last window. What is no measurement is left out, and
whoever is not there has not been measured, which is not the same as using nothing.
"""

from __future__ import annotations

from incidents.evidence import Evidence, Want, WantKind
from incidents.quantities import UnreadableQuantity, parse_millis

_CPU = "cpu="


def wanted_usage(evidence: Evidence) -> Want:
    """What has to be asked before anything is known."""
    return Want(WantKind.USAGE, evidence.subject.namespace)


def cpu_used(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Thousandths of CPU, by pod and container."""
    used: dict[str, dict[str, int]] = {}
    for line in evidence.answers.get(wanted_usage(evidence).key, ()):
        match line.split(" "):
            case [pod, name, amount, *_] if amount.startswith(_CPU):
                if (size := millis(amount.removeprefix(_CPU))) is not None:
                    used.setdefault(pod, {})[name] = size
    return used


def millis(quantity: object) -> int | None:
    """An amount of CPU in thousandths; None for nothing at all, and for what is no quantity."""
    try:
        return parse_millis(quantity) if quantity is not None else None
    except UnreadableQuantity:
        return None
