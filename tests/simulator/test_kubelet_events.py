"""Event series and the informer's memory, without a cluster."""

import asyncio
from typing import Any

from simulator.api_client import ApiClient, ApiError, Connection
from simulator.clock import SimClock
from simulator.event_recorder import EventRecorder, EventSource
from simulator.informer import Informer
from simulator.resources import PODS

INVOLVED = {"kind": "Pod", "name": "web", "namespace": "shop", "uid": "1"}
KUBELET = EventSource("kubelet", "node-1")


class Server(ApiClient):
    """Keeps what it is asked to write."""

    def __init__(self) -> None:
        super().__init__(Connection("http://127.0.0.1:1"))
        self.created: list[dict[str, Any]] = []
        self.patched: list[dict[str, Any]] = []
        self.lost = False

    async def create(self, resource: Any, body: Any, namespace: str | None = None) -> dict[str, Any]:
        self.created.append(dict(body))
        return dict(body)

    async def patch(self, resource: Any, name: str, body: Any, namespace: Any = None, **_: Any) -> dict[str, Any]:
        if self.lost:
            raise ApiError(404, "NotFound", "gone")
        self.patched.append(body)
        return {}


async def record(server: Server, *calls: tuple[EventSource, str]) -> None:
    recorder = EventRecorder(server, SimClock())
    for source, message in calls:
        recorder.warning(source, INVOLVED, "BackOff", message)
    task = asyncio.create_task(recorder.run())
    await recorder.written()
    task.cancel()


async def test_the_same_event_is_counted_up_and_another_message_is_another_event() -> None:
    server = Server()
    await record(server, (KUBELET, "a"), (KUBELET, "a"), (KUBELET, "b"), (KUBELET, "a"))
    assert [event["message"] for event in server.created] == ["a", "b"]
    assert [patch["count"] for patch in server.patched] == [2, 3]
    first = server.created[0]
    assert (first["count"], first["source"]) == (1, {"component": "kubelet", "host": "node-1"})
    assert first["metadata"]["name"].startswith("web.")


async def test_a_series_that_has_expired_starts_over() -> None:
    server = Server()
    server.lost = True
    await record(server, (KUBELET, "a"), (KUBELET, "a"))
    assert len(server.created) == 2


async def test_a_flood_about_one_object_is_cut_after_twenty_five() -> None:
    server = Server()
    await record(server, *[(KUBELET, "a") for _ in range(40)])
    assert len(server.created) + len(server.patched) == 25


async def test_the_tenth_different_message_of_a_reason_begins_a_shared_event() -> None:
    server = Server()
    await record(server, *[(KUBELET, str(number)) for number in range(12)])
    assert [event["message"] for event in server.created[-2:]] == ["8", "(combined from similar events): 9"]
    assert [(patch["count"], patch["message"]) for patch in server.patched] == [
        (2, "(combined from similar events): 10"),
        (3, "(combined from similar events): 11"),
    ]


async def test_a_new_api_series_is_written_twice_and_then_only_counted() -> None:
    server = Server()
    source = EventSource("default-scheduler", "embedded", action="Scheduling")
    await record(server, *[(source, str(number)) for number in range(5)])
    assert (len(server.created), len(server.patched)) == (1, 1)


async def test_the_schedulers_events_come_as_the_new_api_writes_them() -> None:
    server = Server()
    source = EventSource("default-scheduler", "embedded", action="Scheduling")
    await record(server, (source, "a"), (source, "a"))
    (event,) = server.created
    assert (event["source"], event["lastTimestamp"], event["action"]) == ({}, None, "Scheduling")
    assert "count" not in event
    assert server.patched[0]["series"]["count"] == 2


def pod(version: int, *, uid: str = "1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata} | fields


def informer() -> tuple[Informer, list[tuple[Any, Any]]]:
    found = Informer(Server(), PODS, clock=SimClock())
    told: list[tuple[Any, Any]] = []
    found.on_change(lambda old, new: told.append((old, new)))
    return found, told


def test_older_news_never_overwrites_what_a_write_has_returned() -> None:
    cache, told = informer()
    cache.observe(pod(5))
    cache.observe(pod(4))
    cache.observe(pod(5))
    assert len(told) == 1
    assert cache.get("shop", "web") == pod(5)


def test_an_object_that_is_gone_stays_gone_and_a_new_one_of_its_name_comes() -> None:
    cache, told = informer()
    cache.observe(pod(5))
    cache.forget(pod(5))
    cache.observe(pod(6))
    assert cache.get("shop", "web") is None
    cache.observe(pod(7, uid="2"))
    assert cache.get("shop", "web") == pod(7, uid="2")
    assert [new is None for _, new in told] == [False, True, False]


def test_owned_objects_are_found_by_their_owner() -> None:
    cache, _ = informer()
    owned = pod(5)
    owned["metadata"]["ownerReferences"] = [{"uid": "rs", "kind": "ReplicaSet", "name": "r", "controller": True}]
    cache.observe(owned)
    assert cache.owned_by("rs") == [owned]
    cache.forget(owned)
    assert cache.owned_by("rs") == []
