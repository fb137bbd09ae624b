"""Garbage collection of any kind, and namespaces that are emptied."""

from typing import Any

import pytest

from simulator.api_client import ApiError, Resource
from simulator.controllers.namespace_content import Remains, conditions
from simulator.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, SECRETS, SERVICE_ACCOUNTS
from tests.simulator.workloads import config_map, owned_by
from tests.simulator.world import NAMESPACE, World, running_world

INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")


async def gone(world: World, resource: Resource, name: str) -> None:
    async def look() -> bool:
        return name not in {item["metadata"]["name"] for item in await world.all(resource)}

    await world.eventually(look)


def secret(name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    body = config_map(name, ownerReferences=owned_by(*owners))
    return {"apiVersion": "v1", "kind": "Secret", "metadata": body["metadata"]}


async def test_dependents_of_kinds_that_nobody_watches_go_with_their_last_owner() -> None:
    async with running_world() as world:
        first, second = [await world.client.create(CONFIG_MAPS, config_map(name)) for name in ("first", "second")]
        await world.client.create(SECRETS, secret("one", first))
        await world.client.create(SECRETS, secret("two", first, second))
        await world.client.create(SERVICE_ACCOUNTS, {"metadata": secret("account", first)["metadata"]})
        await world.client.delete(CONFIG_MAPS, "first", NAMESPACE)
        await gone(world, SECRETS, "one")
        await gone(world, SERVICE_ACCOUNTS, "account")

        async def disowned() -> bool:
            kept = await world.client.get(SECRETS, "two", NAMESPACE)
            return [item["name"] for item in kept["metadata"]["ownerReferences"]] == ["second"]

        await world.eventually(disowned)


async def test_an_owner_in_another_namespace_is_none_and_an_event_says_so() -> None:
    async with running_world() as world:
        far = config_map("far") | {"metadata": {"name": "far", "namespace": "default"}}
        owner = await world.client.create(CONFIG_MAPS, far)
        await world.client.create(CONFIG_MAPS, config_map("child", ownerReferences=owned_by(owner)))
        event = await world.event("OwnerRefInvalidNamespace")
        identity = f"[v1/ConfigMap, namespace: shop, name: far, uid: {owner['metadata']['uid']}]"
        assert event["message"] == f'ownerRef {identity} does not exist in namespace "shop"'
        await gone(world, CONFIG_MAPS, "child")


async def test_a_foreground_deletion_waits_for_what_blocks_it() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE, propagation_policy="Foreground")
        waiting = await world.deployment()
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
        await gone(world, DEPLOYMENTS, "web")
        assert await world.all(REPLICA_SETS) == await world.all(PODS) == []


async def test_an_orphaning_deletion_leaves_the_dependents_without_an_owner() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE, propagation_policy="Orphan")
        await gone(world, DEPLOYMENTS, "web")
        (left,) = await world.all(REPLICA_SETS)
        assert "ownerReferences" not in left["metadata"]


async def test_a_namespace_is_emptied_of_everything_and_says_what_is_left() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        ingress = config_map("front")["metadata"]
        await world.client.create(INGRESSES, {"metadata": ingress, "spec": {"defaultBackend": backend}})
        await world.client.create(CONFIG_MAPS, config_map("stuck", finalizers=["example.com/keep"]))
        await world.client.delete(NAMESPACES, NAMESPACE)

        async def stuck() -> dict[str, Any] | None:
            found = await world.client.get(NAMESPACES, NAMESPACE)
            listed = {item["type"]: item for item in (found.get("status") or {}).get("conditions") or ()}
            return listed if listed.get("NamespaceContentRemaining", {}).get("status") == "True" else None

        said = await world.eventually(stuck)
        message = "Some resources are remaining: configmaps. has 1 resource instances"
        assert said["NamespaceContentRemaining"]["message"] == message
        assert said["NamespaceFinalizersRemaining"]["message"] == (
            "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances"
        )
        assert await world.all(INGRESSES) == await world.all(DEPLOYMENTS) == []
        await world.client.patch(CONFIG_MAPS, "stuck", {"metadata": {"finalizers": None}}, NAMESPACE)

        async def vanished() -> bool:
            with pytest.raises(ApiError, match="not found"):
                await world.client.get(NAMESPACES, NAMESPACE)
            return True

        async def try_again() -> bool:
            try:
                return await vanished()
            except pytest.fail.Exception:
                return False

        await world.eventually(try_again)


def test_conditions_keep_their_time_while_they_say_the_same() -> None:
    before = conditions({}, Remains(), "2026-01-01T00:00:00Z")
    assert [item["status"] for item in before] == ["False"] * 5
    remains = Remains(errors=["no"])
    after = conditions({"status": {"conditions": before}}, remains, "2026-01-02T00:00:00Z")
    moved = {item["type"] for item in after if item["lastTransitionTime"] == "2026-01-02T00:00:00Z"}
    assert moved == {"NamespaceDeletionContentFailure"}
    assert after[2]["message"] == "Failed to delete all resource types, 1 remaining: no"
