"""Controllers: rollouts, revisions, deadlines, endpoints, defaults of a namespace, garbage."""

from typing import Any

import pytest

from simulator.controllers.deployment_status import calculate
from simulator.controllers.pods import deletion_order
from simulator.controllers.revisions import same_template, template_hash
from simulator.controllers.rollout_math import fenceposts, new_set_size, proportional_sizes, unhealthy_cut
from simulator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICES,
)
from tests.simulator.world import NAMESPACE, World, deployment, running_world

REVISION = "deployment.kubernetes.io/revision"


def conditions(found: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {item["type"]: (item["status"], item["reason"], item["message"]) for item in found["status"]["conditions"]}


async def test_a_new_deployment_rolls_out_and_says_so() -> None:
    async with running_world() as world:
        await world.deploy()
        found = await world.rolled_out()
        assert found["metadata"]["generation"] == 1
        assert found["metadata"]["annotations"][REVISION] == "1"
        (replica_set,) = await world.all(REPLICA_SETS)
        name = replica_set["metadata"]["name"]

        async def finished() -> bool:
            return "Progressing" in conditions(await world.deployment()) and (
                conditions(await world.deployment())["Progressing"][1] == "NewReplicaSetAvailable"
            )

        await world.eventually(finished)
        found = await world.deployment()
        message = f'ReplicaSet "{name}" has successfully progressed.'
        assert conditions(found)["Progressing"] == ("True", "NewReplicaSetAvailable", message)
        assert conditions(found)["Available"][:2] == ("True", "MinimumReplicasAvailable")
        event = await world.event("ScalingReplicaSet")
        assert event["message"] == f"Scaled up replica set {name} from 0 to 2"
        assert len(await world.events("SuccessfulCreate")) == 2
        pods = await world.all(PODS)
        assert all(pod["metadata"]["ownerReferences"][0]["controller"] for pod in pods)
        assert all(pod["metadata"]["labels"]["pod-template-hash"] for pod in pods)


async def test_a_rollout_that_cannot_come_up_leaves_the_old_pods_alone() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.change_image("nginx:1.72")
        await world.event("Failed", "Error: ErrImagePull")
        status = (await world.deployment())["status"]
        assert (status["readyReplicas"], status["updatedReplicas"], status["replicas"]) == (2, 1, 3)


async def test_going_back_reuses_the_old_replica_set_under_a_new_revision() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        (first,) = await world.all(REPLICA_SETS)
        await world.change_image("nginx:1.28")
        await world.rolled_out()
        await world.change_image("nginx:1.27")
        found = await world.rolled_out()
        assert found["metadata"]["annotations"][REVISION] == "3"
        sets = {item["metadata"]["name"]: item for item in await world.all(REPLICA_SETS)}
        assert len(sets) == 2
        annotations = sets[first["metadata"]["name"]]["metadata"]["annotations"]
        assert annotations[REVISION] == "3"
        assert annotations["deployment.kubernetes.io/revision-history"] == "1"


async def test_a_stuck_rollout_exceeds_its_deadline() -> None:
    async with running_world(speed=100) as world:
        await world.deploy(progressDeadlineSeconds=60)
        await world.rolled_out()
        await world.change_image("nginx:1.72")

        async def stuck() -> Any:
            found = conditions(await world.deployment()).get("Progressing", ("", "", ""))
            return found if found[1] == "ProgressDeadlineExceeded" else None

        status, _, message = await world.eventually(stuck)
        assert status == "False"
        assert message.startswith('ReplicaSet "web-')
        assert message.endswith("has timed out progressing.")


async def test_scaling_follows_at_once_and_stops_the_youngest_that_are_not_ready() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.change({"replicas": 4})
        await world.rolled_out()
        await world.change({"replicas": 1})
        await world.rolled_out()
        assert await world.event("SuccessfulDelete")


async def test_recreate_stops_everything_old_first() -> None:
    async with running_world() as world:
        await world.deploy(strategy={"type": "Recreate"})
        await world.rolled_out()
        old = {item["metadata"]["uid"] for item in await world.all(PODS)}
        await world.change_image("nginx:1.28")
        await world.rolled_out()
        created = [item for item in await world.all(PODS) if item["metadata"]["uid"] not in old]
        assert len(created) == 2
        deletions = await world.events("SuccessfulDelete")
        creations = await world.events("SuccessfulCreate")
        last = max(int(item["metadata"]["resourceVersion"]) for item in creations)
        assert last > max(int(item["metadata"]["resourceVersion"]) for item in deletions)


async def test_a_paused_deployment_does_not_roll_out() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.change({"paused": True})
        await world.change_image("nginx:1.28")

        async def noted() -> bool:
            return conditions(await world.deployment())["Progressing"][1] == "DeploymentPaused"

        await world.eventually(noted)
        assert len(await world.all(REPLICA_SETS)) == 1
        await world.change({"paused": False})
        await world.rolled_out()
        assert len(await world.all(REPLICA_SETS)) == 2


async def test_history_is_kept_to_its_limit() -> None:
    async with running_world() as world:
        await world.deploy(revisionHistoryLimit=1)
        await world.rolled_out()
        for tag in ("1.25", "1.26", "1.28"):
            await world.change_image(f"nginx:{tag}")
            await world.rolled_out()

        async def dropped() -> bool:
            return len(await world.all(REPLICA_SETS)) == 2

        await world.eventually(dropped)


async def test_a_service_has_the_ready_pods_as_endpoints() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    async with running_world() as world:
        await world.client.create(SERVICES, service)
        await world.deploy()
        await world.rolled_out()

        async def served() -> Any:
            slices = await world.all(ENDPOINT_SLICES)
            endpoints = slices[0]["endpoints"] if slices else []
            return slices if sum(item["conditions"]["ready"] for item in endpoints) == 2 else None

        (found,) = await world.eventually(served)
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        assert [(port["port"], port["protocol"]) for port in found["ports"]] == [(80, "TCP")]


async def test_deleting_a_deployment_takes_its_pods_along() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE)
        await world.eventually(lambda: empty(world))


async def empty(world: World) -> bool:
    return not await world.all(PODS) and not await world.all(REPLICA_SETS)


async def test_an_orphaned_replica_set_keeps_its_pods() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.client.delete(DEPLOYMENTS, "web", NAMESPACE, propagation_policy="Orphan")

        async def orphaned() -> bool:
            sets = await world.all(REPLICA_SETS)
            return bool(sets) and not sets[0]["metadata"].get("ownerReferences")

        await world.eventually(orphaned)
        assert len(await world.all(PODS)) == 2


async def test_a_namespace_gets_its_defaults_and_goes_with_its_content() -> None:
    async with running_world() as world:
        await world.eventually(lambda: world.client.get(CONFIG_MAPS, "kube-root-ca.crt", NAMESPACE))
        await world.deploy()
        await world.rolled_out()
        await world.client.delete(NAMESPACES, NAMESPACE)

        async def gone() -> bool:
            items = (await world.client.list(NAMESPACES))["items"]
            return NAMESPACE not in {item["metadata"]["name"] for item in items}

        await world.eventually(gone)


async def test_a_settled_deployment_is_left_in_peace() -> None:
    async with running_world() as world:
        await world.deploy()
        await world.rolled_out()
        await world.eventually(lambda: settled(world))
        before = len(writes(world))
        await world.change({"minReadySeconds": 0})
        assert len(writes(world)) == before


async def settled(world: World) -> bool:
    return conditions(await world.deployment())["Progressing"][1] == "NewReplicaSetAvailable"


def writes(world: World) -> list[Any]:
    manager = "system:kube-controller-manager"
    verbs = ("create", "update", "patch", "delete")
    made = (item for item in world.cluster.requests() if item.user == manager and item.verb in verbs)
    return [item for item in made if f"/{NAMESPACE}/" in item.path and "/events" not in item.path]


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 2, (1, 0)),
        ("25%", "25%", 10, (3, 2)),
        (0, 0, 3, (0, 1)),
        ("0%", "10%", 3, (0, 1)),
        (2, 1, 3, (2, 1)),
    ],
)
def test_percentages_round_as_kubernetes_rounds(
    surge: Any, unavailable: Any, replicas: int, expected: tuple[int, int]
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    assert fenceposts(deployment(replicas=replicas, strategy=strategy)) == expected


def replica_set(name: str, size: int, available: int, *, maximum: int = 0) -> dict[str, Any]:
    annotations = {"deployment.kubernetes.io/max-replicas": str(maximum)} if maximum else {}
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": annotations},
        "spec": {"replicas": size},
        "status": {"availableReplicas": available, "replicas": size},
    }


def test_a_new_replica_set_grows_only_into_the_room_there_is() -> None:
    wanted = deployment(replicas=4, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    assert new_set_size(wanted, [replica_set("old", 4, 4), replica_set("new", 0, 0)], 0) == 1
    assert new_set_size(wanted, [replica_set("old", 4, 4), replica_set("new", 1, 0)], 1) == 1


def test_unhealthy_pods_of_old_replica_sets_go_first() -> None:
    assert unhealthy_cut([replica_set("a", 3, 1), replica_set("b", 2, 2)], 5) == {"a": 1}
    assert unhealthy_cut([replica_set("a", 3, 1)], 1) == {"a": 2}


def test_scaling_in_the_middle_of_a_rollout_keeps_the_proportions() -> None:
    wanted = deployment(replicas=20, strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    sizes = proportional_sizes(wanted, [replica_set("old", 8, 8, maximum=10), replica_set("new", 2, 0, maximum=10)])
    assert sizes == {"old": 16, "new": 4}


def test_the_hash_label_does_not_make_templates_differ() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "a"}]}}
    labelled = template | {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}}
    assert same_template(template, labelled)
    assert template_hash(template) == template_hash(dict(template))
    assert template_hash(template) != template_hash(template, 1)


def test_pods_that_are_not_ready_are_deleted_before_ready_ones() -> None:
    def pod(name: str, *, ready: bool, node: str = "n") -> dict[str, Any]:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
        return {
            "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": node} if node else {},
            "status": {"phase": "Running", "conditions": [condition]},
        }

    ordered = deletion_order([pod("ready", ready=True), pod("failing", ready=False), pod("new", ready=False, node="")])
    assert [item["metadata"]["name"] for item in ordered] == ["new", "failing", "ready"]


def test_a_deployment_without_enough_pods_is_not_available() -> None:
    status = calculate(deployment(), [], replica_set("new", 2, 1), "2026-01-01T00:00:00Z")
    assert status["unavailableReplicas"] == 1
    assert status["conditions"][0]["reason"] == "MinimumReplicasUnavailable"
