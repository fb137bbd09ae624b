"""Who takes in what nobody controls, who lets go, and how creations that fail are repeated."""

from typing import Any

from simulator.controllers.controller import Controller
from simulator.controllers.job import JobController
from simulator.controllers.selecting import matches
from simulator.controllers.workload_kinds import QUOTAS, STATEFUL_SETS
from simulator.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from tests.simulator.workloads import stateful_set, template
from tests.simulator.world import NAMESPACE, World, deployment, running_world


def owners(found: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in found["metadata"].get("ownerReferences") or ()]


def replica_set(**spec: Any) -> dict[str, Any]:
    body = deployment(template=template()) | {"kind": "ReplicaSet"}
    return body | {"spec": body["spec"] | spec}


async def test_a_replica_set_adopts_fitting_pods_and_releases_those_that_no_longer_fit() -> None:
    async with running_world() as world:
        metadata = {"name": "lone", "namespace": NAMESPACE, "labels": {"app": "web"}}
        await world.client.create(PODS, {"metadata": metadata, "spec": template()["spec"]})
        await world.client.create(REPLICA_SETS, replica_set(replicas=2))

        async def adopted() -> bool:
            lone = (await world.pod("lone")) or {"metadata": {}}
            return owners(lone) == ["ReplicaSet"] and len(await world.all(PODS)) == 2

        await world.eventually(adopted)
        await world.client.patch(PODS, "lone", {"metadata": {"labels": {"app": "other"}}}, NAMESPACE)

        async def replaced() -> bool:
            pods = await world.all(PODS)
            return len(pods) == 3 and owners((await world.pod("lone")) or pods[0]) == []

        await world.eventually(replaced)


async def test_a_deployment_made_anew_takes_its_old_replica_set_back() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        (before,) = await world.all(REPLICA_SETS)
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE, propagation_policy="Orphan")

        async def orphaned() -> bool:
            return not await world.all(DEPLOYMENTS)

        await world.eventually(orphaned)
        await world.deploy()
        found = await world.rolled_out()
        (after,) = await world.all(REPLICA_SETS)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]


async def test_a_stateful_set_made_anew_keeps_pods_and_revision() -> None:
    async with running_world() as world:
        await world.client.create(STATEFUL_SETS, stateful_set(replicas=1))
        before = await world.eventually(lambda: ready(world))
        await world.client.delete(STATEFUL_SETS, "web", NAMESPACE, propagation_policy="Orphan")

        async def orphaned() -> bool:
            return not await world.all(STATEFUL_SETS)

        await world.eventually(orphaned)
        await world.client.create(STATEFUL_SETS, stateful_set(replicas=1))
        assert await world.eventually(lambda: ready(world)) == before


async def ready(world: World) -> tuple[str, str] | None:
    """The revision and the pod of the set once that is ready."""
    found = await world.client.get(STATEFUL_SETS, "web", NAMESPACE)
    pod = await world.pod("web-0")
    if pod is None or (found.get("status") or {}).get("readyReplicas") != 1:
        return None
    return str(found["status"]["updateRevision"]), str(pod["metadata"]["uid"])


async def test_a_replica_set_that_a_quota_refuses_is_reported_on_the_deployment() -> None:
    async with running_world() as world:
        hard = {"hard": {"count/replicasets.apps": "0"}}
        body = {"metadata": {"name": "none", "namespace": NAMESPACE}, "spec": hard}
        await world.client.create(QUOTAS, body)

        async def counted() -> bool:
            return "used" in ((await world.client.get(QUOTAS, "none", NAMESPACE)).get("status") or {})

        await world.eventually(counted)
        await world.deploy()
        event = await world.event("ReplicaSetCreateError")
        assert event["message"].startswith('Failed to create new replica set "web-')
        assert "exceeded quota: none" in event["message"]

        async def told() -> dict[str, Any] | None:
            listed = ((await world.deployment()).get("status") or {}).get("conditions") or []
            return next((item for item in listed if item["reason"] == "ReplicaSetCreateError"), None)

        condition = await world.eventually(told)
        assert (condition["type"], condition["status"]) == ("Progressing", "False")


def test_failures_are_repeated_after_the_pauses_of_the_real_controllers() -> None:
    usual = (Controller.first_retry_seconds, Controller.longest_retry_seconds)
    assert usual == (0.005, 1000.0)
    assert (JobController.first_retry_seconds, JobController.longest_retry_seconds) == (1.0, 60.0)


def test_a_selector_matches_as_its_expressions_say() -> None:
    labels = {"app": "web", "tier": "front"}
    expressions = [
        {"key": "tier", "operator": "In", "values": ["front", "back"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "app", "operator": "NotIn", "values": ["db"]},
        {"key": "app", "operator": "Exists"},
    ]
    assert matches({"matchLabels": {"app": "web"}, "matchExpressions": expressions}, labels)
    assert not matches({"matchExpressions": expressions}, labels | {"old": "yes"})
    assert matches({}, labels)
    assert not matches(None, labels)
