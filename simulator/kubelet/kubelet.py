"""All the nodes of one simulated kubelet process, and which pod runs where.

One watch of the cluster's pods serves every node. A pod that appears on one of them is admitted and gets a worker; one
that is marked for deletion is told to end; one that vanished is dropped without a word.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from simulator.api_client import ApiClient
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder
from simulator.informer import Informer, Object
from simulator.kubelet.admission import admit
from simulator.kubelet.catalogue import Catalogue
from simulator.kubelet.container_state import ContainerState
from simulator.kubelet.eviction import EvictionManager
from simulator.kubelet.filling import Contents
from simulator.kubelet.images import NodeImages, RegistryHosts
from simulator.kubelet.joining import Joining
from simulator.kubelet.log_server import log_app
from simulator.kubelet.metrics import add_metrics_routes
from simulator.kubelet.network import Network
from simulator.kubelet.node import NodeAgent
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.pod_worker import PodWorker
from simulator.node_fit import PodRequests
from simulator.resources import PODS

log = logging.getLogger(__name__)

_ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class KubeletOptions:
    """``nodes``: how many; ``tls``: serve logs over https with this context, as a real API server expects."""

    nodes: int = 3
    seed: int = 0
    tls: ssl.SSLContext | None = None
    name_prefix: str = "node"


class Kubelet:
    """``run`` is the one task; ``ready`` is set once every node is registered and Ready."""

    def __init__(
        self, client: ApiClient, clock: SimClock, catalogue: Catalogue, options: KubeletOptions | None = None
    ) -> None:
        self._options = options or KubeletOptions()
        self._client = client
        self._clock = clock
        self._recorder = EventRecorder(client, clock)
        self._pods = Informer(client, PODS, clock=clock)
        self._pods.on_change(self._pod_changed)
        self._workers: dict[str, tuple[PodWorker, asyncio.Task[None]]] = {}
        self._by_node: dict[str, dict[str, PodWorker]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._hosts = RegistryHosts(catalogue, clock)
        self._network = Network(client, self._listens)
        self._evictions = EvictionManager(clock, self._recorder)
        self._contents = Contents()
        self.ready = asyncio.Event()
        self.log_port = 0  # metrics are there, too
        names = (f"{self._options.name_prefix}-{number + 1}" for number in range(self._options.nodes))
        self.nodes = {name: self._node(name, number) for number, name in enumerate(names)}
        self._joining = Joining(client, clock, self.nodes, self._join)

    def _node(self, name: str, number: int) -> NodeContext:
        return NodeContext(
            name=name,
            index=number + 1,
            address=_ADDRESS,
            client=self._client,
            clock=self._clock,
            recorder=self._recorder,
            images=NodeImages(self._hosts),
            network=self._network,
            random=random.Random(f"{self._options.seed}/{number}"),
            requested_by_others=partial(self._requested, name),
            contents=self._contents,
        )

    async def run(self) -> None:
        """Serve logs and metrics, register the nodes and run their pods until cancelled."""
        app = log_app(self._find, self._clock)
        add_metrics_routes(app, self.workers, self.nodes, self._clock)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, _ADDRESS, 0, ssl_context=self._options.tls)
            await site.start()
            self.log_port = int(runner.addresses[0][1])
            await self._run_nodes()
        finally:
            await runner.cleanup()

    async def _run_nodes(self) -> None:
        agents = [self._agent(node) for node in self.nodes.values()]
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._recorder.run())
            for agent in agents:
                group.create_task(agent.run())
            group.create_task(self._pods.run())
            for agent in agents:
                await agent.ready.wait()
            await self._pods.synced.wait()
            group.create_task(self._evictions.run(self.nodes, self._on_node))
            group.create_task(self._joining.run())
            self.ready.set()

    def _agent(self, node: NodeContext) -> NodeAgent:
        return NodeAgent(node, port=self.log_port, scheme="https" if self._options.tls else "http")

    def _join(self, name: str) -> None:
        """Make a node of the cluster that nobody runs one of this process, with the pods that are there already."""
        if self._group is None:
            return
        self.nodes[name] = self._node(name, len(self.nodes))
        self._group.create_task(self._agent(self.nodes[name]).run())
        for pod in self._pods.all():
            if pod["spec"].get("nodeName") == name:
                self._pod_changed(None, pod)

    def workers(self) -> Iterator[PodWorker]:
        """Every pod that is on one of the nodes."""
        return (worker for worker, _ in self._workers.values())

    def _on_node(self, name: str) -> list[PodWorker]:
        return [worker for worker in self._by_node.get(name, {}).values() if worker.is_active]

    def _requested(self, node: str, without_uid: str) -> PodRequests:
        others = (item.requests for uid, item in self._by_node.get(node, {}).items() if uid != without_uid)
        return sum(others, PodRequests())

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._drop(old["metadata"]["uid"])
            return
        node = self.nodes.get(new["spec"].get("nodeName", ""))
        if node is None or node.is_silent:
            return
        metadata = new["metadata"]
        found = self._workers.get(metadata["uid"])
        if found is None:
            self._admit(new, node)
        else:
            found[0].update(new)
        if metadata.get("deletionTimestamp") and metadata["uid"] in self._workers:
            self._workers[metadata["uid"]][0].end(float(metadata.get("deletionGracePeriodSeconds") or 0))

    def _admit(self, pod: Object, node: NodeContext) -> None:
        ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if self._group is None or (ended and not pod["metadata"].get("deletionTimestamp")):
            return
        worker = PodWorker(pod, node)
        uid = pod["metadata"]["uid"]
        refused = None if ended or pod.get("status", {}).get("startTime") else admit(pod, node)
        if refused is not None:
            worker.refuse(refused)
        task = self._group.create_task(self._run_worker(uid, worker))
        self._workers[uid] = (worker, task)
        self._by_node.setdefault(node.name, {})[uid] = worker
        self._evictions.look_at(node.name)

    async def _run_worker(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # one pod with an odd spec must not take its node down
            log.exception("pod %s/%s", worker.pod["metadata"]["namespace"], worker.pod["metadata"]["name"])
        finally:
            self._workers.pop(uid, None)
            self._by_node[worker.node.name].pop(uid, None)
            for other in self._on_node(worker.node.name):
                other.room_was_made()

    def _drop(self, uid: str) -> None:
        found = self._workers.pop(uid, None)
        if found is not None:
            found[1].cancel()

    def _listens(self, address: str, port: int) -> bool:
        """Whether a process answers at a pod's address."""
        return any(
            state.process.listens(port)
            for worker in self.workers()
            if worker.address == address
            for state in (*worker.init, *worker.regular)
            if state.process is not None
        )

    def _find(self, namespace: str, pod: str, container: str) -> ContainerState | None:
        for worker in self.workers():
            metadata = worker.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, pod):
                states = [*worker.init, *worker.regular]
                return next((state for state in states if state.name == container), None)
        return None
