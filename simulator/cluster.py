"""The embedded cluster: API server, controllers, scheduler, kubelet and registry in one thread of its own.

Owns their life: started together, ready together, stopped together; if one ends, all end and `stop` says
why. The thread has an event loop of its own, so that the cluster can be used from plain code, from other event
loops and from notebooks alike. Everything but the API server is a client of it, over loopback HTTP.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import yaml
from aiohttp import web

from simulator.api_client import ApiClient, Connection
from simulator.apiserver import ApiServer
from simulator.apiserver.authentication import prefix
from simulator.apiserver.faults import Faults
from simulator.apiserver.objects import Object, copy_of
from simulator.apiserver.request_log import RequestRecord
from simulator.clock import SimClock
from simulator.collector import patient_collector
from simulator.controllers.runner import run_controllers
from simulator.kubelet.catalogue import Catalogue, load_catalogue
from simulator.kubelet.kubelet import Kubelet, KubeletOptions
from simulator.kubelet.metrics import register_metrics
from simulator.registry import registry_app
from simulator.scheduler.scheduler import run_scheduler
from simulator.storage.runner import run_storage

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
NODES = "system:nodes"
# The scheduler has its own from the start; the nodes' programs reach Services as a kube-proxy would.
_ROLES = ((CONTROLLER_MANAGER, "cluster-admin"), (NODES, "system:node"), (NODES, "system:node-proxier"))
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_NAME = "embedded"
T = TypeVar("T")


class ClusterError(RuntimeError):
    """The cluster did not start, or one of its parts failed while it ran; the cause is chained."""


class EmbeddedCluster:
    """A cluster on loopback; `with EmbeddedCluster() as cluster: ...`, or `start` and `stop`.

    `speed` divides every wait of the cluster (timestamps stay real), `seed` makes its choices repeatable, `port`
    0 takes a free one. With `rbac` a user may do what roles allow (admin is in system:masters), else everything.
    `catalogue` says which images there are, None: those that ship. One instance is started once.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        speed: float = 1.0,
        seed: int = 0,
        port: int = 0,
        rbac: bool = False,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Raises ValueError for a speed that is not positive or a negative number of nodes."""
        if nodes < 0:
            raise ValueError(f"nodes must be 0 or more, not {nodes}")
        self._clock = SimClock(speed)
        self._nodes = nodes
        self._catalogue = catalogue
        self._seed = seed
        self._api = ApiServer(port=port, seed=seed, rbac=rbac)
        self._rbac = rbac
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._registry = ""

    def start(self) -> Self:
        """Returns when the API answers and every node is Ready. Raises ClusterError."""
        if self._thread is not None:
            raise ClusterError("an EmbeddedCluster is started once: make another one")
        self._thread = threading.Thread(target=self._run_thread, name="embedded-cluster", daemon=True)
        self._thread.start()
        try:
            self._ready.result(timeout=_START_SECONDS)
        except Exception as error:  # whatever a part failed with: it goes on as the cause
            self._end_thread()
            raise ClusterError(f"the embedded cluster did not start: {error!r}") from error
        return self

    def stop(self) -> None:
        """Ends everything; harmless to repeat. Raises ClusterError if a part had failed meanwhile."""
        self._end_thread()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise ClusterError(f"a part of the embedded cluster failed: {failure!r}") from failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it was started and has neither been stopped nor failed; `stop` tells of what."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def server(self) -> str:
        """Where the API is: "http://127.0.0.1:PORT"."""
        return self._api.url

    @property
    def registry(self) -> str:
        """Where the OCI registry is: "127.0.0.1:PORT", plain http."""
        return self._registry

    @property
    def admin_token(self) -> str:
        return self.token(ADMIN)

    def token(self, user: str, groups: tuple[str, ...] | None = None) -> str:
        """The bearer token of a user; the user becomes known by asking, and its groups by the first call (None: the
        usual ones). The request log shows its name.
        """
        return self._api.authenticator.token(user, groups)

    @property
    def faults(self) -> Faults:
        """Faults on demand: `cluster.faults.refuse(429, verb="patch")`."""
        return self._api.faults

    def kubeconfig(self, *, user: str = ADMIN) -> dict[str, Any]:
        """A kubeconfig for one user.

        The token also stands in the server's path: kubectl sends no bearer token over plain http.
        """
        token = self.token(user)
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": _NAME, "cluster": {"server": self.server + prefix(token)}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": user}}],
            "current-context": _NAME,
        }

    def write_kubeconfig(self, path: str | Path, *, user: str = ADMIN) -> Path:
        """Writes the kubeconfig, readable by its owner alone."""
        target = Path(path)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o600)  # the file may have been there with wider rights
            yaml.safe_dump(self.kubeconfig(user=user), file)
        return target

    def requests(self) -> list[RequestRecord]:
        """Every request the API server has answered, oldest first, as far as it remembers."""
        return self._api.log.records()

    def dump(self) -> dict[str, Object]:
        """Every object now, keyed "apps/v1/Deployment/NAMESPACE/NAME"; copies, to do with as one likes."""
        found: dict[str, Object] = copy_of(self._on_loop(self._api.dump))
        return found

    def forget_history(self) -> None:
        """Makes every watch and list continuation of the past 410, as a compaction of etcd does."""
        self._on_loop(self._api.forget_history)

    def _on_loop(self, call: Callable[[], T]) -> T:
        """The result of a call made on the cluster's own thread; made here once that has ended."""
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            return call()

        async def made() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result(timeout=_STOP_SECONDS)

    def _end_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            return
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run_thread(self) -> None:
        try:
            with patient_collector():
                asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - the thread's last stand: kept for start or stop to raise
            if self._ready.done():
                self._failure = error
            else:
                self._ready.set_exception(error)

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        catalogue = self._catalogue or load_catalogue()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._api)
            self._registry = await stack.enter_async_context(_serving(registry_app(catalogue)))
            users = (CONTROLLER_MANAGER, SCHEDULER, NODES)
            if self._rbac:
                for user, role in _ROLES:
                    await self._api.bind_role(role, user)
            clients = [await stack.enter_async_context(self._client(user)) for user in users]
            await self._run_parts(catalogue, *clients)

    async def _run_parts(
        self, catalogue: Catalogue, manager: ApiClient, scheduler: ApiClient, nodes: ApiClient
    ) -> None:
        if self._stopping is None:
            raise ClusterError("the parts run inside _run")
        options = KubeletOptions(nodes=self._nodes, seed=self._seed)
        kubelet = Kubelet(nodes, self._clock, catalogue, options)
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(run_controllers(manager, self._clock), name="controllers"),
                group.create_task(run_scheduler(scheduler, self._clock, seed=self._seed), name="scheduler"),
                group.create_task(kubelet.run(), name="kubelet"),
                group.create_task(run_storage(manager, self._clock), name="storage"),
            ]
            await kubelet.ready.wait()
            await register_metrics(manager, kubelet.log_port)
            self._ready.set_result(None)
            await self._stopping.wait()
            for part in parts:
                part.cancel()

    def _client(self, user: str) -> ApiClient:
        return ApiClient(Connection(self.server, self.token(user), user_agent=user.removeprefix("system:")))


@asynccontextmanager
async def _serving(app: web.Application) -> AsyncIterator[str]:
    """Serves an application on a free port of loopback; yields its HOST:PORT."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
