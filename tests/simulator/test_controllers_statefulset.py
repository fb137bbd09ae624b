"""StatefulSets: order, names, claims, partitions, and the pod that is not replaced."""

from typing import Any

import pytest

from simulator.controllers.statefulset_pods import claim_owners, members, ordinal_of, ordinals
from simulator.controllers.workload_kinds import CLAIMS, CONTROLLER_REVISIONS, STATEFUL_SETS
from simulator.resources import PODS
from tests.simulator.workloads import stateful_set, template
from tests.simulator.world import NAMESPACE, World, running_world

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


async def status_of(world: World) -> dict[str, Any]:
    return dict((await world.client.get(STATEFUL_SETS, "web", NAMESPACE)).get("status") or {})


async def settled(world: World, **wanted: Any) -> dict[str, Any]:
    """The status once it says what is wanted."""

    async def look() -> dict[str, Any] | None:
        status = await status_of(world)
        return status if all(status.get(key, 0) == value for key, value in wanted.items()) else None

    return dict(await world.eventually(look))


async def change(world: World, **spec: Any) -> None:
    await world.client.patch(STATEFUL_SETS, "web", {"spec": spec}, NAMESPACE)


async def messages(world: World, reason: str) -> list[str]:
    return [item["message"] for item in await world.events(reason, "StatefulSet")]


async def test_pods_come_one_after_the_other_and_go_from_the_highest() -> None:
    async with running_world() as world:
        await world.client.create(STATEFUL_SETS, stateful_set())
        status = await settled(world, availableReplicas=3, updatedReplicas=3)
        assert status["currentRevision"] == status["updateRevision"]
        made = [f"Create Pod web-{ordinal} in StatefulSet web successful" for ordinal in range(3)]
        assert await messages(world, "SuccessfulCreate") == made
        pod = await world.client.get(PODS, "web-1", NAMESPACE)
        assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "web")
        assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
        assert pod["metadata"]["labels"]["controller-revision-hash"] == status["updateRevision"]
        await change(world, replicas=1)
        await settled(world, replicas=1)
        gone = [f"Delete Pod web-{ordinal} in StatefulSet web successful" for ordinal in (2, 1)]
        await world.event("SuccessfulDelete", gone[-1])
        assert await messages(world, "SuccessfulDelete") == gone


async def test_a_pod_that_is_not_ready_holds_the_next_ones_back_unless_they_come_in_parallel() -> None:
    async with running_world() as world:
        await world.client.create(STATEFUL_SETS, stateful_set(template=template("nginx:1.72")))
        await world.event("Failed", "Error: ErrImagePull")
        assert [pod["metadata"]["name"] for pod in await world.all(PODS)] == ["web-0"]
        await world.client.delete(STATEFUL_SETS, "web", NAMESPACE)

        async def empty() -> bool:
            return not await world.all(PODS)

        await world.eventually(empty)
        body = stateful_set(template=template("nginx:1.72"), podManagementPolicy="Parallel")
        await world.client.create(STATEFUL_SETS, body)
        await settled(world, replicas=3)


async def test_a_broken_pod_of_an_old_revision_stays_until_somebody_deletes_it() -> None:
    async with running_world() as world:
        await world.client.create(STATEFUL_SETS, stateful_set(replicas=2))
        await settled(world, availableReplicas=2)
        await change(world, template=template("nginx:1.72"))
        await world.event("Failed", "Error: ErrImagePull")
        broken = await world.client.get(PODS, "web-1", NAMESPACE)
        await change(world, template=template("nginx:1.28"))

        async def revised() -> bool:
            return len(await world.all(CONTROLLER_REVISIONS)) == 3 and "updatedReplicas" not in await status_of(world)

        await world.eventually(revised)
        still = await world.client.get(PODS, "web-1", NAMESPACE)
        assert still["metadata"]["uid"] == broken["metadata"]["uid"]
        await world.client.delete(PODS, "web-1", NAMESPACE, grace_period_seconds=0)
        status = await settled(world, availableReplicas=2, updatedReplicas=2)
        assert status["currentRevision"] == status["updateRevision"]


async def test_a_partition_keeps_the_lower_ordinals_at_the_old_revision() -> None:
    async with running_world() as world:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        await world.client.create(STATEFUL_SETS, stateful_set(updateStrategy=strategy))
        await settled(world, availableReplicas=3)
        await change(world, template=template("nginx:1.28"))
        await settled(world, availableReplicas=3, updatedReplicas=2, currentReplicas=1)
        images = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in await world.all(PODS)}
        assert images == {"web-0": "nginx:1.27", "web-1": "nginx:1.28", "web-2": "nginx:1.28"}


async def test_claims_are_made_before_the_pod_and_go_with_it_if_the_policy_says_so() -> None:
    async with running_world() as world:
        policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
        body = stateful_set(
            replicas=2,
            podManagementPolicy="Parallel",
            volumeClaimTemplates=[CLAIM],
            persistentVolumeClaimRetentionPolicy=policy,
        )
        await world.client.create(STATEFUL_SETS, body)
        await world.event("SuccessfulCreate", "Create Pod web-1 in StatefulSet web successful")
        text = "Create Claim data-web-1 Pod web-1 in StatefulSet web success"
        assert text in await messages(world, "SuccessfulCreate")
        assert {item["metadata"]["name"] for item in await world.all(CLAIMS)} == {"data-web-0", "data-web-1"}
        await change(world, replicas=1)

        async def one_left() -> bool:
            return [item["metadata"]["name"] for item in await world.all(CLAIMS)] == ["data-web-0"]

        await world.eventually(one_left)


def member(name: str, uid: str = "pod") -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "uid": uid, "namespace": "shop"}, "spec": {}}


def a_set(**spec: Any) -> dict[str, Any]:
    body = stateful_set(**spec)
    return body | {"metadata": body["metadata"] | {"uid": "set"}}


def test_members_are_told_by_their_names_and_sorted_into_wanted_and_condemned() -> None:
    owner = a_set(replicas=2, ordinals={"start": 1})
    pods = [member(f"web-{number}") for number in (0, 1, 2, 3, 10)] + [member("web-x"), member("other-1")]
    found = members(owner, pods)
    assert list(ordinals(owner)) == [1, 2]
    assert sorted(found.wanted) == [1, 2]
    assert [pod["metadata"]["name"] for pod in found.condemned] == ["web-10", "web-3", "web-0"]
    assert ordinal_of(owner, member("web-x")) == -1


@pytest.mark.parametrize(
    ("scaled", "deleted", "ordinal", "owner"),
    [
        ("Retain", "Retain", 0, []),
        ("Retain", "Delete", 5, ["set"]),
        ("Delete", "Retain", 0, []),
        ("Delete", "Retain", 5, ["pod"]),
        ("Delete", "Delete", 0, ["set"]),
        ("Delete", "Delete", 5, ["pod"]),
    ],
)
def test_the_retention_policy_decides_who_owns_a_claim(
    scaled: str, deleted: str, ordinal: int, owner: list[str]
) -> None:
    body = a_set(persistentVolumeClaimRetentionPolicy={"whenScaled": scaled, "whenDeleted": deleted})
    claim: dict[str, Any] = {"metadata": {"ownerReferences": [{"uid": "old", "kind": "Pod", "name": f"web-{ordinal}"}]}}
    found = claim_owners(body, claim, pod=member(f"web-{ordinal}"), ordinal=ordinal)
    assert [item["uid"] for item in found] == owner
