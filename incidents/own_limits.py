"""Which of its own limits a pod was evicted for, and how long it had lived: as the kubelet leaves it in its status.

Messages: pkg/kubelet/eviction (emptyDirMessageFmt, podEphemeralStorageMessageFmt, containerEphemeralStorageMessageFmt),
Kubernetes v1.36. What a node that runs short evicts says something else, and is no pod's own doing.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from incidents.objects import Manifest
from incidents.pod_health import container_statuses, timestamp

_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_AMOUNT = r"[0-9][0-9A-Za-z.]{0,30}"
Of = Literal["volume", "container", "pod"]
_SAID: tuple[tuple[Of, re.Pattern[str]], ...] = (
    ("volume", re.compile(rf'Usage of EmptyDir volume "(?P<name>{_NAME})" exceeds the limit "(?P<limit>{_AMOUNT})"\.')),
    (
        "pod",
        re.compile(
            rf"Pod ephemeral local storage usage exceeds the total limit of containers (?P<limit>{_AMOUNT})\.(?P<name>)"
        ),
    ),
    (
        "container",
        re.compile(rf'Container (?P<name>{_NAME}) exceeded its local ephemeral storage limit "(?P<limit>{_AMOUNT})"\.'),
    ),
)


class Exceeded(msgspec.Struct, frozen=True):
    """The limit that was exceeded, as the kubelet writes it: of a volume, of a container, or of all containers."""

    of: Of
    name: str
    limit: str


def exceeded(pod: Manifest) -> Exceeded | None:
    """The limit of its own for which a pod was evicted; None for every other end, and while there is none."""
    said = str(pod.get("status", {}).get("message") or "") if was_evicted(pod) else ""
    for of, pattern in _SAID:
        if match := pattern.match(said):
            return Exceeded(of, match["name"], match["limit"])
    return None


def was_evicted(pod: Manifest) -> bool:
    """Whether a pod is over because the kubelet has put it out."""
    status = pod.get("status", {})
    return (status.get("phase"), status.get("reason")) == ("Failed", "Evicted")


def lived_seconds(pod: Manifest) -> float | None:
    """How long a pod that is over has lived, in seconds as the cluster dates them; None where nothing tells."""
    began = timestamp(pod.get("status", {}).get("startTime")) or timestamp(pod["metadata"].get("creationTimestamp"))
    ends = [(one.get("state") or {}).get("terminated") or {} for one in container_statuses(pod)]
    moments = [moment for end in ends if (moment := timestamp(end.get("finishedAt"))) is not None]
    return max(0.0, (max(moments) - began).total_seconds()) if began is not None and moments else None
