"""The three kinds of patches, and what they may not do."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import config_map, container, deployment, pod, service
from .client import JSON_PATCH, MERGE, STRATEGIC, Api
from .expectations import expect_refusal

MAPS = "configmaps"
REJECTED = "the server rejected our request due to an error in our request"
PARKED: dict[str, Any] = {"schedulerName": "nobody"}


# --- JSON Patch ---


@pytest.mark.parametrize(
    ("operations", "data"),
    [
        pytest.param([{"op": "add", "path": "/data/c", "value": "3"}], {"a": "1", "b": "2", "c": "3"}, id="add"),
        pytest.param([{"op": "replace", "path": "/data/a", "value": "9"}], {"a": "9", "b": "2"}, id="replace"),
        pytest.param(
            [{"op": "replace", "path": "/data/c", "value": "3"}],
            {"a": "1", "b": "2", "c": "3"},
            id="replace adds a key",
        ),
        pytest.param([{"op": "remove", "path": "/data/a"}], {"b": "2"}, id="remove"),
        pytest.param([{"op": "move", "from": "/data/a", "path": "/data/c"}], {"b": "2", "c": "1"}, id="move"),
        pytest.param([{"op": "copy", "from": "/data/a", "path": "/data/c"}], {"a": "1", "b": "2", "c": "1"}, id="copy"),
        pytest.param([{"op": "add", "path": "/data", "value": {"x": "y"}}], {"x": "y"}, id="add replaces a map"),
        pytest.param(
            [{"op": "add", "path": "/data/m~1n~0o", "value": "x"}], None, id="an escaped key that data may not have"
        ),
        pytest.param(
            [{"op": "test", "path": "/data/absent", "value": None}], {"a": "1", "b": "2"}, id="null is absence"
        ),
        pytest.param(
            [{"op": "test", "path": "/metadata/annotations", "value": None}], {"a": "1", "b": "2"}, id="no map is null"
        ),
        pytest.param(
            [{"op": "copy", "from": "/data/absent", "path": "/data/c"}],
            {"a": "1", "b": "2", "c": ""},
            id="a copy of what is absent is null",
        ),
        pytest.param(
            [{"op": "move", "from": "x/data/a", "path": "y/data/c"}],
            {"b": "2", "c": "1"},
            id="what stands before the first slash is not looked at",
        ),
        pytest.param(
            [{"op": "replace", "path": "", "value": {**config_map(z="9"), "apiVersion": "v1", "kind": "ConfigMap"}}],
            {"z": "9"},
            id="replace of the whole document",
        ),
    ],
)
def test_a_json_patch_applies(api: Api, operations: list[Any], data: dict[str, str] | None) -> None:
    api.create(MAPS, config_map(a="1", b="2")).ok()
    answer = api.patch(MAPS, "settings", operations, JSON_PATCH)
    if data is None:
        assert answer.code == 422
        assert 'data[m/n~o]: Invalid value: "m/n~o"' in answer.body["message"]
    else:
        assert answer.ok()["data"] == data


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        pytest.param(r"\u003ca \u0026\u0026 b\u003e für\n\t\"\\\u001b", 200, id="as Go spells it"),
        pytest.param(r"<a && b> für\n\t\"\\\u001b", 422, id="not escaped"),
        pytest.param(r"\u003ca \u0026\u0026 b\u003e f\u00fcr\n\t\"\\\u001b", 422, id="escaped"),
        pytest.param(r"\u003Ca \u0026\u0026 b\u003E für\n\t\"\\\u001b", 422, id="capitals"),
    ],
)
def test_a_string_is_equal_only_if_it_is_spelled_as_go_spells_it(api: Api, spelled: str, code: int) -> None:
    """The library compares the bytes of the JSON, and the object's are Go's."""
    assert api.create(MAPS, config_map(line='<a && b> f\u00fcr\n\t"\\\x1b')).code == 201
    test = f'[{{"op": "test", "path": "/data/line", "value": "{spelled}"}}]'
    assert api.patch(MAPS, "settings", test.encode(), JSON_PATCH).code == code


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param({"op": "nope", "path": "/a"}, id="an unknown operation"),
        pytest.param({"op": "remove", "path": "/data/absent"}, id="removing what is absent"),
        pytest.param(
            {"op": "replace", "path": "/metadata/annotations/a", "value": "1"}, id="replacing below what is absent"
        ),
        pytest.param({"op": "test", "path": "/data/a", "value": "2"}, id="a test of another value"),
        pytest.param({"op": "test", "path": "/data/a", "value": None}, id="a test for null of a value"),
        pytest.param(
            {"op": "test", "path": "/metadata/annotations/absent", "value": None}, id="a test below what is absent"
        ),
        pytest.param({"op": "add", "path": "/metadata/annotations/a", "value": "1"}, id="adding below what is absent"),
        pytest.param({"op": "add", "path": "", "value": {"data": {}}}, id="adding the whole document"),
        pytest.param({"op": "remove", "path": ""}, id="removing the whole document"),
        pytest.param({"op": "copy", "from": "", "path": "/data/c"}, id="a copy of the whole document"),
        pytest.param({"op": "copy", "from": "/data", "path": ""}, id="a copy to the whole document"),
        pytest.param({"op": "test", "path": "data", "value": None}, id="a path without a slash"),
    ],
)
def test_a_json_patch_is_rejected_without_a_word_why(api: Api, operation: Any) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    answer = api.patch(MAPS, "settings", [operation], JSON_PATCH)
    expect_refusal(answer, 422, REJECTED)
    assert answer.body["details"] == {}


def test_a_json_patch_reaches_into_lists(api: Api) -> None:
    api.create("pods", pod("web", container("a"), container("b"), **PARKED)).ok()
    patch = [{"op": "replace", "path": "/spec/containers/1/image", "value": "nginx:1.28"}]
    found = api.patch("pods", "web", patch, JSON_PATCH).ok()["spec"]["containers"]
    assert [one["image"] for one in found] == ["nginx:1.27", "nginx:1.28"]


# --- any kind ---


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        pytest.param(
            {"op": "x"},
            JSON_PATCH,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            id="an object for a list",
        ),
        pytest.param(
            [1],
            MERGE,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            id="a list for an object",
        ),
        pytest.param("[1", MERGE, "error decoding patch: unexpected end of JSON input", id="no JSON"),
        pytest.param("[1", STRATEGIC, "unexpected end of JSON input", id="no JSON for a strategic merge"),
        pytest.param(
            "nope",
            JSON_PATCH,
            "error decoding patch: invalid character 'o' in literal null (expecting 'u')",
            id="a word",
        ),
        pytest.param(
            [{"op": "add", "path": 3}],
            JSON_PATCH,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
            id="a number for a path",
        ),
        pytest.param(
            {"metadata": None},
            MERGE,
            "the name of the object (settings based on URL) was undeterminable: name must be provided",
            id="no name",
        ),
        pytest.param(
            {"metadata": {"name": "other"}},
            MERGE,
            "the name of the object (other) does not match the name on the URL (settings)",
            id="another name",
        ),
    ],
)
def test_a_patch_that_makes_no_sense_is_a_bad_request(api: Api, body: Any, content_type: str, message: str) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    expect_refusal(api.patch(MAPS, "settings", body, content_type), 400, message)


SCHEME = 'in scheme "pkg/runtime/scheme.go:111"'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Nope"}, f'no kind "Nope" is registered for version "v1" {SCHEME}'),
        ({"apiVersion": "v9"}, f'no kind "ConfigMap" is registered for version "v9" {SCHEME}'),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            "converting (v1.Deployment) to (core.ConfigMap): unknown conversion",
        ),
        ({"kind": "Secret"}, "illegal base64 data at input byte 0"),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
        (
            {"kind": 3},
            (
                "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind "
                "of type string"
            ),
        ),
    ],
)
@pytest.mark.parametrize("content_type", [MERGE, JSON_PATCH])
def test_a_patch_cannot_make_another_kind_of_an_object(
    api: Api, change: dict[str, Any], message: str, content_type: str
) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    operations = [{"op": "replace", "path": f"/{key}", "value": value} for key, value in change.items()]
    answer = api.patch(MAPS, "settings", change if content_type == MERGE else operations, content_type)
    assert answer.code == 422
    assert answer.body["message"].startswith(' "" is invalid: patch: Invalid value: "{')
    assert answer.body["message"].endswith(f'}}": {message}')


def test_what_a_strategic_patch_says_of_the_kind_does_not_count(api: Api) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    patch = {"apiVersion": "apps/v9", "kind": "Nope", "data": {"b": "2"}}
    found = api.patch(MAPS, "settings", patch, STRATEGIC).ok()
    assert (found["apiVersion"], found["kind"], found["data"]) == ("v1", "ConfigMap", {"a": "1", "b": "2"})
    answer = api.patch(MAPS, "settings", {"kind": 3}, STRATEGIC)
    expect_refusal(answer, 422, ' "" is invalid: patch: Invalid value: "map[kind:3]": cannot convert int64 to string')


def test_a_patch_to_a_wrong_type_is_invalid(api: Api) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    answer = api.patch(MAPS, "settings", {"data": {"a": 1}})
    expect_refusal(answer, 422, ' "" is invalid: patch: Invalid value: "{', starts=True)
    assert answer.body["message"].endswith(
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
    )
    [cause] = answer.body["details"]["causes"]
    assert cause["field"] == "patch"


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC, JSON_PATCH])
def test_a_patch_that_changes_nothing_keeps_the_version(api: Api, content_type: str) -> None:
    made = api.create(MAPS, config_map(a="1")).ok()
    same: Any = {"data": {"a": "1"}}
    if content_type == JSON_PATCH:
        same = [{"op": "replace", "path": "/data/a", "value": "1"}]
    found = api.patch(MAPS, "settings", same, content_type).ok()
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


# --- merge patch ---


def test_a_merge_patch_merges_maps_and_null_removes(api: Api) -> None:
    api.create(MAPS, config_map(a="1", b="2")).ok()
    assert api.patch(MAPS, "settings", {"data": {"a": None, "c": "3"}}).ok()["data"] == {"b": "2", "c": "3"}
    assert "data" not in api.patch(MAPS, "settings", {"data": None}).ok()


def test_a_merge_patch_replaces_lists(api: Api) -> None:
    api.create("services", service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}])).ok()
    found = api.patch("services", "web", {"spec": {"ports": [{"port": 8080}]}}).ok()
    assert [port["port"] for port in found["spec"]["ports"]] == [8080]


# --- strategic merge patch ---


def _containers(*containers: Any, **more: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **more}}}}


def _spec(answer: Any) -> Any:
    return answer.ok()["spec"]["template"]["spec"]


def test_a_strategic_patch_merges_containers_by_name(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), container("b"), replicas=0)).ok()
    answer = api.patch("deployments", "web", _containers({"name": "b", "image": "nginx:1.28"}), STRATEGIC)
    found = {one["name"]: one["image"] for one in _spec(answer)["containers"]}
    assert found == {"a": "nginx:1.27", "b": "nginx:1.28"}


def test_a_strategic_patch_puts_new_list_items_first(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), replicas=0)).ok()
    answer = api.patch("deployments", "web", _containers(container("new")), STRATEGIC)
    assert [one["name"] for one in _spec(answer)["containers"]] == ["new", "a"]


@pytest.mark.parametrize(
    ("patched", "order", "expected"),
    [
        (["x", "b"], None, ["x", "a", "b"]),
        (["b", "x", "a"], None, ["b", "x", "a"]),
        (["x"], ["a", "x"], ["a", "x", "b"]),
        (["x"], ["x", "b"], ["x", "a", "b"]),
        ([], ["b", "a"], ["b", "a"]),
    ],
)
def test_a_patch_orders_what_it_names_among_what_it_does_not(
    api: Api, patched: list[str], order: list[str] | None, expected: list[str]
) -> None:
    api.create("deployments", deployment("web", container("a"), container("b"), replicas=0)).ok()
    stated = {"$setElementOrder/containers": [{"name": name} for name in order]} if order else {}
    answer = api.patch("deployments", "web", _containers(*map(container, patched), **stated), STRATEGIC)
    assert [one["name"] for one in _spec(answer)["containers"]] == expected


def test_a_patch_out_of_its_own_order_is_refused(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), replicas=0)).ok()
    stated = {"$setElementOrder/containers": [{"name": "a"}]}
    answer = api.patch("deployments", "web", _containers({"name": "x", "image": "i"}, **stated), STRATEGIC)
    assert answer.code == 500
    assert answer.body["message"] == (
        "The order in patch list:\n[map[image:i name:x]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"
    )


def test_the_order_of_a_strategic_patch_can_be_stated(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), container("b"), replicas=0)).ok()
    order = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}, {"name": "c"}]}
    answer = api.patch("deployments", "web", _containers(container("c"), **order), STRATEGIC)
    assert [one["name"] for one in _spec(answer)["containers"]] == ["b", "a", "c"]


def test_a_strategic_patch_deletes_an_item_by_its_key(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), container("b"), replicas=0)).ok()
    answer = api.patch("deployments", "web", _containers({"$patch": "delete", "name": "a"}), STRATEGIC)
    assert [one["name"] for one in _spec(answer)["containers"]] == ["b"]


def test_a_strategic_patch_can_replace_a_list(api: Api) -> None:
    api.create("deployments", deployment("web", container("a"), container("b"), replicas=0)).ok()
    answer = api.patch("deployments", "web", _containers({"$patch": "replace"}, container("c")), STRATEGIC)
    assert [one["name"] for one in _spec(answer)["containers"]] == ["c"]


def test_a_strategic_patch_can_replace_a_map(api: Api) -> None:
    api.create(MAPS, config_map(a="1", b="2")).ok()
    patch = {"data": {"$patch": "replace", "c": "3"}}
    assert api.patch(MAPS, "settings", patch, STRATEGIC).ok()["data"] == {"c": "3"}


def test_a_strategic_patch_merges_env_and_ports_by_their_own_keys(api: Api) -> None:
    first = container(
        "a", env=[{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}], ports=[{"containerPort": 80}]
    )
    api.create("deployments", deployment("web", first, replicas=0)).ok()
    change = {"name": "a", "env": [{"name": "Y", "value": "3"}], "ports": [{"containerPort": 80, "name": "http"}]}
    [found] = _spec(api.patch("deployments", "web", _containers(change), STRATEGIC))["containers"]
    assert {one["name"]: one["value"] for one in found["env"]} == {"X": "1", "Y": "3"}
    assert found["ports"] == [{"containerPort": 80, "name": "http", "protocol": "TCP"}]


def test_a_strategic_patch_merges_service_ports_by_number(api: Api) -> None:
    api.create("services", service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}])).ok()
    found = api.patch("services", "web", {"spec": {"ports": [{"port": 81, "name": "c"}]}}, STRATEGIC).ok()
    assert {port["port"]: port["name"] for port in found["spec"]["ports"]} == {80: "a", 81: "c"}


def test_a_strategic_patch_replaces_lists_without_a_key(api: Api) -> None:
    api.create("deployments", deployment("web", container("a", command=["x", "y"]), replicas=0)).ok()
    [found] = _spec(api.patch("deployments", "web", _containers({"name": "a", "command": ["z"]}), STRATEGIC))[
        "containers"
    ]
    assert found["command"] == ["z"]


def test_a_strategic_patch_merges_finalizers_as_a_set_and_deletes_from_it(api: Api) -> None:
    api.create(MAPS, {**config_map(), "metadata": {"name": "settings", "finalizers": ["a.b/c"]}}).ok()
    found = api.patch(MAPS, "settings", {"metadata": {"finalizers": ["d.e/f"]}}, STRATEGIC).ok()
    assert sorted(found["metadata"]["finalizers"]) == ["a.b/c", "d.e/f"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c", "d.e/f"]}}
    assert "finalizers" not in api.patch(MAPS, "settings", patch, STRATEGIC).ok()["metadata"]


def test_a_strategic_patch_retains_the_keys_of_a_union(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert api.patch("deployments", "web", patch, STRATEGIC).ok()["spec"]["strategy"] == {"type": "Recreate"}


def test_an_item_without_its_merge_key_is_refused(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    answer = api.patch("deployments", "web", _containers({"image": "nginx:1.28"}), STRATEGIC)
    assert answer.code == 500
    assert answer.body["message"].endswith("does not contain declared merge key: name")
