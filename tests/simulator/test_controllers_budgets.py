"""What PodDisruptionBudgets and ResourceQuotas say in their status."""

from typing import Any

import pytest

from simulator.controllers.quota_usage import plural_of, usage
from simulator.controllers.workload_kinds import DISRUPTION_BUDGETS, QUOTAS
from simulator.resources import DEPLOYMENTS
from tests.simulator.workloads import budget
from tests.simulator.world import NAMESPACE, World, running_world


async def counted(world: World, **wanted: int) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status = (await world.client.get(DISRUPTION_BUDGETS, "web", NAMESPACE)).get("status") or {}
        return status if all(status.get(key) == value for key, value in wanted.items()) else None

    return dict(await world.eventually(look))


async def test_a_budget_allows_what_is_healthy_beyond_what_it_wants() -> None:
    async with running_world() as world:
        await world.client.create(DISRUPTION_BUDGETS, budget(minAvailable="50%"))
        await world.event("NoPods", "No matching pods found")
        status = await counted(world, disruptionsAllowed=0, expectedPods=0)
        assert status["conditions"][0]["reason"] == "InsufficientPods"
        await world.deploy(replicas=3)
        status = await counted(world, currentHealthy=3, desiredHealthy=2, expectedPods=3, disruptionsAllowed=1)
        assert (status["conditions"][0]["status"], status["conditions"][0]["reason"]) == ("True", "SufficientPods")
        await world.change({"replicas": 2})
        await counted(world, expectedPods=2, desiredHealthy=1, disruptionsAllowed=1)


async def test_pods_without_a_controller_are_reported_when_a_share_is_asked_for() -> None:
    async with running_world() as world:
        spec = {"containers": [{"name": "main", "image": "nginx:1.27"}]}
        metadata = {"name": "lone", "namespace": NAMESPACE, "labels": {"app": "web"}}
        await world.client.request(
            "POST", f"/api/v1/namespaces/{NAMESPACE}/pods", body={"metadata": metadata, "spec": spec}
        )
        await world.client.create(DISRUPTION_BUDGETS, budget(maxUnavailable=1))
        event = await world.event("UnmanagedPods")
        assert "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,}," in event["message"]
        await counted(world, expectedPods=0, disruptionsAllowed=0)


async def test_a_quota_gets_back_what_is_deleted() -> None:
    async with running_world() as world:
        hard = {"pods": "5", "configmaps": "9", "count/deployments.apps": "2"}
        body = {"metadata": {"name": "quota", "namespace": NAMESPACE}, "spec": {"hard": hard}}
        await world.client.create(QUOTAS, {"apiVersion": "v1", "kind": "ResourceQuota", **body})

        async def used(**wanted: str) -> None:
            async def look() -> bool:
                status = (await world.client.get(QUOTAS, "quota", NAMESPACE)).get("status") or {}
                return wanted.items() <= (status.get("used") or {}).items() and bool(status["hard"] == hard)

            await world.eventually(look)

        await used(pods="0", configmaps="1")
        await world.deploy()
        await used(pods="2")
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE)
        await used(pods="0")


def pod(cpu: str, *, phase: str = "Running", memory: str = "0", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    return {"spec": {"containers": [{"resources": resources}]} | spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [("pods", "2"), ("count/pods", "3"), ("cpu", "350m"), ("requests.memory", "192Mi"), ("limits.cpu", "0")],
)
def test_pods_that_have_ended_use_nothing_but_their_number(resource: str, expected: str) -> None:
    pods = [pod("100m", memory="64Mi"), pod("250m", memory="128Mi"), pod("1", phase="Succeeded")]
    assert usage({"spec": {}}, resource, pods) == expected


def test_the_largest_init_container_counts_if_it_asks_for_more_than_the_rest() -> None:
    init = {"resources": {"requests": {"cpu": "2"}}}
    assert usage({"spec": {}}, "requests.cpu", [pod("100m", initContainers=[init])]) == "2"
    sidecar = init | {"restartPolicy": "Always"}
    assert usage({"spec": {}}, "requests.cpu", [pod("100m", initContainers=[sidecar])]) == "2100m"


def test_a_scope_chooses_among_the_pods() -> None:
    pods = [pod("1", activeDeadlineSeconds=5), pod("2"), {"spec": {"containers": [{}]}}]
    assert usage({"spec": {"scopes": ["Terminating"]}}, "pods", pods) == "1"
    assert usage({"spec": {"scopes": ["BestEffort"]}}, "pods", pods) == "1"
    chosen = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    assert usage({"spec": {"scopeSelector": chosen}}, "pods", [pod("1", priorityClassName="high"), *pods]) == "1"


def test_services_and_claims_are_counted_in_their_own_ways() -> None:
    ports = [{"port": 1}, {"port": 2}]
    services = [{"spec": {"type": kind, "ports": ports}} for kind in ("ClusterIP", "NodePort", "LoadBalancer")]
    assert usage({}, "services.nodeports", services) == "4"
    assert usage({}, "services.loadbalancers", services) == "1"
    claims = [
        {"spec": {"storageClassName": name, "resources": {"requests": {"storage": size}}}}
        for name, size in (("fast", "1Gi"), ("slow", "512Mi"))
    ]
    assert usage({}, "requests.storage", claims) == "1536Mi"
    assert usage({}, "fast.storageclass.storage.k8s.io/requests.storage", claims) == "1Gi"
    assert plural_of("fast.storageclass.storage.k8s.io/persistentvolumeclaims") == "persistentvolumeclaims"
