"""Lists: selectors, pages, and which version a list may show."""

from __future__ import annotations

import pytest

from .bodies import config_map, pod
from .client import Answer, Api
from .expectations import expect_refusal

MAPS = "configmaps"


def _names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.ok()["items"]]


def _fill(api: Api, *names: str) -> None:
    for name in names:
        api.create(MAPS, config_map(name, labels={"set": "mine", "name": name})).ok()


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("name=a", ["a"]),
        ("name==a", ["a"]),
        ("set=mine,name!=a", ["b", "c"]),
        ("name in (a,c)", ["a", "c"]),
        ("set,name notin (a,c)", ["b"]),
        ("set,!absent", ["a", "b", "c"]),
        ("absent", []),
        ("set=mine,absent!=x", ["a", "b", "c"]),
    ],
)
def test_label_selectors(api: Api, selector: str, names: list[str]) -> None:
    _fill(api, "b", "a", "c")
    assert _names(api.get(MAPS, labelSelector=selector)) == names


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"labelSelector": "a in (b"}, "unable to parse requirement: found '', expected: ',' or ')'"),
        ({"labelSelector": "a in b"}, "unable to parse requirement: found 'b' expected: '('"),
        ({"labelSelector": "a b"}, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ({"labelSelector": "a=b=c"}, "found '=', expected: ',' or 'end of string'"),
        ({"labelSelector": "a,"}, "found '', expected: identifier after ','"),
        ({"labelSelector": "=a"}, "found '=', expected: !, identifier, or 'end of string'"),
        (
            {"labelSelector": "/a"},
            'unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty',
        ),
        (
            {"labelSelector": "a>x"},
            (
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
                "the value must be an integer"
            ),
        ),
        (
            {"fieldSelector": "metadata.name=a=b"},
            "invalid field selector: unescaped character in value: 61",
        ),
        (
            {"fieldSelector": "data.x=1"},
            '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ({"fieldSelector": "metadata"}, "invalid selector: 'metadata'; can't understand 'metadata'"),
        ({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (
            {"limit": "1", "continue": "abc"},
            "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value",
        ),
        (
            {"resourceVersion": "abc"},
            (
                'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
                "invalid syntax"
            ),
        ),
    ],
)
def test_what_a_list_cannot_understand_is_a_bad_request(api: Api, query: dict[str, str], message: str) -> None:
    expect_refusal(api.get(MAPS, **query), 400, message)


def test_pods_are_selected_by_phase_and_node(api: Api) -> None:
    api.create("pods", pod("here")).ok()
    api.create("pods", pod("waiting", schedulerName="nobody")).ok()
    api.eventually(lambda: _names(api.get("pods", fieldSelector="status.phase=Running")) == ["here"])
    assert _names(api.get("pods", fieldSelector="spec.nodeName=")) == ["waiting"]
    assert _names(api.get("pods", fieldSelector="status.phase!=Running,metadata.name!=here")) == ["waiting"]
    assert _names(api.get("pods", fieldSelector="spec.schedulerName=nobody")) == ["waiting"]


def test_pages_join_to_the_whole_list_as_it_was(api: Api) -> None:
    _fill(api, "a", "b", "c", "d", "e")
    first = api.get(MAPS, labelSelector="set=mine", limit="2").ok()
    _fill(api, "a-late")
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    second = api.get(MAPS, labelSelector="set=mine", limit="2", **{"continue": first["metadata"]["continue"]}).ok()
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    last = api.get(MAPS, labelSelector="set=mine", limit="2", **{"continue": second["metadata"]["continue"]}).ok()
    assert [item["metadata"]["name"] for item in last["items"]] == ["e"]
    assert "continue" not in last["metadata"]


def test_how_many_remain_is_said_where_nothing_was_selected(api: Api) -> None:
    _fill(api, "a", "b", "c")  # and the certificate authority, kube-root-ca.crt
    api.eventually(lambda: len(_names(api.get(MAPS))) == 4)
    assert api.get(MAPS, limit="3").ok()["metadata"]["remainingItemCount"] == 1
    assert "remainingItemCount" not in api.get(MAPS, limit="1", labelSelector="set").ok()["metadata"]


def test_an_exact_version_shows_the_past(api: Api) -> None:
    _fill(api, "a")
    version = api.get(MAPS).ok()["metadata"]["resourceVersion"]
    _fill(api, "b")
    exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact", "labelSelector": "set"}
    assert _names(api.get(MAPS, **exactly)) == ["a"]
    assert api.get(MAPS, **exactly).ok()["metadata"]["resourceVersion"] == version
    later = {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan", "labelSelector": "set"}
    api.eventually(lambda: _names(api.get(MAPS, **later)) == ["a", "b"])


OPTIONS = 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: '


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Some", "resourceVersion": "1"},
            'Unsupported value: "Some": supported values: "Exact", "NotOlderThan", ""',
        ),
    ],
)
def test_which_versions_can_be_matched(api: Api, query: dict[str, str], message: str) -> None:
    expect_refusal(api.get(MAPS, **query), 422, OPTIONS + message)


def test_a_version_of_the_future_is_a_timeout(api: Api) -> None:
    answer = api.get(MAPS, resourceVersion="99999999")
    expect_refusal(answer, 504, "Timeout: Too large resource version: 99999999, current: ", starts=True)
    [cause] = answer.body["details"]["causes"]
    assert cause == {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert answer.body["details"]["retryAfterSeconds"] == 1


def test_the_items_of_a_list_do_not_repeat_their_kind(api: Api) -> None:
    _fill(api, "a")
    found = api.get(MAPS).ok()
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert all("kind" not in item and "apiVersion" not in item for item in found["items"])


def test_a_list_of_all_namespaces_is_in_the_order_of_namespaces_and_names(api: Api) -> None:
    found = api.request("GET", "/api/v1/configmaps").ok()["items"]
    keys = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]
    assert keys == sorted(keys)


@pytest.mark.only("embedded", reason="a real server serves old pages from its memory for as long as it sees fit")
def test_a_page_of_a_forgotten_list_is_gone_but_can_be_gone_on_from(api: Api) -> None:
    _fill(api, "a", "b", "c")
    first = api.get(MAPS, labelSelector="set", limit="1").ok()
    _fill(api, "d")
    api.forget_history()
    answer = api.get(MAPS, labelSelector="set", limit="5", **{"continue": first["metadata"]["continue"]})
    expect_refusal(
        answer,
        410,
        "The provided continue parameter is too old to display a consistent list result. "
        "You can start a new list without the continue parameter",
        reason="Expired",
        starts=True,
    )
    rest = api.get(MAPS, labelSelector="set", **{"continue": answer.body["metadata"]["continue"]})
    assert _names(rest) == ["b", "c", "d"]
