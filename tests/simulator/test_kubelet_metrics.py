"""The metrics API that the kubelet serves beside its logs."""

from typing import Any

import httpx

from simulator.kubelet.metrics import metrics_manifests
from simulator.resources import NODES, PODS
from tests.simulator.world import NAMESPACE, World, alone, running_world

BASE = "/apis/metrics.k8s.io/v1beta1"
WEB = "registry.example/shop/web:2.4.1"


async def ask(world: World, path: str, **query: str) -> httpx.Response:
    node = await world.client.get(NODES, "node-1")
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        return await http.get(BASE + path, params=query)


async def running(world: World) -> bool:
    return bool((await world.container()).get("ready"))


async def test_a_running_pod_has_the_working_set_of_its_containers() -> None:
    async with running_world(nodes=1) as world:
        await world.run_pod(alone(WEB))
        await world.client.patch(PODS, "pod", {"metadata": {"labels": {"app": "web"}}}, NAMESPACE)
        await world.eventually(lambda: running(world))

        async def grown() -> dict[str, Any] | None:
            body: dict[str, Any] = (await ask(world, f"/namespaces/{NAMESPACE}/pods/pod")).json()
            return body if body["containers"][0]["usage"] == {"cpu": "5000000n", "memory": "40960Ki"} else None

        found = await world.eventually(grown)
        assert (found["kind"], found["metadata"]["name"], found["window"]) == ("PodMetrics", "pod", "15s")
        (node,) = (await ask(world, "/nodes")).json()["items"]
        assert (node["metadata"]["name"], node["usage"]["cpu"]) == ("node-1", "45000000n")
        chosen = [
            len((await ask(world, "/pods", labelSelector=text)).json()["items"]) for text in ("app=web", "app!=web")
        ]
        assert chosen == [1, 0]


async def test_what_does_not_run_has_no_metrics_and_a_strange_selector_is_refused() -> None:
    async with running_world(nodes=1) as world:
        answer = await ask(world, f"/namespaces/{NAMESPACE}/pods/none")
        assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
        assert (await ask(world, "/pods", labelSelector="app in (a")).status_code == 400
        names = [item["name"] for item in (await ask(world, "")).json()["resources"]]
        assert names == ["nodes", "pods"]


def test_an_api_server_finds_it_by_a_name_that_leads_to_loopback() -> None:
    service, registration = metrics_manifests(4711)
    assert service["spec"] == {"type": "ExternalName", "externalName": "localhost"}
    assert registration["metadata"]["name"] == "v1beta1.metrics.k8s.io"
    assert registration["spec"]["service"]["port"] == 4711
