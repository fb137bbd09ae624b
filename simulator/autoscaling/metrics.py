"""What pods use, as the metrics API (metrics.k8s.io) reports it. Errors speak as kube-controller-manager's do.

After pkg/controller/podautoscaler/metrics/client.go in Kubernetes v1.36.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.clock import parse_time
from simulator.informer import Object
from simulator.quantities import parse

_PATH = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
_DURATION = re.compile(r"(?:(?P<minutes>[\d.]+)m)?(?:(?P<seconds>[\d.]+)s)?")
_PLAIN_WORDS = {
    404: "the server could not find the requested resource",
    503: "the server is currently unable to handle the request",
}
"""What client-go says of answers that are no Status: those of a group that is not served, or not at the moment."""


class MetricsError(Exception):
    """There is nothing to go by; the message is that of the event."""


@dataclass(frozen=True)
class Usage:
    """Of one pod: thousandths, since when, and over how many seconds."""

    milli: int
    at: datetime
    window_seconds: float


async def pod_usage(
    client: ApiClient, namespace: str, selector: str, resource: str, container: str = ""
) -> dict[str, Usage]:
    """By name of the pod; pods without complete figures are left out. Raises MetricsError."""
    try:
        found = await client.request("GET", _PATH.format(namespace), query={"labelSelector": selector})
    except ApiError as error:
        plain = _PLAIN_WORDS.get(error.code)
        why = f"{plain} (get pods.metrics.k8s.io)" if plain else error.message
        said = f"unable to get metrics for resource {resource}: unable to fetch metrics from resource metrics API: "
        raise MetricsError(said + why) from error
    items = found.get("items") or []
    if not items:
        said = f"unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
        raise MetricsError(said)
    usages = ((item["metadata"]["name"], _usage(item, resource, container)) for item in items)
    return {name: usage for name, usage in usages if usage is not None}


def _usage(item: Object, resource: str, container: str) -> Usage | None:
    counted: list[dict[str, Any]] = [one for one in item.get("containers") or () if container in ("", one["name"])]
    if not counted or any(resource not in (one.get("usage") or {}) for one in counted):
        return None
    total = sum(-int(-parse(one["usage"][resource]) * 1000 // 1) for one in counted)
    return Usage(int(total), parse_time(item["timestamp"]), _seconds(item.get("window", "0s")))


def _seconds(duration: str) -> float:
    """A Go duration of minutes and seconds, as metrics-server writes windows."""
    found = _DURATION.fullmatch(duration)
    return float(found["minutes"] or 0) * 60 + float(found["seconds"] or 0) if found else 0.0
