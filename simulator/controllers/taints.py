"""Taints and tolerations, as controllers and not the scheduler look at them. Pure.

After k8s.io/component-helpers/scheduling/corev1 (v0.36): a toleration without a key and with operator Exists tolerates
everything, one without an effect every effect.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Taint = Mapping[str, Any]


def tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def untolerated(
    taints: Iterable[Taint], tolerations: Iterable[Mapping[str, Any]], *, effects: tuple[str, ...]
) -> list[Taint]:
    """The taints with one of ``effects`` that no toleration covers."""
    allowed = list(tolerations)
    return [
        taint
        for taint in taints
        if taint["effect"] in effects and not any(tolerates(toleration, taint) for toleration in allowed)
    ]
