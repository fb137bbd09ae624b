"""The two sides: where each one is, and what only its owner can make it do.

Owns the difference between them, so that a check knows none. The embedded cluster runs twenty times as fast; no check
may depend on how long something takes. Both authorise by RBAC.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from tests.control_plane.harness import ControlPlane

SideName = Literal["embedded", "real"]
EMBEDDED_SPEED = 20.0
_NODES = 3
_REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Side:
    """A running cluster with the administrator's rights on it."""

    name: SideName
    http: httpx.Client
    kubeconfig: Path
    cache: Path  # kubectl's memory of the discovery documents; shared by all checks
    forget_history: Callable[[], None]  # what a compaction does


@contextmanager
def embedded_side(folder: Path) -> Iterator[Side]:
    """An embedded cluster of its own."""
    from simulator import EmbeddedCluster  # here, so that the real side needs nothing of it but the kubelet

    with EmbeddedCluster(nodes=_NODES, speed=EMBEDDED_SPEED, rbac=True) as cluster:
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        with _client(cluster.server, cluster.admin_token, verify=False) as http:
            yield Side("embedded", http, kubeconfig, folder / "cache", cluster.forget_history)


@contextmanager
def real_side(control_plane: ControlPlane, folder: Path) -> Iterator[Side]:
    """The session's control plane, with the simulator's kubelet for nodes."""
    control_plane.start_kubelet(_NODES)
    trusted = ssl.create_default_context(cafile=control_plane.ca_file)
    with _client(control_plane.server, control_plane.admin_token, verify=trusted) as http:
        # Nothing to do: a real server forgets by itself, and compacting etcd beneath it does not make it forget.
        yield Side("real", http, control_plane.kubeconfig(), folder / "cache", lambda: None)


def _client(server: str, token: str, *, verify: ssl.SSLContext | bool) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "conformance"}
    return httpx.Client(base_url=server, headers=headers, verify=verify, timeout=_REQUEST_SECONDS, trust_env=False)
