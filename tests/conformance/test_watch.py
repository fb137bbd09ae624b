"""Watches: what they begin with, what they show, how they end."""

from __future__ import annotations

from typing import Any

from .bodies import config_map, pod
from .client import MERGE, Api
from .custom import custom_resource

MAPS = "configmaps"
MINE: dict[str, Any] = {"labelSelector": "set=mine"}


def _fill(api: Api, *names: str) -> None:
    for name in names:
        api.create(MAPS, config_map(name, labels={"set": "mine"})).ok()


def _seen(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def _version(api: Api) -> str:
    return str(api.get(MAPS).ok()["metadata"]["resourceVersion"])


def test_without_a_version_it_begins_with_what_there_is(api: Api) -> None:
    _fill(api, "a", "b")
    assert sorted(_seen(api.watch(api.at(MAPS), 2, **MINE))) == [("ADDED", "a"), ("ADDED", "b")]
    assert len(api.watch(api.at(MAPS), 2, resourceVersion="0", **MINE)) == 2


def test_from_a_version_it_shows_everything_since(api: Api) -> None:
    version = _version(api)
    _fill(api, "a")
    api.patch(MAPS, "a", {"data": {"x": "y"}}).ok()
    api.delete(MAPS, "a").ok()
    events = api.watch(api.at(MAPS), 3, resourceVersion=version, **MINE)
    assert _seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert events[1]["object"]["data"] == {"x": "y"}


def test_versions_only_grow(api: Api) -> None:
    version = _version(api)
    _fill(api, "a", "b")
    api.delete(MAPS, "a").ok()
    events = api.watch(api.at(MAPS), 3, resourceVersion=version, **MINE)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)


def test_an_object_of_a_watch_says_its_kind(api: Api) -> None:
    _fill(api, "a")
    [event] = api.watch(api.at(MAPS), 1, **MINE)
    assert (event["object"]["kind"], event["object"]["apiVersion"]) == ("ConfigMap", "v1")


def test_entering_and_leaving_a_selector_looks_like_creation_and_deletion(api: Api) -> None:
    api.create(MAPS, config_map("a")).ok()
    version = _version(api)
    for value in ("mine", "mine-not", "mine"):
        api.patch(MAPS, "a", {"metadata": {"labels": {"set": value}}}).ok()
    api.patch(MAPS, "a", {"data": {"x": "y"}}).ok()
    events = api.watch(api.at(MAPS), 4, resourceVersion=version, **MINE)
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED"]
    assert events[1]["object"]["metadata"]["labels"] == {"set": "mine"}


def test_a_field_selector_is_entered_and_left_too(api: Api) -> None:
    version = api.get("pods").ok()["metadata"]["resourceVersion"]
    api.create("pods", pod("web")).ok()
    events = api.watch(api.at("pods"), 1, resourceVersion=version, fieldSelector="status.phase=Running")
    assert _seen(events) == [("ADDED", "web")]
    assert events[0]["object"]["status"]["phase"] == "Running"


def test_one_object_is_watched_by_its_name(api: Api) -> None:
    version = _version(api)
    _fill(api, "a", "b")
    events = api.watch(api.at(MAPS), 1, resourceVersion=version, fieldSelector="metadata.name=b")
    assert _seen(events) == [("ADDED", "b")]


def test_the_old_watch_path_still_works(api: Api) -> None:
    _fill(api, "a")
    path = f"/api/v1/watch/namespaces/{api.namespace}/configmaps"
    assert _seen(api.watch(path, 1, **MINE)) == [("ADDED", "a")]


def test_the_old_watch_path_of_one_object_watches_that_alone(api: Api) -> None:
    _fill(api, "a", "b")
    path = f"/api/v1/watch/namespaces/{api.namespace}/configmaps/b"
    assert _seen(api.watch(path, 1)) == [("ADDED", "b")]
    answer = api.request("GET", path, query={"fieldSelector": "metadata.name=a"})
    assert (answer.code, answer.body["message"]) == (400, "fieldSelector metadata.name doesn't match requested name")
    assert api.request("DELETE", path).code == 405


def test_a_pod_on_no_node_is_marked_before_it_goes(api: Api) -> None:
    version = api.get("pods").ok()["metadata"]["resourceVersion"]
    api.create("pods", pod("web", schedulerName="nobody")).ok()
    api.delete("pods", "web").ok()
    events = api.watch(api.at("pods"), 3, resourceVersion=version)
    graces = [event["object"]["metadata"].get("deletionGracePeriodSeconds") for event in events]
    assert ([event["type"] for event in events], graces) == (["ADDED", "MODIFIED", "DELETED"], [None, 0, 0])


def test_it_ends_after_its_time(api: Api) -> None:
    _fill(api, "a")
    assert _seen(api.watch(api.at(MAPS), timeoutSeconds="1", **MINE)) == [("ADDED", "a")]


def test_a_streamed_list_ends_with_a_bookmark_that_says_so(api: Api) -> None:
    _fill(api, "a", "b")
    query: dict[str, Any] = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    events = api.watch(api.at(MAPS), 3, allowWatchBookmarks="true", **query, **MINE)
    assert [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    last = events[2]["object"]
    assert last["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(last["metadata"]["resourceVersion"]) >= int(events[1]["object"]["metadata"]["resourceVersion"])
    assert last["kind"] == "ConfigMap"


def test_a_streamed_list_needs_the_right_options(api: Api) -> None:
    answer = api.get(MAPS, watch="true", sendInitialEvents="true")
    assert answer.code == 422
    assert answer.body["message"] == (
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting '
        "resourceVersionMatch to NotOlderThan"
    )
    answer = api.get(MAPS, sendInitialEvents="true", resourceVersionMatch="NotOlderThan")
    assert answer.code == 422
    assert "sendInitialEvents is forbidden for list" in answer.body["message"]


def test_what_is_forgotten_is_gone(api: Api) -> None:
    api.forget_history()
    with custom_resource(api) as path:  # a new kind remembers nothing from before
        [event] = api.watch(path, resourceVersion="1", timeoutSeconds="2")
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_an_odd_version_is_an_error_of_the_server(api: Api) -> None:
    answer = api.get(MAPS, watch="true", resourceVersion="abc")
    assert answer.code == 500
    assert answer.body["message"] == (
        'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    )


def test_a_watch_sees_what_happens_meanwhile(api: Api) -> None:
    with api.watching(api.at(MAPS), resourceVersion=_version(api), **MINE) as events:
        _fill(api, "a")
        assert next(events)["type"] == "ADDED"
        path = api.at(MAPS, "a")
        api.request("PATCH", path, {"data": {"k": "v"}}, content_type=MERGE).ok()
        assert next(events)["object"]["data"] == {"k": "v"}


def test_a_change_of_nothing_is_not_seen(api: Api) -> None:
    _fill(api, "a")
    version = _version(api)
    api.patch(MAPS, "a", {"metadata": {"labels": {"set": "mine"}}}).ok()
    _fill(api, "b")
    assert _seen(api.watch(api.at(MAPS), 1, resourceVersion=version, **MINE)) == [("ADDED", "b")]


def test_metadata_alone_and_tables_can_be_watched(api: Api) -> None:
    _fill(api, "a")
    path, query = api.at(MAPS), {"watch": "1", "timeoutSeconds": "1", **MINE}
    accept = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    body = api.request("GET", path, query=query, headers=accept).body
    found = body if isinstance(body, str) else str(body)
    assert "PartialObjectMetadata" in found
