"""LangGraph Studio: the graph that ``langgraph.json`` names, and the cluster that it works on there.

LangGraph's development server asks for the graph once a run and once a drawing, so nothing is opened then: a
``server`` without routes of its own, which ``langgraph.json`` names too, opens everything when the process starts
and closes it at its end. Both are named as modules, not as files: a file would be loaded twice, each time with a
cluster of its own.

Which cluster: the one of ``K8S_AUTO_FIXER_KUBECONFIG``, in the mode of the settings (suggest by default); without that
setting an embedded one with a broken Deployment in it, in mode auto. No other kubeconfig is ever read. Threads
and checkpoints are the development server's; incidents and changes are in our store, as everywhere.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from starlette.applications import Starlette

from app.composition import App, Graph, open_app
from app.names import check_names
from app.settings import PREFIX, embedded_settings, load_settings
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, Connection
from simulator.scenario import apply_break, apply_setup, load_scenario, until_settled
from tools.notify import FileNotifier

SCENARIO = "image-typo"
SPEED = 20.0  # of the embedded cluster: a minute of settling is three seconds
USER = "k8s-auto-fixer"
OPEN_SECONDS, SETTLED_SECONDS = 30.0, 30.0  # real seconds

log = structlog.get_logger(__name__)


class _Opened:
    """What the process has open: runs that a restart took up again wait for it."""

    def __init__(self) -> None:
        self._there = asyncio.Event()
        self._app: App | None = None

    def set(self, app: App | None) -> None:
        self._app = app
        if app is None:
            self._there.clear()
        else:
            self._there.set()

    async def app(self) -> App:
        """Raises TimeoutError when nothing has been opened in time: ``langgraph.json`` has lost its ``http.app``."""
        async with asyncio.timeout(OPEN_SECONDS):
            await self._there.wait()
        if self._app is None:
            raise RuntimeError("the server is ending")
        return self._app


_opened = _Opened()


async def graph() -> Graph:
    """The graph, without a checkpointer of ours: the development server puts in its own."""
    opened: Graph = (await _opened.app()).graph.copy(update={"checkpointer": None})
    return opened


@asynccontextmanager
async def _open(_: Starlette) -> AsyncIterator[None]:
    """Everything, from the server's start to its end. Raises what cannot be opened, after one line that says so."""
    await asyncio.to_thread(check_names)
    try:
        async with _chosen_app() as app:
            _opened.set(app)
            log.info("studio.open", server=app.reader.server, mode=app.policy.mode.value)
            yield
    except Exception as error:
        log.error("studio.failed", because=str(error))
        raise
    finally:
        _opened.set(None)


server = Starlette(lifespan=_open)


@asynccontextmanager
async def _chosen_app() -> AsyncIterator[App]:
    if os.environ.get(f"{PREFIX}KUBECONFIG"):
        async with open_app(load_settings()) as app:
            yield app
        return
    async with _folder() as folder, _embedded_cluster() as cluster, _embedded_app(cluster, folder) as app:
        yield app


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder for the store; made and removed in a thread, since the server refuses calls that block its loop."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="k8s-auto-fixer-studio-")
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


@asynccontextmanager
async def _embedded_cluster() -> AsyncIterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(speed=SPEED)
    await asyncio.to_thread(cluster.start)
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.stop)


@asynccontextmanager
async def _embedded_app(cluster: EmbeddedCluster, folder: Path) -> AsyncIterator[App]:
    """An app on the embedded cluster, which has seen the workload well before it was broken."""
    notices = FileNotifier(folder / "notices.jsonl")  # nobody is to be called about a made-up cluster
    connection = Connection(cluster.server, cluster.admin_token, user_agent="studio")
    scenario = await asyncio.to_thread(load_scenario, SCENARIO)
    async with ApiClient(connection) as admin:
        await apply_setup(admin, scenario)
        async with asyncio.timeout(SETTLED_SECONDS):
            await until_settled(admin, scenario)
        async with open_app(
            embedded_settings(folder), kubeconfig=cluster.kubeconfig(user=USER), speed=SPEED, notifier=notices
        ) as app:
            await app.daemon().sweep()  # so that the revision which works is known before it is broken
            await apply_break(admin, scenario)
            yield app
