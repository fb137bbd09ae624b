"""LangGraph Studio: the graph that ``langgraph.json`` names, and the cluster that it works on there.

LangGraph's development server asks for the graph once a run and once a drawing, so nothing is opened then: a
``server`` without routes of its own, which ``langgraph.json`` names too, opens everything when the process starts
and closes it at its end. Both are named as modules, not as files: a file would be loaded twice, each time with a
cluster of its own.

Which cluster: the one of ``K8S_AUTO_FIXER_KUBECONFIG``, in the mode of the settings (suggest by default); without that
setting an embedded one with a few broken workloads in it, in mode approve. No other kubeconfig is ever read. On the
embedded one the work on some of them is begun here, each in a thread that carries its subject; one is left for
plain words. Threads and checkpoints are the development server's; incidents, decisions and changes are in our store,
as everywhere, so that a thread that is led back in time finds there what has been done.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import structlog
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import LangGraphError
from starlette.applications import Starlette

from app.composition import App, Graph, open_app
from app.names import check_names
from app.practice import open_practice
from app.settings import PREFIX, load_settings
from incidents.incident import Incident
from incidents.policy import Mode

GRAPH = "k8s-auto-fixer"  # as langgraph.json calls it
BEGUN, LEFT = ("crash-after-rollout", "ambiguous"), "image-typo"  # scenarios: begun here, and left for plain words
OPEN_SECONDS, BEGIN_SECONDS = 60.0, 60.0  # real seconds
AGAIN_SECONDS = 0.5

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
        if os.environ.get(f"{PREFIX}KUBECONFIG"):
            async with open_app(load_settings(), stepwise=True) as app, _opened_as(app):
                yield
            return
        async with open_practice(mode=Mode.APPROVE) as practice, _opened_as(practice.app):
            broken = await practice.break_(*await practice.stand(*BEGUN, LEFT))
            beginning = asyncio.create_task(_begin(broken[: len(BEGUN)]))
            try:
                yield
            finally:
                beginning.cancel()
                await asyncio.gather(beginning, return_exceptions=True)
    except Exception as error:
        log.error("studio.failed", because=str(error))
        raise
    finally:
        _opened.set(None)


server = Starlette(lifespan=_open)


@asynccontextmanager
async def _opened_as(app: App) -> AsyncIterator[None]:
    _opened.set(app)
    log.info("studio.open", server=app.reader.server, mode=app.policy.mode.value)
    yield


async def _begin(incidents: Sequence[Incident]) -> None:
    """Begin the work on them, once the server answers: it opens its doors after this module."""
    try:
        async with asyncio.timeout(BEGIN_SECONDS), get_client() as client:
            for incident in incidents:
                while not await _begun(client, incident):  # noqa: ASYNC110 - the server has no event to wait for
                    await asyncio.sleep(AGAIN_SECONDS)
                log.info("studio.begun", thread=incident.id, subject=str(incident.subject))
    except TimeoutError:
        log.warning("studio.not_begun", because="the server did not answer in time", seconds=BEGIN_SECONDS)


async def _begun(client: LangGraphClient, incident: Incident) -> bool:
    about = {"subject": str(incident.subject)}
    try:
        await client.threads.create(thread_id=incident.id, metadata=about, if_exists="do_nothing")
        await client.runs.create(incident.id, GRAPH, input={"incident": {"id": incident.id}}, metadata=about)
    except (httpx.HTTPError, LangGraphError) as error:
        log.debug("studio.not_yet", because=str(error))
        return False
    return True
