"""Watches: what they see, from where, and when they are told that history is gone."""

import time
from itertools import islice
from typing import Any

import orjson

from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, PODS, Api, config_map, deployment, pod, serving


def seen(events: list[Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["object"]["metadata"]["name"]) for one in events]


def test_a_watch_tells_every_change_after_its_version_in_order(api: Api) -> None:
    version = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
    api.create(CONFIG_MAPS, config_map("b"))
    api.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "v"}})
    api.delete(f"{CONFIG_MAPS}/b")
    events = api.events(CONFIG_MAPS, 3, resourceVersion=version)
    assert seen(events) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert versions == sorted(versions)
    assert events[0]["object"]["kind"] == "ConfigMap"


def test_a_watch_hears_what_happens_while_it_is_open(api: Api) -> None:
    with api.http.stream("GET", CONFIG_MAPS, params={"watch": "true"}) as response:
        lines = response.iter_lines()
        for name in ("a", "b"):
            api.create(CONFIG_MAPS, config_map(name))
            assert orjson.loads(next(lines))["object"]["metadata"]["name"] == name


def test_a_watch_without_version_starts_with_what_is_there(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("a"))
    assert seen(api.events(CONFIG_MAPS, 1)) == [("ADDED", "a")]
    assert seen(api.events(CONFIG_MAPS, 1, resourceVersion="0")) == [("ADDED", "a")]


def test_initial_events_end_with_a_marked_bookmark(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("a"))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    added, mark = api.events(CONFIG_MAPS, 2, **query)
    assert added["type"] == "ADDED"
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_initial_events_need_their_version_match(api: Api) -> None:
    refused = api.get(CONFIG_MAPS, watch="1", sendInitialEvents="true")
    assert (refused["code"], refused["reason"]) == (422, "Invalid")


def test_a_namespaced_watch_sees_its_namespace_alone(api: Api) -> None:
    version = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
    api.create("/api/v1/namespaces/kube-public/configmaps", config_map("else"))
    api.create(CONFIG_MAPS, config_map("b"))
    assert seen(api.events(CONFIG_MAPS, 1, resourceVersion=version)) == [("ADDED", "b")]
    everywhere = api.events("/api/v1/configmaps", 2, resourceVersion=version)
    assert seen(everywhere) == [("ADDED", "else"), ("ADDED", "b")]


def test_an_object_that_stops_matching_is_deleted_to_the_watch_and_added_when_it_starts(api: Api) -> None:
    version = api.create(PODS, pod())["metadata"]["resourceVersion"]
    api.patch(f"{PODS}/web/status", {"status": {"phase": "Running"}})
    left = api.patch(f"{PODS}/web/status", {"status": {"phase": "Failed"}})
    query = {"fieldSelector": "status.phase=Running", "resourceVersion": version}
    added, deleted = api.events(PODS, 2, **query)
    assert (added["type"], deleted["type"]) == ("ADDED", "DELETED")
    assert deleted["object"]["status"]["phase"] == "Running"
    assert deleted["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_a_label_selector_filters_a_watch(api: Api) -> None:
    version = api.create(CONFIG_MAPS, config_map("a", labels={"x": "1"}))["metadata"]["resourceVersion"]
    api.create(CONFIG_MAPS, config_map("b", labels={"x": "2"}))
    api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"x": "2"}}})
    events = api.events(CONFIG_MAPS, 2, labelSelector="x=2", resourceVersion=version)
    assert seen(events) == [("ADDED", "b"), ("ADDED", "a")]


def test_the_timeout_ends_a_watch_with_a_bookmark_for_those_who_want_one(api: Api) -> None:
    version = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
    api.create(DEPLOYMENTS, deployment())
    query = {"resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "1"}
    [mark] = api.events(CONFIG_MAPS, **query)
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["kind"] == "ConfigMap"
    assert int(mark["object"]["metadata"]["resourceVersion"]) == int(version) + 1


def test_bookmarks_come_while_nothing_happens() -> None:
    with serving(bookmark_seconds=0.01) as api:
        events = api.events(CONFIG_MAPS, 3, allowWatchBookmarks="true")
    assert {one["type"] for one in events} == {"BOOKMARK"}


def test_a_version_older_than_the_memory_is_gone() -> None:
    with serving(history=3) as api:
        version = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
        for value in range(5):
            api.patch(f"{CONFIG_MAPS}/a", {"data": {"k": str(value)}})
        [error] = api.events(CONFIG_MAPS, resourceVersion=version)
    assert error["type"] == "ERROR"
    assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
    assert error["object"]["message"].startswith(f"too old resource version: {version} (")


def test_a_watch_that_falls_behind_is_told_in_the_stream(api: Api) -> None:
    with api.http.stream("GET", CONFIG_MAPS, params={"watch": "1"}) as response:
        lines = response.iter_lines()
        api.create(CONFIG_MAPS, config_map("a"))
        next(lines)
        api.create(DEPLOYMENTS, deployment())
        api.server.store.of(_config_maps(api)).forget(api.server.store.version)
        api.create(CONFIG_MAPS, config_map("b"))
        error = next(event for event in map(orjson.loads, islice(lines, 3)) if event["type"] == "ERROR")
    assert error["object"]["code"] == 410


def test_a_watch_ends_when_its_client_goes(api: Api) -> None:
    with api.http.stream("GET", CONFIG_MAPS, params={"watch": "1"}) as response:
        api.create(CONFIG_MAPS, config_map("a"))
        lines = response.iter_lines()
        next(lines)
        assert api.server.open_streams == 1
    deadline = time.monotonic() + 5
    while api.server.open_streams and time.monotonic() < deadline:
        time.sleep(0.005)
    assert api.server.open_streams == 0


def _config_maps(api: Api) -> Any:
    return next(one.kind for one in api.server.store.collections() if one.kind.plural == "configmaps")
