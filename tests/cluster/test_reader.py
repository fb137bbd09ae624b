"""The reader: whatever it is asked for, it can only read."""

from pathlib import Path

from incidents.objects import DEPLOYMENT, EVENT, POD, reference
from tests.world import USER, World
from tools.cluster.reader import Reader
from tools.cluster.transport import connect


async def test_its_every_request_is_a_get(world: World, tmp_path: Path) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27", replicas=2)
    await world.available("web", "shop")
    transport = await connect(user_agent="tests", kubeconfig=world.cluster.kubeconfig(user=USER))
    reader = Reader(transport)
    web = await reader.get(DEPLOYMENT, "shop", "web")
    await reader.find(reference({**web, "apiVersion": "apps/v1", "kind": "Deployment"}))
    pods = await reader.list(POD, "shop", labels="app=web", fields="status.phase=Running")
    await reader.logs("shop", pods[0]["metadata"]["name"], "main", previous=False, lines=5, limit_bytes=100)
    await reader.list(EVENT, "shop")
    await reader.version()
    await reader.cluster_id()
    await transport.aclose()
    assert {request.method for request in world.requests()} == {"GET"}
    assert reader.requests == len(world.requests())


async def test_list_items_carry_the_kind_that_the_server_leaves_out(world: World) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27")
    async with world.app() as app:
        found = await app.reader.list(DEPLOYMENT, "shop")
    assert [(item["apiVersion"], item["kind"]) for item in found] == [("apps/v1", "Deployment")]


async def test_a_name_that_was_given_to_another_object_is_not_the_object(world: World) -> None:
    await world.namespace()
    first = await world.deploy("nginx:1.27")
    async with world.app() as app:
        ref = reference({**first, "apiVersion": "apps/v1", "kind": "Deployment"})
        assert await app.reader.find(ref) is not None
        await world.admin.request("DELETE", DEPLOYMENT.path("shop", "web"))
        await world.eventually(lambda: _gone(app.reader, world))
        await world.deploy("nginx:1.27")
        assert await app.reader.find(ref) is None


async def _gone(reader: Reader, world: World) -> bool:
    return not await reader.list(DEPLOYMENT, "shop")


async def test_a_log_is_bounded_from_its_end(world: World) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    pod = (await world.pods("shop"))[0]["metadata"]["name"]
    async with world.app() as app:
        whole = await app.reader.logs("shop", pod, "main", previous=False, lines=100, limit_bytes=10_000)
        end = await app.reader.logs("shop", pod, "main", previous=False, lines=100, limit_bytes=20)
    assert whole.endswith(end)
    assert len(end) == 20
