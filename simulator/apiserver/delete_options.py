"""What a DELETE asks for: in its body, or without one in its query."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.apiserver import status_errors
from simulator.apiserver.field_errors import FieldError, invalid_value, unsupported
from simulator.apiserver.kind import Kind

_POLICIES = ("Foreground", "Background", "Orphan")
_OPTIONS = Kind("meta.k8s.io", "v1", "DeleteOptions", "deleteoptions")


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
        """Raises StatusError 400 for what cannot be read, 422 for what makes no sense."""
        sent = dict(body or {})
        query = {} if sent else query  # DeleteResource reads either, a dry run included
        if sent.get("kind", "DeleteOptions") != "DeleteOptions":
            version, kind = sent.get("apiVersion", ""), sent["kind"]
            text = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
            raise status_errors.bad_request(text)
        grace = sent.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        policy = sent.get("propagationPolicy") or query.get("propagationPolicy")
        orphan = sent.get("orphanDependents", query.get("orphanDependents"))
        dry_run = sent.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
        errors = list(_errors(policy, orphan, dry_run))
        if errors:
            raise status_errors.invalid(_OPTIONS, "", errors)
        if policy is None and orphan is not None:
            policy = "Orphan" if orphan in (True, "true", "1") else "Background"
        conditions = sent.get("preconditions") or {}
        return cls(
            grace_period_seconds=_seconds(grace),
            propagation_policy=policy,
            uid=conditions.get("uid"),
            resource_version=conditions.get("resourceVersion"),
            dry_run=bool(dry_run),
        )


def _errors(policy: Any, orphan: Any, dry_run: list[Any]) -> Iterator[FieldError]:
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        yield invalid_value("propagationPolicy", policy, why)
    elif policy is not None and policy not in _POLICIES:
        yield unsupported("propagationPolicy", policy, (*_POLICIES, "nil"))
    if any(one != "All" for one in dry_run):
        yield unsupported("dryRun", dry_run, ("All",))


def _seconds(value: Any) -> int | None:
    if value is None:
        return None
    try:
        seconds = int(value)
    except (TypeError, ValueError) as error:
        raise status_errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from error
    return max(seconds, 1) if seconds < 0 else seconds
