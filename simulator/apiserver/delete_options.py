"""What a DELETE asks for: in its body, in its query, or both (the body leads)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.apiserver import status_errors

_POLICIES = ("Orphan", "Background", "Foreground")


@dataclass(frozen=True)
class DeleteOptions:
    """Seconds of grace (None: the object's own), how dependents go, and what the object must still be."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> "DeleteOptions":
        """Raises StatusError 400 for a grace period or policy that is none."""
        sent = dict(body or {})
        grace = sent.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        policy = sent.get("propagationPolicy") or query.get("propagationPolicy")
        orphan = sent.get("orphanDependents", query.get("orphanDependents"))
        if policy is None and orphan is not None:
            policy = "Orphan" if orphan in (True, "true") else "Background"
        if policy is not None and policy not in _POLICIES:
            raise status_errors.bad_request(f"invalid propagationPolicy {policy!r}: use one of {', '.join(_POLICIES)}")
        conditions = sent.get("preconditions") or {}
        return cls(
            grace_period_seconds=_seconds(grace),
            propagation_policy=policy,
            uid=conditions.get("uid"),
            resource_version=conditions.get("resourceVersion"),
            dry_run="All" in (sent.get("dryRun") or [query.get("dryRun")]),
        )


def _seconds(value: Any) -> int | None:
    if value is None:
        return None
    try:
        seconds = int(value)
    except (TypeError, ValueError) as error:
        raise status_errors.bad_request(f"invalid gracePeriodSeconds {value!r}: use whole seconds") from error
    return max(seconds, 1) if seconds < 0 else seconds
