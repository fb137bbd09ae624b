"""EndpointSlices: which pods, which ports, how many to a slice."""

from typing import Any

from simulator.controllers.endpoint_layout import MOST_ENDPOINTS, lay_out, new_slice
from simulator.resources import ENDPOINT_SLICES, SERVICES
from tests.simulator.world import NAMESPACE, running_world


def service(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": NAMESPACE, "uid": "service"}
    body = {"clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body | spec}


def a_pod(number: int, *, ready: bool = True, **fields: Any) -> dict[str, Any]:
    metadata = {"name": f"web-{number}", "namespace": NAMESPACE, "uid": f"pod-{number}", "labels": {"app": "web"}}
    spec = {"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 8000 + number % 2}]}]}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": metadata,
        "spec": spec | fields,
        "status": {"podIP": f"10.1.{number // 250}.{number % 250}", "conditions": conditions},
    }


def stored(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item | {"metadata": item["metadata"] | {"name": f"web-{index}"}} for index, item in enumerate(slices)]


def test_more_than_a_hundred_endpoints_are_spread_over_several_slices() -> None:
    pods = [a_pod(number) for number in range(2 * MOST_ENDPOINTS + 5)]
    layout = lay_out(service(), [], pods, {})
    assert [len(item["endpoints"]) for item in layout.create] == [100, 100, 5]
    again = lay_out(service(), stored(layout.create), pods, {})
    assert again.create == again.update == again.delete == []
    fewer = lay_out(service(), stored(layout.create), pods[1:], {})
    assert [len(item["endpoints"]) for item in fewer.update] == [99]


def test_a_freed_place_is_filled_before_a_new_slice_is_made() -> None:
    pods = [a_pod(number) for number in range(MOST_ENDPOINTS)]
    slices = stored(lay_out(service(), [], pods, {}).create)
    layout = lay_out(service(), slices, [*pods[1:], a_pod(500)], {})
    assert layout.create == layout.delete == []
    assert layout.update[0]["endpoints"][-1]["targetRef"]["name"] == "web-500"


def test_a_service_without_endpoints_has_one_slice_without_ports() -> None:
    (empty,) = lay_out(service(), [], [], {}).create
    assert (empty["endpoints"], empty["ports"]) == ([], [])
    kept = lay_out(service(), stored([empty]), [], {})
    assert kept.create == kept.delete == []
    full = lay_out(service(), stored([empty]), [a_pod(1)], {})
    assert len(full.create) == len(full.delete) == 1


def test_pods_that_mean_different_ports_by_one_name_get_slices_of_their_own() -> None:
    named = service(ports=[{"port": 80, "targetPort": "http", "name": "web"}])
    layout = lay_out(named, [], [a_pod(0), a_pod(1), a_pod(2)], {})
    assert sorted((item["ports"][0]["port"], len(item["endpoints"])) for item in layout.create) == [
        (8000, 2),
        (8001, 1),
    ]


def test_a_headless_service_labels_its_slices_and_names_its_hosts() -> None:
    headless = service(clusterIP="None")
    node = {"metadata": {"labels": {"topology.kubernetes.io/zone": "a"}}}
    pod = a_pod(1, hostname="web-1", subdomain="web", nodeName="node-1")
    (item,) = lay_out(headless, [], [pod], {"node-1": node}).create
    assert item["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert (item["endpoints"][0]["hostname"], item["endpoints"][0]["zone"]) == ("web-1", "a")
    assert "service.kubernetes.io/headless" not in new_slice(service(), [])["metadata"]["labels"]


async def test_a_pod_that_is_not_ready_is_published_as_ready_only_on_request() -> None:
    async with running_world() as world:
        for name, spec in (("plain", {}), ("everyone", {"publishNotReadyAddresses": True})):
            body = service(**spec)
            del body["spec"]["clusterIP"]
            await world.client.create(SERVICES, body | {"metadata": {"name": name, "namespace": NAMESPACE}})
        await world.deploy(replicas=1)
        await world.rolled_out()
        await world.change_image("nginx:1.72")
        await world.event("Failed", "Error: ErrImagePull")

        async def told() -> dict[str, list[bool]] | None:
            found = {}
            for item in await world.all(ENDPOINT_SLICES):
                conditions = [one["conditions"] for one in item.get("endpoints") or ()]
                name = item["metadata"]["labels"]["kubernetes.io/service-name"]
                found[name] = sorted(one["ready"] for one in conditions)
            return found if len(found.get("plain", ())) == len(found.get("everyone", ())) == 2 else None

        assert await world.eventually(told) == {"plain": [False, True], "everyone": [True, True]}
