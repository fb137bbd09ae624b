"""How fast an autoscaler may act: stabilization windows and the rates of `spec.behavior`. Pure; times in seconds.

After normalizeDesiredReplicasWithBehaviors in pkg/controller/podautoscaler/horizontal.go, Kubernetes v1.36. Rules that
are not stated are those that the API server would fill in. Tolerances are not followed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DOWN_WINDOW_SECONDS = 300.0
_UP_POLICIES = (("Pods", 4, 15.0), ("Percent", 100, 15.0))
_DOWN_POLICIES = (("Percent", 100, 15.0),)
LONGEST_PERIOD_SECONDS = 1800.0
"""No policy looks back further."""

Moment = tuple[float, int]
"""When, and how many: a recommendation, or a change of the count (negative where it went down)."""


@dataclass(frozen=True)
class Rules:
    """Of one direction. A policy is its type, value and period."""

    window_seconds: float
    select: str
    policies: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Decision:
    """A count, and the reason and message of the condition that explains it."""

    replicas: int
    reason: str
    message: str


@dataclass(frozen=True)
class Behavior:
    """The rules of both directions."""

    up: Rules
    down: Rules


WITHIN_RANGE = "DesiredWithinRange"
_STEADY = ("ReadyForNewScale", "recommended size matches current size")
_HIGHEST = "recent recommendations were higher than current one, applying the highest recent recommendation"
_LOWEST = "recent recommendations were lower than current one, applying the lowest recent recommendation"
_PACE = "the desired replica count is {} faster than the maximum scale rate"


def behavior_of(spec: Mapping[str, Any]) -> Behavior | None:
    """What an autoscaler's spec states; None if it states nothing."""
    stated = spec.get("behavior")
    if stated is None:
        return None
    up = _rules(stated.get("scaleUp") or {}, 0.0, _UP_POLICIES)
    return Behavior(up, _rules(stated.get("scaleDown") or {}, _DOWN_WINDOW_SECONDS, _DOWN_POLICIES))


def _rules(stated: Mapping[str, Any], window: float, policies: tuple[tuple[str, int, float], ...]) -> Rules:
    seconds = stated.get("stabilizationWindowSeconds")
    listed = tuple(
        (one["type"], int(one["value"]), float(one["periodSeconds"])) for one in stated.get("policies") or ()
    )
    return Rules(window if seconds is None else float(seconds), stated.get("selectPolicy") or "Max", listed or policies)


def stabilized(proposed: int, current: int, recent: Sequence[Moment], *, now: float, behavior: Behavior) -> Decision:
    """The proposal, held back by what was recommended in the windows."""
    up = min([proposed, *(count for at, count in recent if at > now - behavior.up.window_seconds)])
    down = max([proposed, *(count for at, count in recent if at > now - behavior.down.window_seconds)])
    found = min(max(current, up), down)
    if found == proposed:
        return Decision(found, *_STEADY)
    if proposed > current:
        return Decision(found, "ScaleUpStabilized", _LOWEST)
    return Decision(found, "ScaleDownStabilized", _HIGHEST)


def limited(
    wanted: int, current: int, bounds: tuple[int, int], changes: Sequence[Moment], *, now: float, behavior: Behavior
) -> Decision:
    """The count that rates and bounds allow."""
    least, most = bounds
    if wanted > current:
        pace = max(current, _up_limit(current, changes, now, behavior.up))
        if wanted > min(most, pace):
            if most > pace:
                return Decision(pace, "ScaleUpLimit", _PACE.format("increasing"))
            return Decision(most, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    elif wanted < current:
        pace = min(current, _down_limit(current, changes, now, behavior.down))
        if wanted < max(least, pace):
            if least < pace:
                return Decision(pace, "ScaleDownLimit", _PACE.format("decreasing"))
            return Decision(least, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    return Decision(wanted, WITHIN_RANGE, "the desired count is within the acceptable range")


def _up_limit(current: int, changes: Sequence[Moment], now: float, rules: Rules) -> int:
    if rules.select == "Disabled":
        return current
    found = []
    for kind, value, period in rules.policies:
        start = _at_start(current, changes, now, period)
        found.append(start + value if kind == "Pods" else math.ceil(start * (100 + value) / 100))
    return min(found) if rules.select == "Min" else max(found)


def _down_limit(current: int, changes: Sequence[Moment], now: float, rules: Rules) -> int:
    if rules.select == "Disabled":
        return current
    found = []
    for kind, value, period in rules.policies:
        start = _at_start(current, changes, now, period)
        found.append(start - value if kind == "Pods" else int(start * (100 - value) / 100))
    return max(found) if rules.select == "Min" else min(found)


def _at_start(current: int, changes: Sequence[Moment], now: float, period: float) -> int:
    """How many there were when the period began."""
    return current - sum(change for at, change in changes if at > now - period)
