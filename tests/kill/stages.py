"""The clusters on which the daemon is killed: an embedded one, twenty times as fast, or a real control plane."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from tests.kill.proxy import Proxy
from tests.kill.stories import Stage
from tests.world import SPEED, USER

if TYPE_CHECKING:  # the fast tests need neither it nor what it imports
    from tests.control_plane.harness import ControlPlane

EMBEDDED_SETTINGS = {"grace_seconds": 0.0, "settle_seconds": 10.0}
REAL_SETTINGS = {"grace_seconds": 0.0, "settle_seconds": 3.0}
REAL_LANES = 12  # seconds pass there at their own pace, and most of them in waiting


@asynccontextmanager
async def embedded_stage(folder: Path, *, speed: float = SPEED) -> AsyncIterator[Stage]:
    """A cluster of its own, with nothing in it yet."""
    with EmbeddedCluster(nodes=2, speed=speed) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="tests")) as admin:
            yield Stage(
                admin=admin,
                kubeconfig=cluster.kubeconfig(user=USER),
                folder=folder,
                speed=speed,
                settings=EMBEDDED_SETTINGS,
                proxy=lambda: Proxy(cluster.server),
                faults=cluster.faults,
            )


@asynccontextmanager
async def real_stage(control_plane: ControlPlane, folder: Path) -> AsyncIterator[Stage]:
    """A control plane that somebody else has started, with its kubelet."""
    trust = ssl.create_default_context(cafile=control_plane.ca_file)
    kubeconfig = json.loads(control_plane.kubeconfig().read_text())
    for cluster in kubeconfig["clusters"]:
        cluster["cluster"].pop("certificate-authority-data")
    connection = Connection(control_plane.server, control_plane.admin_token, str(control_plane.ca_file), "test")
    async with ApiClient(connection) as admin:
        yield Stage(
            admin=admin,
            kubeconfig=kubeconfig,
            folder=folder,
            speed=1.0,
            settings=REAL_SETTINGS,
            proxy=lambda: Proxy(control_plane.server, trust=trust),
            lanes=REAL_LANES,
        )
