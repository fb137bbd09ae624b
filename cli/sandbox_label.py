"""By what a cluster shows that it may be broken: a label on its namespace kube-system.

``cluster start`` sets it on the cluster it has made, with a value of its own. On any other cluster a person sets it, by
hand and once: ``kubectl label namespace kube-system k8s-auto-fixer/sandbox=true``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

SANDBOX_LABEL = "k8s-auto-fixer/sandbox"
EMBEDDED_VALUE, LABELLED_VALUE = "embedded", "true"


class Sandbox(Enum):
    """What may be done to a cluster."""

    EMBEDDED = "embedded"  # made by us to be broken: no need to ask
    LABELLED = "labelled"  # somebody has said that it may be broken: ask all the same
    NONE = "none"


def sandbox_of(kube_system: Mapping[str, Any], server: str) -> Sandbox:
    """What the namespace's label says. Only a cluster on this machine's loopback is believed to be an embedded one."""
    value = (kube_system["metadata"].get("labels") or {}).get(SANDBOX_LABEL)
    if value == EMBEDDED_VALUE and _on_loopback(server):
        return Sandbox.EMBEDDED
    return Sandbox.LABELLED if value in (EMBEDDED_VALUE, LABELLED_VALUE) else Sandbox.NONE


def _on_loopback(server: str) -> bool:
    parts = urlsplit(server)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
