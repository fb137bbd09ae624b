"""Claims and volumes: bound, made, grown, kept while in use, and given back."""

from typing import Any

from simulator.resources import PODS
from simulator.storage.kinds import BIND_COMPLETED, CLAIMS, CLASSES, DISKS, HOSTPATH, SELECTED_NODE, VOLUMES
from tests.simulator.world import NAMESPACE, World, alone, running_world

_NO_CLASS = "no persistent volumes available for this claim and no storage class is set"


def claim(name: str, storage_class: str | None = None, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    if storage_class is not None:
        body["storageClassName"] = storage_class
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": body}


def volume(name: str, storage_class: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    body = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "hostPath": {"path": "/data"},
        "storageClassName": storage_class,
        **spec,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": body}


async def bound(world: World, name: str) -> Any:
    found = await world.client.get(CLAIMS, name, NAMESPACE)
    return found if found["status"]["phase"] == "Bound" else None


async def gone(world: World, name: str) -> bool:
    listed = await world.client.list(VOLUMES)
    return all(item["metadata"]["name"] != name for item in listed["items"])


async def test_a_claim_gets_the_smallest_volume_that_is_large_enough() -> None:
    async with running_world(nodes=0) as world:
        for name, size in (("large", "9Gi"), ("small", "1Gi"), ("fitting", "3Gi")):
            await world.client.create(VOLUMES, volume(name, "manual", size))
        await world.client.create(CLAIMS, claim("data", "manual", "2Gi"))
        found = await world.eventually(lambda: bound(world, "data"))
        assert found["spec"]["volumeName"] == "fitting"
        assert found["status"]["capacity"] == {"storage": "3Gi"}
        assert found["metadata"]["annotations"][BIND_COMPLETED] == "yes"


async def test_a_claim_for_an_unknown_class_says_so() -> None:
    async with running_world(nodes=0) as world:
        await world.client.create(CLAIMS, claim("data", "fast"))
        event = await world.event("ProvisioningFailed")
        assert event["message"] == 'storageclass.storage.k8s.io "fast" not found'
        assert event["source"] == {"component": "persistentvolume-controller"}


async def test_a_claim_that_wants_no_class_waits_for_a_volume() -> None:
    async with running_world(nodes=0) as world:
        await world.client.create(CLAIMS, claim("data", ""))
        event = await world.event("FailedBinding")
        assert (event["type"], event["message"]) == ("Normal", _NO_CLASS)


async def test_a_volume_is_made_once_a_pod_has_a_node_and_goes_with_its_claim() -> None:
    async with running_world(nodes=1) as world:
        await world.eventually(lambda: world.client.get(CLASSES, "standard"))
        await world.client.create(CLAIMS, claim("data"))
        await world.event("WaitForFirstConsumer")
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        await world.run_pod(alone("nginx:1.27") | {"volumes": volumes})
        found = await world.eventually(lambda: bound(world, "data"))
        assert found["metadata"]["annotations"][SELECTED_NODE] == "node-1"
        made = await world.client.get(VOLUMES, found["spec"]["volumeName"])
        assert made["spec"]["csi"]["driver"] == HOSTPATH
        await world.eventually(lambda: running(world))
        await world.client.delete(CLAIMS, "data", NAMESPACE)
        kept = await world.client.get(CLAIMS, "data", NAMESPACE)
        assert kept["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        await world.client.delete(PODS, "pod", NAMESPACE)
        await world.eventually(lambda: gone(world, made["metadata"]["name"]))


async def running(world: World) -> bool:
    return bool((await world.client.get(PODS, "pod", NAMESPACE))["status"].get("phase") == "Running")


async def test_a_volume_grows_with_its_claim() -> None:
    body = {"metadata": {"name": "now"}, "provisioner": HOSTPATH, "allowVolumeExpansion": True}
    async with running_world(nodes=0) as world:
        await world.client.create(CLASSES, body)
        await world.client.create(CLAIMS, claim("data", "now"))
        await world.eventually(lambda: bound(world, "data"))
        larger = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
        await world.client.patch(CLAIMS, "data", larger, NAMESPACE)
        await world.event("VolumeResizeSuccessful")
        found = await world.client.get(CLAIMS, "data", NAMESPACE)
        assert found["status"]["capacity"] == {"storage": "5Gi"}


async def test_a_retained_volume_stays_released() -> None:
    async def released() -> bool:
        return bool((await world.client.get(VOLUMES, "disk"))["status"]["phase"] == "Released")

    async with running_world(nodes=0) as world:
        await world.client.create(VOLUMES, volume("disk", "manual"))
        await world.client.create(CLAIMS, claim("data", "manual"))
        await world.eventually(lambda: bound(world, "data"))
        await world.client.delete(CLAIMS, "data", NAMESPACE)
        await world.eventually(released)


async def test_a_claim_that_asks_for_a_volume_that_is_too_small_is_told_why() -> None:
    async with running_world(nodes=0) as world:
        await world.client.create(VOLUMES, volume("disk", "manual"))
        await world.client.create(CLAIMS, claim("data", "manual", "5Gi", volumeName="disk"))
        event = await world.event("VolumeMismatch")
        assert event["message"] == 'Cannot bind to requested volume "disk": requested PV is too small'


async def test_a_volume_that_is_attached_is_refused_to_a_second_node_until_the_first_pod_is_gone() -> None:
    async with running_world(nodes=2) as world:
        source = {"csi": {"driver": DISKS, "volumeHandle": "d"}, "claimRef": {"namespace": NAMESPACE, "name": "data"}}
        body = volume("disk", "")
        body["spec"] = {key: value for key, value in body["spec"].items() if key != "hostPath"} | source
        await world.client.create(VOLUMES, body)
        await world.client.create(CLAIMS, claim("data", "", volumeName="disk"))
        await world.eventually(lambda: bound(world, "data"))
        mounted = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
        spec = alone("nginx:1.27", volumeMounts=[{"name": "data", "mountPath": "/data"}]) | mounted
        await world.run_pod(spec | {"nodeName": "node-1"}, "first")
        await world.eventually(lambda: runs(world, "first"))
        await world.run_pod(spec | {"nodeName": "node-2"}, "second")
        event = await world.event("FailedAttachVolume")
        assert event["message"] == 'Multi-Attach error for volume "disk" Volume is already used by pod(s) first'
        assert event["source"] == {"component": "attachdetach-controller"}
        assert not await runs(world, "second")
        await world.client.delete(PODS, "first", NAMESPACE)
        await world.eventually(lambda: runs(world, "second"))


async def runs(world: World, name: str) -> bool:
    found = await world.pod(name)
    return found is not None and (found.get("status") or {}).get("phase") == "Running"
