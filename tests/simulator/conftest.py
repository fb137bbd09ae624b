"""A running API server alone, and a full embedded cluster; each test gets its own."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest

from simulator import EmbeddedCluster
from simulator.apiserver import ApiServer
from simulator.apiserver.authentication import prefix

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
# All is plain http on loopback: to read the machine's certificates takes longer than all the rest of a small test.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Api:
    """A running API server and a client of it that speaks plain HTTP as the user admin."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.url = server.url
        self.token = server.authenticator.token("admin")
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": "tests"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=10, verify=NO_CERTIFICATES)

    @property
    def kubectl_server(self) -> str:
        return self.url + prefix(self.token)

    def get(self, path: str, **query: str) -> Any:
        return self._json(self.http.get(path, params=query))

    def create(self, path: str, body: Any, **query: str) -> Any:
        return self._json(self.http.post(path, json=body, params=query))

    def update(self, path: str, body: Any, **query: str) -> Any:
        return self._json(self.http.put(path, json=body, params=query))

    def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH, **query: str) -> Any:
        headers = {"Content-Type": content_type}
        return self._json(self.http.patch(path, content=orjson.dumps(body), headers=headers, params=query))

    def delete(self, path: str, body: Any = None, **query: str) -> Any:
        return self._json(self.http.request("DELETE", path, json=body, params=query))

    def events(self, path: str, count: int | None = None, **query: str) -> list[Any]:
        """The events of a watch: the first `count`, or all until the server ends it."""
        found = []
        with self.http.stream("GET", path, params={"watch": "1", "timeoutSeconds": "1"} | query) as response:
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                found.append(orjson.loads(line))
                if len(found) == count:
                    break
        return found

    @staticmethod
    def _json(response: httpx.Response) -> Any:
        return response.json()


@contextmanager
def running(server: ApiServer) -> Iterator[ApiServer]:
    """Runs a server on a thread of its own."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        async with server:
            started.set()
            await stopping.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)


@pytest.fixture
def api() -> Iterator[Api]:
    """An API server without controllers; the namespace default has its ServiceAccount."""
    with serving() as found:
        yield found


@contextmanager
def serving(**options: Any) -> Iterator[Api]:
    """An API server made with options of its own."""
    with running(ApiServer(**options)) as server:
        found = Api(server)
        with found.http:
            found.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
            yield found


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A whole cluster whose clock runs fifty times as fast."""
    with EmbeddedCluster(speed=50) as running_cluster:
        yield running_cluster


def container(name: str = "web", image: str = "nginx:1.27", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": image, **fields}


def pod(name: str = "web", *containers: Any, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": list(containers) or [container()], **spec}}


def deployment(name: str = "web", *containers: Any, **spec: Any) -> dict[str, Any]:
    """A Deployment with one container, or those given."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers) or [container()]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def config_map(name: str, *, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}
