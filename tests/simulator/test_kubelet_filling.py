"""Programs that write to a claim's volume: what they have written stays there, and a full volume ends them."""

from typing import Any

import pytest

from simulator.kubelet.execution import Surroundings, plan
from simulator.kubelet.filling import Contents, Room, nearest_mount
from simulator.kubelet.programs import Program
from simulator.resources import PODS
from simulator.storage.kinds import CLAIMS
from tests.simulator.world import NAMESPACE, World, alone, running_world

LEDGER = "registry.example/shop/ledger:3.0.2"
WRITER = Program(disk_per_second=10, disk_most=100, disk_path="/data")
Object = dict[str, Any]


def ends(held: float, capacity: float) -> tuple[float, str] | None:
    end = plan(WRITER, {}, Surroundings(room=Room("uid", held, capacity))).out_of_space()
    return None if end is None else (end.after_seconds, end.logs[0])


def test_a_program_ends_when_what_it_needs_does_not_fit() -> None:
    assert ends(0, 80) == (8.0, "{time} ERROR write /data/0005: no space left on device")
    full = ends(80, 80)
    assert full is not None
    assert full[0] < 1
    assert ends(80, 100) is None  # what stands there is counted towards what it needs
    assert plan(WRITER, {}, Surroundings()).out_of_space() is None


@pytest.mark.parametrize(("path", "volume"), [("/data/wal", "data"), ("/data/tmp/x", "tmp"), ("/database", None)])
def test_a_path_is_on_the_volume_that_is_mounted_nearest(path: str, volume: str | None) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/data/tmp"}]
    assert nearest_mount({"volumeMounts": mounts}, path) == volume


def test_what_several_have_written_is_added_up() -> None:
    contents, room = Contents(), Room("uid", 0, 80)
    for amount in (30.0, 20.0):
        contents.wrote(room, amount)
    assert contents._held == {"uid": 50.0}


async def claimed(world: World, size: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    metadata = {"name": "books", "namespace": NAMESPACE}
    await world.client.create(
        CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    )


def writing() -> Object:
    late = {"httpGet": {"path": "/readyz", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 1}
    mounts = [{"name": "books", "mountPath": "/var/data"}]
    return alone(LEDGER, volumeMounts=mounts, readinessProbe=late) | {
        "volumes": [{"name": "books", "persistentVolumeClaim": {"claimName": "books"}}]
    }


async def test_a_full_volume_stays_full_for_the_next_pod_until_its_claim_has_grown() -> None:
    async with running_world(nodes=1, speed=200) as world:
        await claimed(world, "1Gi")
        for name in ("first", "second"):
            await world.run_pod(writing(), name)
            await world.waits("CrashLoopBackOff")
            await world.client.delete(PODS, name, NAMESPACE, grace_period_seconds=0)

            async def gone() -> bool:
                return await world.pod() is None

            await world.eventually(gone)
        grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await world.client.patch(CLAIMS, "books", grown, NAMESPACE)

        async def larger() -> bool:
            found = await world.client.get(CLAIMS, "books", NAMESPACE)
            return bool(found["status"]["capacity"]["storage"] == "2Gi")

        await world.eventually(larger)
        await world.run_pod(writing(), "third")

        async def well() -> bool:
            return bool((await world.container()).get("ready"))

        await world.eventually(well)
        assert (await world.container())["restartCount"] == 0
