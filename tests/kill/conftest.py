"""An embedded cluster to play on, with nothing in it yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from tests.kill.proxy import Proxy
from tests.kill.stories import Stage
from tests.world import SPEED, USER

SETTINGS = {"grace_seconds": 0.0, "settle_seconds": 10.0}
Staging = Callable[[], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """Opens the stage."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stage]:
        with EmbeddedCluster(nodes=2, speed=SPEED) as cluster:
            async with ApiClient(Connection(cluster.server, cluster.admin_token, user_agent="tests")) as admin:
                yield Stage(
                    admin=admin,
                    kubeconfig=cluster.kubeconfig(user=USER),
                    folder=tmp_path,
                    speed=SPEED,
                    settings=SETTINGS,
                    proxy=lambda: Proxy(cluster.server),
                    faults=cluster.faults,
                )

    return opened
