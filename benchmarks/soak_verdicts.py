"""What a soak has to show, computed from what it found; and its picture.

Memory is flat when what it grows by does not follow what has passed: the slope of a straight line through the samples
of one process over the incidents that have passed, once the first of them have warmed it up. The store is bounded when
nothing in it is older than retention and one round of pruning allow, and when each incident leaves as many rows late
as early; both hold however fast the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import linear_regression, mean, median
from typing import Any

from verdicts import Figure

WARM_SHARE = 0.2  # of the samples, while caches and pools fill
FEWEST_SAMPLES = 20
SLOPE_MB, GROWTH = 1.0, 1.15
OVERDUE_SECONDS = 60.0  # an incident leaves with the next pruning, which has other things to do as well
LOST_THREADS = 100  # between forgetting an incident and its thread there is a moment
Samples = Sequence[dict[str, float]]


def figures(found: dict[str, Any], wanted: dict[str, int], *, retention_seconds: float) -> list[Figure]:
    """What was found, with what was wanted. A run too short for samples says nothing about memory and the store."""
    lines = [Figure(name=name, value=found[name], least=wanted[name]) for name in ("incidents", "drops", "restarts")]
    warm = found["samples"][int(len(found["samples"]) * WARM_SHARE) :]
    lines.extend(_doing_it_once(found))
    if len(warm) >= FEWEST_SAMPLES:
        lines.extend(_memory(warm))
        lines.extend(_store(warm, retention_seconds))
    return lines


def _doing_it_once(found: dict[str, Any]) -> Iterator[Figure]:
    broken, (verified, distinct, taken_back) = found["broken"], found["audited"]
    yield Figure(name="broken and not repaired", value=broken - found["incidents"], most=0)
    yield Figure(
        name="changes for each of them, by the API server's log", value=found["changes"] / broken, most=1, least=1
    )
    yield Figure(name="changes that landed twice", value=len(found["repeated"]), most=0)
    yield Figure(name="changes verified, by the audit trail", value=distinct, most=broken, least=broken)
    yield Figure(name="verified twice, undone or kept unverified", value=verified - distinct + taken_back, most=0)
    yield Figure(name="the audit trail is whole", value=int(found["audit_is_whole"]), least=1)


def _memory(warm: Samples) -> Iterator[Figure]:
    passed, resident = [one["passed"] for one in warm], [one["resident_mb"] for one in warm]
    slope = linear_regression(passed, resident).slope * 1000
    span = f"over {passed[-1] - passed[0]:,.0f} incidents in one process"
    yield Figure(
        name="memory grows by, per 1,000 incidents", value=round(slope, 2), unit="MB", most=SLOPE_MB, beside=span
    )
    ratio = median(resident[-len(resident) // 4 :]) / median(resident[: len(resident) // 4])
    yield Figure(name="memory, last quarter to first warm one", value=round(ratio, 3), unit="x", most=GROWTH)
    yield Figure(name="resident at the end", value=resident[-1], unit="MB")


def _store(warm: Samples, retention_seconds: float) -> Iterator[Figure]:
    oldest = max(one["oldest_seconds"] for one in warm)
    most = 2 * retention_seconds + OVERDUE_SECONDS
    yield Figure(name="oldest incident that was kept", value=oldest, unit="s", most=most)
    quarter = len(warm) // 4
    for what, part in (("rows", "rows of an incident"), ("threads", "threads of an incident")):
        each = [one[what] / max(one["incidents"], 1) for one in warm]
        ratio = mean(each[-quarter:]) / max(mean(each[:quarter]), 0.001)
        yield Figure(name=f"{part}, last quarter to first warm one", value=round(ratio, 3), unit="x", most=GROWTH)
    lost = warm[-1]["threads"] - warm[-1]["incidents"]
    yield Figure(name="threads of incidents that are forgotten", value=max(lost, 0), most=LOST_THREADS)
    yield Figure(name="incidents kept, at most", value=max(one["incidents"] for one in warm))
