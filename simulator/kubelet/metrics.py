"""The metrics API (metrics.k8s.io/v1beta1): working set and cpu of every running container, of pods and of nodes.

What metrics-server would gather from kubelets, served by the kubelet process itself beside its logs. An API server
passes requests on to it once the two objects of ``metrics_manifests`` exist: a Service that leads to loopback by name,
and the APIService that points at it. The figures are those of the moment; ``window`` is metrics-server's.
Nodes are not chosen by label.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import orjson
from aiohttp import web

from simulator.api_client import ApiClient, Resource
from simulator.clock import SimClock
from simulator.kubelet.container_state import ContainerState
from simulator.kubelet.pod_worker import PodWorker
from simulator.resources import SERVICES

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
_API_VERSION = f"{GROUP}/{VERSION}"
_BASE = f"/apis/{_API_VERSION}"
_SERVICE = "simulated-kubelet-metrics"
_NAMESPACE = "kube-system"
_API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
_NODE_MILLICORES, _NODE_MEBIBYTES = 40.0, 300.0  # what a node uses for itself

_WORD = r"[\w./-]+"
_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)?\s*(?P<name>{_WORD})"
    rf"(?:\s*(?P<sign>!=|==|=)\s*(?P<value>[\w.-]*)|\s+(?P<word>in|notin)\s*\((?P<values>[\w.,\s-]*)\))?)\s*(?:,|$)"
)

Workers = Callable[[], Iterable[PodWorker]]


def metrics_manifests(port: int, scheme: Literal["https", "http"] = "https") -> list[dict[str, Any]]:
    """The Service and the APIService by which an API server on this machine finds the metrics API at ``port``.

    A real API server speaks https alone; for an embedded one ``http`` says that there is no TLS.
    """
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": _SERVICE, "namespace": _NAMESPACE}}
    leads_to: dict[str, Any] = {"type": "ExternalName", "externalName": "localhost"}
    if scheme == "http":
        leads_to["ports"] = [{"port": port, "appProtocol": scheme}]
    spec = {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": _SERVICE, "namespace": _NAMESPACE, "port": port},
    }
    return [
        service | {"spec": leads_to},
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": spec,
        },
    ]


async def register_metrics(client: ApiClient, port: int) -> None:
    """Makes an embedded API server pass the metrics API on to ``port``, which speaks http. Raises ApiError."""
    service, registration = metrics_manifests(port, "http")
    await client.create(SERVICES, service)
    await client.create(_API_SERVICES, registration)


def add_metrics_routes(app: web.Application, workers: Workers, nodes: Iterable[str], clock: SimClock) -> None:
    """Serve the metrics API of these pods and nodes from ``app``."""
    metrics = _Metrics(workers, tuple(nodes), clock)
    router = app.router
    router.add_get(_BASE, metrics.discovery)
    router.add_get(f"/apis/{GROUP}", metrics.group)
    router.add_get(f"{_BASE}/nodes", metrics.node_list)
    router.add_get(f"{_BASE}/nodes/{{name}}", metrics.node)
    router.add_get(f"{_BASE}/pods", metrics.pod_list)
    router.add_get(f"{_BASE}/namespaces/{{namespace}}/pods", metrics.pod_list)
    router.add_get(f"{_BASE}/namespaces/{{namespace}}/pods/{{name}}", metrics.pod)


class _Metrics:
    """The handlers behind the routes."""

    def __init__(self, workers: Workers, nodes: tuple[str, ...], clock: SimClock) -> None:
        self._workers = workers
        self._nodes = nodes
        self._clock = clock

    async def discovery(self, request: web.Request) -> web.Response:
        """The APIResourceList."""
        verbs = ["get", "list"]
        resources = [
            {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs}
            for plural, kind, namespaced in (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))
        ]
        return _json(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _API_VERSION, "resources": resources}
        )

    async def group(self, request: web.Request) -> web.Response:
        """The APIGroup."""
        version = {"groupVersion": _API_VERSION, "version": VERSION}
        group = {"kind": "APIGroup", "apiVersion": "v1", "name": GROUP}
        return _json(group | {"versions": [version], "preferredVersion": version})

    async def node_list(self, request: web.Request) -> web.Response:
        """All nodes."""
        return _list("NodeMetricsList", [self._node_metrics(name) for name in self._nodes])

    async def node(self, request: web.Request) -> web.Response:
        """One node."""
        name = request.match_info["name"]
        return _json(self._node_metrics(name)) if name in self._nodes else _not_found("nodes", name)

    async def pod_list(self, request: web.Request) -> web.Response:
        """The pods of a namespace, or all of them; those without a running container have no metrics."""
        namespace = request.match_info.get("namespace")
        try:
            fits = _selector(request.query.get("labelSelector", ""))
        except ValueError as error:
            return _status(400, "BadRequest", str(error))
        found = [
            self._pod_metrics(item)
            for item in self._workers()
            if namespace in (None, item.pod["metadata"]["namespace"])
            and fits(item.pod["metadata"].get("labels") or {})
            and any(_running(item))
        ]
        return _list("PodMetricsList", found)

    async def pod(self, request: web.Request) -> web.Response:
        """One pod."""
        wanted = request.match_info["namespace"], request.match_info["name"]
        for item in self._workers():
            metadata = item.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == wanted and any(_running(item)):
                return _json(self._pod_metrics(item))
        return _not_found("pods", "/".join(wanted))

    def _pod_metrics(self, worker: PodWorker) -> dict[str, Any]:
        metadata = worker.pod["metadata"]
        kept = {key: metadata[key] for key in ("name", "namespace", "labels") if metadata.get(key)}
        containers = [
            {"name": state.name, "usage": _usage(state.process.cpu_millicores, state.process.memory_mebibytes)}
            for state in _running(worker)
            if state.process is not None
        ]
        return self._metrics("PodMetrics", kept) | {"containers": containers}

    def _node_metrics(self, name: str) -> dict[str, Any]:
        used = [
            (state.process.cpu_millicores, state.process.memory_mebibytes)
            for worker in self._workers()
            if worker.node.name == name
            for state in _running(worker)
            if state.process is not None
        ]
        cpu = _NODE_MILLICORES + sum(item[0] for item in used)
        memory = _NODE_MEBIBYTES + sum(item[1] for item in used)
        return self._metrics("NodeMetrics", {"name": name}) | {"usage": _usage(cpu, memory)}

    def _metrics(self, kind: str, metadata: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.timestamp()
        head = {"kind": kind, "apiVersion": _API_VERSION, "metadata": metadata | {"creationTimestamp": now}}
        return head | {"timestamp": now, "window": "15s"}


def _running(worker: PodWorker) -> Iterator[ContainerState]:
    return (state for state in (*worker.init, *worker.regular) if state.process is not None)


def _usage(millicores: float, mebibytes: float) -> dict[str, str]:
    return {"cpu": f"{int(millicores * 1_000_000)}n", "memory": f"{int(mebibytes * 1024)}Ki"}


def _selector(text: str) -> Callable[[Mapping[str, str]], bool]:
    """A label selector as clients write it; raises ``ValueError`` for one that cannot be read."""
    terms: list[Callable[[Mapping[str, str]], bool]] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise ValueError(f"unable to parse requirement: {text[at:]!r}")
        terms.append(_term(found))
        at = found.end()
    return lambda labels: all(fits(labels) for fits in terms)


def _term(found: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    name = found["name"]
    if found["sign"] is None and found["word"] is None:
        return lambda labels: (name in labels) != bool(found["absent"])
    values = {found["value"]} if found["sign"] else {one.strip() for one in found["values"].split(",")}
    wanted = found["sign"] != "!=" and found["word"] != "notin"
    return lambda labels: (labels.get(name) in values) == wanted


def _list(kind: str, items: list[dict[str, Any]]) -> web.Response:
    return _json({"kind": kind, "apiVersion": _API_VERSION, "metadata": {}, "items": items})


def _not_found(plural: str, name: str) -> web.Response:
    return _status(404, "NotFound", f'{plural}.{GROUP} "{name}" not found')


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return _json(body | {"reason": reason, "message": message, "code": code}, code)


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
