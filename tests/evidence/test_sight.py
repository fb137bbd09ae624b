"""Seeing one workload while it changes, on an API server that loses watches and forgets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evidence.sight import looking_through
from incidents.objects import CONTROLLER_REVISION, DAEMON_SET, DEPLOYMENT, POD, Kind, ObjectRef, Uid, reference
from tests.builders import deployment, pod
from tests.remediation.conftest import NAMESPACE, Bench, opened
from tests.stateful import controller_revision, daemon_set
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.reader import parse_object
from tools.cluster.transport import Query, Transport
from tools.store import StoreError

Object = dict[str, Any]
ENOUGH_SECONDS = 20.0


@pytest.fixture
async def bench(tmp_path: Any) -> AsyncIterator[Bench]:
    async with opened(tmp_path / "store.sqlite") as made:
        yield made


async def made(bench: Bench) -> ObjectRef:
    await bench.create(deployment())
    return reference(await bench.live())


async def stored(bench: Bench, kind: Kind, body: Object) -> Object:
    metadata = {key: value for key, value in body["metadata"].items() if key in ("name", "labels", "ownerReferences")}
    body = {**body, "metadata": metadata}
    return parse_object(await Transport.send(bench.transport, "POST", kind.path(NAMESPACE), body=body))


async def until(sight: Any, holds: Any) -> Any:
    """The first snapshot of which it holds."""
    async with asyncio.timeout(ENOUGH_SECONDS):
        while True:
            snapshot = await sight.snapshot()
            if holds(snapshot):
                return snapshot
            await sight.changed(within_seconds=5)


def images(snapshot: Any) -> list[str]:
    return [one["image"] for one in snapshot.workload["spec"]["template"]["spec"]["containers"]]


async def change_image(bench: Bench, image: str) -> None:
    await bench.edit({"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image})


async def test_a_change_is_seen_without_another_list(bench: Bench) -> None:
    target = await made(bench)
    async with looking_through(bench.reader, Clock())(target) as sight:
        await sight.snapshot()
        before = bench.reader.requests
        await change_image(bench, "nginx:7")
        seen = await until(sight, lambda snapshot: images(snapshot) == ["nginx:7"])
        assert seen.workload["kind"] == "Deployment"
        watches = bench.reader.requests - before
        assert watches <= 3  # the watches themselves may have been opened after the count


async def test_of_a_daemon_set_its_present_revision_is_read_once_its_controller_has_written_it(bench: Bench) -> None:
    body = {key: value for key, value in daemon_set().items() if key != "status"}
    made = await stored(bench, DAEMON_SET, body)
    async with looking_through(bench.reader, Clock())(reference(made)) as sight:
        assert (await sight.snapshot()).replica_sets == ()
        revision = controller_revision(made["spec"]["template"], hash_="new", number=1)
        revision["metadata"]["ownerReferences"][0]["uid"] = made["metadata"]["uid"]
        await stored(bench, CONTROLLER_REVISION, revision)
        seen = await sight.snapshot()
        assert [one["metadata"]["name"] for one in seen.replica_sets] == ["web-new"]
        before = bench.reader.requests
        await sight.snapshot()
        assert bench.reader.requests == before


async def test_a_dropped_watch_and_a_forgotten_history_are_made_good(bench: Bench) -> None:
    target = await made(bench)
    async with looking_through(bench.reader, Clock())(target) as sight:
        await sight.snapshot()
        await asyncio.to_thread(bench.server.faults.drop_watches)
        await asyncio.to_thread(bench.server.faults.compact)
        await change_image(bench, "nginx:8")
        await until(sight, lambda snapshot: images(snapshot) == ["nginx:8"])


async def test_what_is_deleted_is_gone_and_its_namesake_is_not_it(bench: Bench) -> None:
    target = await made(bench)
    async with looking_through(bench.reader, Clock())(target) as sight:
        assert await sight.snapshot() is not None
        await Transport.send(bench.transport, "DELETE", DEPLOYMENT.path(NAMESPACE, "web"))
        await bench.create(deployment())
        assert await until(sight, lambda snapshot: snapshot is None) is None


async def test_pods_count_only_where_selector_and_owner_say_so(bench: Bench) -> None:
    target = await made(bench)
    stranger = pod()
    stranger["metadata"] = {"name": "stranger", "labels": stranger["metadata"]["labels"]}
    async with looking_through(bench.reader, Clock())(target) as sight:
        await sight.snapshot()
        body = {key: stranger[key] for key in ("metadata", "spec") if key in stranger}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await bench._send("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
        await bench._send("POST", POD.path(NAMESPACE), {"apiVersion": "v1", "kind": "Pod", **body})
        await change_image(bench, "nginx:9")
        assert (await until(sight, lambda snapshot: images(snapshot) == ["nginx:9"])).pods == ()


async def test_an_api_server_that_refuses_lists_cannot_be_seen_and_then_is(bench: Bench) -> None:
    target = await made(bench)
    fault = bench.server.faults.refuse(403, verb="list", times=None)
    async with looking_through(bench.reader, Clock())(target) as sight:
        with pytest.raises(ClusterError):
            await sight.snapshot()
        fault.remove()
        async with asyncio.timeout(ENOUGH_SECONDS):
            while True:
                await sight.changed(within_seconds=5)
                try:
                    assert await sight.snapshot() is not None
                except ClusterError:
                    continue
                return


async def test_where_watching_is_forbidden_it_lists_instead(bench: Bench) -> None:
    target = await made(bench)
    bench.server.faults.refuse(403, verb="watch", times=None)
    async with looking_through(bench.reader, Clock())(target) as sight:
        await sight.snapshot()
        await change_image(bench, "nginx:6")
        await until(sight, lambda snapshot: images(snapshot) == ["nginx:6"])


async def test_what_is_gone_from_the_start_is_gone(bench: Bench) -> None:
    gone = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=NAMESPACE, name="web", uid=Uid("u"))
    async with looking_through(bench.reader, Clock())(gone) as sight:
        assert await sight.snapshot() is None


async def test_an_object_without_an_identity_is_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await made(bench)
    page = bench.reader.page

    async def odd(path: str, query: Query) -> Any:
        found = await page(path, query)
        return {**found, "items": [{"metadata": None}, {"status": None}, *(found.get("items") or ())]}

    monkeypatch.setattr(bench.reader, "page", odd)
    async with looking_through(bench.reader, Clock())(target) as sight:
        seen = await sight.snapshot()
        assert seen is not None
        assert seen.workload["metadata"]["uid"] == target.uid


async def test_what_whoever_looks_raises_leaves_as_it_was_raised(bench: Bench) -> None:
    target, failed = await made(bench), StoreError("database is locked")
    with pytest.raises(StoreError) as raised:
        async with looking_through(bench.reader, Clock())(target):
            raise failed
    assert raised.value is failed
