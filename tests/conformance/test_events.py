"""Events: written by anybody, selected by their fields, seen through both of their groups."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import container, pod
from .client import Api

STAMP = "2030-01-01T00:00:00Z"


def _event(api: Api, name: str, reason: str, kind: str = "Pod", severity: str = "Normal") -> None:
    body = {
        "metadata": {"name": name},
        "involvedObject": {"kind": kind, "name": "it", "namespace": api.namespace, "uid": "u"},
        "reason": reason, "message": "m", "type": severity, "source": {"component": "tests"},
        "firstTimestamp": STAMP, "lastTimestamp": STAMP, "count": 1,
    }  # fmt: skip
    api.create("events", body).ok()


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("reason=One", ["a"]),
        ("type=Warning", ["b"]),
        ("type!=Warning", ["a", "c"]),
        ("involvedObject.kind=Node", ["c"]),
        ("involvedObject.name=it,reason=Two", ["b", "c"]),
        ("involvedObject.uid=u,type=Normal", ["a", "c"]),
        ("source=tests", ["a", "b", "c"]),
        ("reportingComponent=", ["a", "b", "c"]),
    ],
)
def test_events_are_selected(api: Api, selector: str, names: list[str]) -> None:
    _event(api, "a", "One")
    _event(api, "b", "Two", severity="Warning")
    _event(api, "c", "Two", kind="Node")
    found = api.get("events", fieldSelector=selector).ok()["items"]
    assert [one["metadata"]["name"] for one in found] == names


def test_an_event_is_seen_through_both_groups(api: Api) -> None:
    _event(api, "a", "One")
    found = api.get("events.events.k8s.io", "a").ok()
    assert found["apiVersion"] == "events.k8s.io/v1"
    assert (found["note"], found["regarding"]["name"], found["deprecatedCount"]) == ("m", "it", 1)


NEW = "events.events.k8s.io"


def _new_event(api: Api, **fields: Any) -> Any:
    return {
        "metadata": {"name": "n"}, "regarding": {"kind": "Pod", "name": "it", "namespace": api.namespace},
        "reason": "R", "note": "n", "type": "Warning", "action": "Doing", "reportingController": "x.y/z",
        "reportingInstance": "i", "eventTime": "2030-01-01T00:00:00.123456Z", **fields,
    }  # fmt: skip


def test_an_event_of_the_newer_group_is_a_core_event_too(api: Api) -> None:
    made = api.create(NEW, _new_event(api)).ok()
    assert (made["deprecatedSource"], made["deprecatedFirstTimestamp"]) == ({}, None)
    found = api.get("events", "n").ok()
    assert (found["apiVersion"], found["message"], found["involvedObject"]["name"]) == ("v1", "n", "it")
    assert (found["reportingComponent"], found["source"], found["eventTime"]) == ("x.y/z", {}, made["eventTime"])
    api.delete(NEW, "n").ok()
    assert api.get("events", "n").code == 404


def test_each_group_has_its_own_names_to_select_by_and_watch(api: Api) -> None:
    api.create(NEW, _new_event(api)).ok()
    for selector in ("regarding.name=it", "reportingController=x.y/z", "reason=R,type=Warning"):
        assert [one["note"] for one in api.get(NEW, fieldSelector=selector).ok()["items"]] == ["n"]
    answer = api.get(NEW, fieldSelector="involvedObject.name=it")
    assert (answer.code, answer.body["message"]) == (400, "field label not supported: involvedObject.name")
    [seen] = api.watch(api.at(NEW), 1, fieldSelector="metadata.name=n")
    assert (seen["object"]["apiVersion"], seen["object"]["note"]) == ("events.k8s.io/v1", "n")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": ""}, "action: Required value"),
        ({"eventTime": None}, "eventTime: Required value"),
        ({"type": "X"}, 'type: Invalid value: "": has invalid value: X'),
        ({"deprecatedCount": 1}, 'count: Invalid value: "": needs to be unset'),
        (
            {"series": {"count": 1, "lastObservedTime": "2030-01-01T00:00:00.000000Z"}},
            'series.count: Invalid value: "": should be at least 2',
        ),
    ],
)
def test_the_newer_group_is_strict(api: Api, fields: Any, said: str) -> None:
    answer = api.create(NEW, _new_event(api, **fields))
    assert (answer.code, answer.body["message"]) == (422, f'Event "n" is invalid: {said}')


def test_what_the_newer_group_reports_does_not_change(api: Api) -> None:
    api.create(NEW, _new_event(api)).ok()
    answer = api.patch(NEW, "n", {"note": "other"})
    said = 'Event "n" is invalid: message: Invalid value: "other": field is immutable'
    assert (answer.code, answer.body["message"]) == (422, said)
    series = {"count": 2, "lastObservedTime": "2030-01-01T00:00:00.000000Z"}
    assert api.patch(NEW, "n", {"series": series}).ok()["series"] == series
    assert api.patch("events", "n", {"message": "other"}).ok()["message"] == "other"


def _reasons(api: Api, name: str) -> list[str]:
    return sorted({event["reason"] for event in api.events_about(name)})


def test_the_events_of_a_pod_that_starts(api: Api) -> None:
    api.create("pods", pod("web", container(imagePullPolicy="Always"))).ok()
    api.eventually(lambda: _reasons(api, "web") == ["Created", "Pulled", "Pulling", "Scheduled", "Started"])


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        (
            {"image": "nginx:none", "imagePullPolicy": "Never"},
            "ErrImageNeverPull",
            'Container image "nginx:none" is not present with pull policy of Never',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]},
            "Failed",
            'Error: configmap "no" not found',
        ),
    ],
)
def test_the_events_of_a_pod_that_cannot_start(api: Api, fields: Any, reason: str, message: str) -> None:
    api.create("pods", pod("web", container(**fields))).ok()
    found = api.eventually(lambda: [one for one in api.events_about("web", reason) if one["message"] == message])
    assert found[0]["type"] == "Warning"
    assert found[0]["involvedObject"]["fieldPath"] == "spec.containers{web}"


def test_a_crash_is_backed_off_from(api: Api) -> None:
    failing = container("main", "busybox:1.36", command=["sh", "-c", "exit 3"])
    api.create("pods", pod("web", failing)).ok()
    [event, *_] = api.eventually(lambda: api.events_about("web", "BackOff"))
    uid = event["involvedObject"]["uid"]
    said = f"Back-off restarting failed container main in pod web_{api.namespace}({uid})"
    assert event["message"] == said
    status = api.get("pods", "web").ok()["status"]["containerStatuses"][0]
    last = status["lastState"].get("terminated") or status["state"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
