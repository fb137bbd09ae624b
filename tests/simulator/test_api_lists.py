"""Lists: shape, pages and selectors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.apiserver.selectors import FieldSelector, LabelSelector, SelectorSyntaxError
from tests.simulator.conftest import CONFIG_MAPS, PODS, Api, config_map, pod


def names(answer: Any) -> list[str]:
    return [one["metadata"]["name"] for one in answer["items"]]


def test_a_list_is_typed_and_its_items_are_not(api: Api) -> None:
    made = api.create(CONFIG_MAPS, config_map("a", k="v"))
    found = api.get(CONFIG_MAPS)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert found["items"] == [{key: value for key, value in made.items() if key not in ("kind", "apiVersion")}]


def test_a_list_is_in_order_of_namespace_and_name(api: Api) -> None:
    for space, name in (("kube-public", "a"), ("default", "b"), ("default", "a")):
        api.create(f"/api/v1/namespaces/{space}/configmaps", config_map(name))
    found = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in api.get("/api/v1/configmaps")["items"]]
    assert found == [("default", "a"), ("default", "b"), ("kube-public", "a")]


class TestPages:
    """limit and continue."""

    def test_pages_together_are_the_list_as_it_stood_at_the_first(self, api: Api) -> None:
        for name in "abcde":
            api.create(CONFIG_MAPS, config_map(name))
        first = api.get(CONFIG_MAPS, limit="2")
        assert (names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
        api.delete(f"{CONFIG_MAPS}/c")
        api.create(CONFIG_MAPS, config_map("bb"))
        second = api.get(CONFIG_MAPS, limit="2", **{"continue": first["metadata"]["continue"]})
        last = api.get(CONFIG_MAPS, limit="2", **{"continue": second["metadata"]["continue"]})
        assert names(second) + names(last) == ["c", "d", "e"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        assert "continue" not in last["metadata"]

    def test_limit_is_ignored_with_version_zero(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name))
        assert names(api.get(CONFIG_MAPS, limit="1", resourceVersion="0")) == ["a", "b", "c"]

    def test_a_token_of_forgotten_history_is_expired(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name))
        token = api.get(CONFIG_MAPS, limit="1")["metadata"]["continue"]
        api.server.forget_history()
        refused = api.get(CONFIG_MAPS, limit="1", **{"continue": token})
        assert (refused["code"], refused["reason"]) == (410, "Expired")

    def test_a_token_that_is_none_is_refused(self, api: Api) -> None:
        assert api.get(CONFIG_MAPS, limit="1", **{"continue": "x"})["code"] == 400

    def test_a_version_of_the_future_is_a_timeout(self, api: Api) -> None:
        refused = api.get(CONFIG_MAPS, resourceVersion="999999")
        assert (refused["code"], refused["details"]["causes"][0]["reason"]) == (
            504,
            "ResourceVersionTooLarge",
        )

    def test_an_exact_version_of_the_past_is_listed_while_it_is_remembered(self, api: Api) -> None:
        made = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
        api.create(CONFIG_MAPS, config_map("b"))
        api.patch(f"{CONFIG_MAPS}/a", {"data": {"new": "1"}})
        [then] = api.get(CONFIG_MAPS, resourceVersion=made, resourceVersionMatch="Exact")["items"]
        assert (then["metadata"]["name"], "data" in then) == ("a", False)
        assert len(api.get(CONFIG_MAPS, resourceVersion=made, limit="9")["items"]) == 1
        assert len(api.get(CONFIG_MAPS, resourceVersion=made, resourceVersionMatch="NotOlderThan")["items"]) == 2
        api.server.faults.compact()
        refused = api.get(CONFIG_MAPS, resourceVersion=made, resourceVersionMatch="Exact")
        assert (refused["code"], refused["reason"]) == (410, "Expired")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier=front", ["a"]),
        ("app!=web", ["c", "d"]),
        ("app in (web, api)", ["a", "b", "c"]),
        ("app notin (web),app", ["c"]),
        ("tier", ["a"]),
        ("!tier", ["b", "c", "d"]),
        ("weight>5", ["c"]),
        ("weight<5", ["b"]),
        ("", ["a", "b", "c", "d"]),
    ],
)
def test_label_selectors_choose(api: Api, selector: str, expected: list[str]) -> None:
    labels: dict[str, dict[str, str]] = {
        "a": {"app": "web", "tier": "front"},
        "b": {"app": "web", "weight": "3"},
        "c": {"app": "api", "weight": "9"},
        "d": {},
    }
    for name, given_labels in labels.items():
        api.create(CONFIG_MAPS, config_map(name, labels=given_labels))
    assert names(api.get(CONFIG_MAPS, labelSelector=selector)) == expected


@pytest.mark.parametrize("selector", ["app in web", "=x", "app=a,,b", "a in (b", "(", "weight>x"])
def test_a_label_selector_that_cannot_be_read_is_refused(api: Api, selector: str) -> None:
    refused = api.get(CONFIG_MAPS, labelSelector=selector)
    assert (refused["code"], refused["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("spec.nodeName=n1", ["a"]),
        ("spec.nodeName!=n1", ["b"]),
        ("spec.nodeName=", ["b"]),
        ("status.phase=Pending,metadata.name=b", ["b"]),
        ("metadata.namespace=default", ["a", "b"]),
        ("status.phase!=Failed,status.phase!=Succeeded", ["a", "b"]),
    ],
)
def test_field_selectors_choose_pods(api: Api, selector: str, expected: list[str]) -> None:
    api.create(PODS, pod("a", nodeName="n1"))
    api.create(PODS, pod("b"))
    assert names(api.get(PODS, fieldSelector=selector)) == expected


def test_field_selectors_choose_events(api: Api) -> None:
    path = "/api/v1/namespaces/default/events"
    for name, word, reason in (("a", "Warning", "BackOff"), ("b", "Normal", "Pulled")):
        about = {"kind": "Pod", "name": f"pod-{name}", "namespace": "default", "uid": f"uid-{name}"}
        body = {"metadata": {"name": name}, "involvedObject": about, "type": word, "reason": reason}
        assert api.create(path, body)["reason"] == reason
    for selector in (
        "type=Warning",
        "reason=BackOff",
        "involvedObject.name=pod-a",
        "involvedObject.uid=uid-a",
    ):
        assert names(api.get(path, fieldSelector=selector)) == ["a"]


def test_an_unknown_field_is_refused(api: Api) -> None:
    refused = api.get(PODS, fieldSelector="spec.containers=x")
    assert refused["code"] == 400
    assert refused["message"] == "field label not supported: spec.containers"
    refused = api.get(CONFIG_MAPS, fieldSelector="spec.x=y")
    assert refused["message"] == ('"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"')


@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.from_regex("[a-z0-9]{1,5}", fullmatch=True)))
def test_a_selector_written_from_labels_matches_them(labels: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    assert LabelSelector.parse(text).matches(labels)
    assert LabelSelector.of_object({"matchLabels": labels}).matches(labels)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        LabelSelector.parse(text).matches({"a": "b"})
        FieldSelector.parse(text, {"metadata.name": "metadata.name"}).matches({})
    except SelectorSyntaxError:
        pass
