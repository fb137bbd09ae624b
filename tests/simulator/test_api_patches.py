"""The three patch types, with the semantics of the real server."""

from typing import Any

import pytest

from simulator.apiserver.strategic_merge import strategic_merge
from tests.simulator.conftest import (
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Api,
    container,
    deployment,
)

IMAGE = "/spec/template/spec/containers/0/image"
WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
def web(api: Api) -> Any:
    """A stored Deployment with two containers."""
    return api.create(DEPLOYMENTS, deployment("web", container("web"), container("side", "busybox:1")))


class TestJsonPatch:
    """application/json-patch+json."""

    def test_operations_change_the_object(self, api: Api, web: Any) -> None:
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": web["metadata"]["uid"]},
            {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
            {"op": "replace", "path": IMAGE, "value": "nginx:1.28"},
            {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},
            {"op": "add", "path": "/metadata/annotations/x~1y", "value": "z"},
            {"op": "remove", "path": "/spec/template/spec/containers/1"},
        ]
        changed = api.patch(WEB, operations, JSON_PATCH)
        assert [one["image"] for one in changed["spec"]["template"]["spec"]["containers"]] == ["nginx:1.28"]
        assert changed["metadata"]["annotations"] == {"a/b": "c", "x/y": "z"}

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "test", "path": "/metadata/uid", "value": "other"},
            {"op": "test", "path": "/spec/replicas", "value": "1"},
            {"op": "test", "path": "/spec/replicas", "value": True},
            {"op": "test", "path": "/spec/replicas", "value": None},
            {"op": "test", "path": "/spec/none", "value": 1},
            {"op": "test", "path": "/spec/none/deeper", "value": None},
            {"op": "test", "path": "/spec/template/spec/containers/7", "value": None},
            {"op": "replace", "path": "/spec/none/deeper", "value": 1},
            {"op": "replace", "path": "/spec/template/spec/containers/7", "value": {}},
            {"op": "test", "path": "/spec/template/spec/containers/-7", "value": None},
            {"op": "remove", "path": "/spec/none"},
            {"op": "add", "path": "/spec/none/deeper", "value": 1},
            {"op": "add", "path": "/spec/template/spec/containers/9", "value": {}},
            {"op": "become", "path": "/spec"},
            {"op": "replace", "path": "", "value": []},
        ],
        ids=str,
    )
    def test_what_cannot_be_applied_is_422_and_changes_nothing(self, api: Api, web: Any, operation: Any) -> None:
        first = {"op": "replace", "path": "/spec/replicas", "value": 1}
        refused = api.patch(WEB, [first, operation], JSON_PATCH)
        assert (refused["code"], refused["reason"]) == (422, "Invalid")
        assert refused["message"] == "the server rejected our request due to an error in our request"
        assert api.get(WEB) == web

    def test_an_index_below_zero_counts_from_the_end(self, api: Api, web: Any) -> None:
        last = "/spec/template/spec/containers/-1"
        operations = [
            {"op": "test", "path": f"{last}/name", "value": web["spec"]["template"]["spec"]["containers"][-1]["name"]},
            {"op": "replace", "path": f"{last}/image", "value": "nginx:1.28"},
            {"op": "add", "path": last, "value": {"name": "added", "image": "busybox:1.36"}},
        ]
        containers = api.patch(WEB, operations, JSON_PATCH)["spec"]["template"]["spec"]["containers"]
        assert (containers[-2]["image"], containers[-1]["name"]) == ("nginx:1.28", "added")

    def test_replace_sets_what_is_absent_and_a_value_left_out_is_null(self, api: Api, web: Any) -> None:
        operations = [
            {"op": "replace", "path": "/spec/minReadySeconds", "value": 5},
            {"op": "add", "path": "/spec/progressDeadlineSeconds"},
        ]
        found = api.patch(WEB, operations, JSON_PATCH)["spec"]
        assert (found["minReadySeconds"], found["progressDeadlineSeconds"]) == (5, 600)

    def test_a_null_test_passes_where_the_last_key_is_absent_and_its_parent_exists(self, api: Api, web: Any) -> None:
        operations = [
            {"op": "test", "path": "/metadata/annotations", "value": None},
            {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
        ]
        assert api.patch(WEB, operations, JSON_PATCH)["metadata"]["annotations"] == {"a": "b"}
        assert api.patch(WEB, operations, JSON_PATCH)["code"] == 422

    def test_a_body_that_is_no_list_is_a_bad_request(self, api: Api, web: Any) -> None:
        assert api.patch(WEB, {"op": "add"}, JSON_PATCH)["code"] == 400

    def test_the_result_is_validated(self, api: Api, web: Any) -> None:
        refused = api.patch(WEB, [{"op": "replace", "path": IMAGE, "value": ""}], JSON_PATCH)
        assert refused["details"]["causes"] == [
            {
                "reason": "FieldValueRequired",
                "message": "Required value",
                "field": "spec.template.spec.containers[0].image",
            }
        ]

    def test_a_result_of_another_type_is_invalid(self, api: Api, web: Any) -> None:
        refused = api.patch(WEB, [{"op": "replace", "path": "/spec/replicas", "value": "two"}], JSON_PATCH)
        assert refused["code"] == 422
        assert (
            "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
            in refused["message"]
        )


def test_a_merge_patch_replaces_lists_and_removes_nulls(api: Api, web: Any) -> None:
    body = {
        "metadata": {"labels": {"app": None, "x": "y"}},
        "spec": {"template": {"spec": {"containers": [container("web", "nginx:1.28")]}}},
    }
    changed = api.patch(WEB, body, MERGE_PATCH)
    assert changed["metadata"]["labels"] == {"x": "y"}
    assert len(changed["spec"]["template"]["spec"]["containers"]) == 1


def test_a_strategic_patch_merges_lists_by_their_keys(api: Api, web: Any) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox:2"}]}}}}
    changed = api.patch(WEB, body, STRATEGIC_PATCH)
    found = changed["spec"]["template"]["spec"]["containers"]
    assert [(one["name"], one["image"]) for one in found] == [("web", "nginx:1.27"), ("side", "busybox:2")]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_other_patch_types_are_refused_by_name(api: Api, web: Any, content_type: str) -> None:
    refused = api.patch(WEB, {}, content_type)
    assert (refused["code"], refused["reason"]) == (415, "UnsupportedMediaType")
    assert "application/strategic-merge-patch+json" in refused["message"]


def test_patching_what_is_not_there_is_not_found(api: Api) -> None:
    assert api.patch(f"{DEPLOYMENTS}/none", {})["message"] == 'deployments.apps "none" not found'


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        pytest.param(
            spec(containers=[{"name": "a", "env": [{"name": "X", "value": "1"}]}]),
            spec(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}]}]),
            spec(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}]),
            id="env by name, the new one first",
        ),
        pytest.param(
            spec(containers=[{"name": "a"}, {"name": "b"}]),
            spec(containers=[{"name": "a", "$patch": "delete"}]),
            spec(containers=[{"name": "b"}]),
            id="delete an element",
        ),
        pytest.param(
            spec(containers=[{"name": "a"}, {"name": "b"}]),
            spec(containers=[{"$patch": "replace"}, {"name": "c"}]),
            spec(containers=[{"name": "c"}]),
            id="replace a list",
        ),
        pytest.param(
            spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
            spec(strategy={"$retainKeys": ["type"], "type": "Recreate"}),
            spec(strategy={"type": "Recreate"}),
            id="retain keys",
        ),
        pytest.param(
            spec(template={"a": 1, "b": 2}),
            spec(template={"$patch": "replace", "c": 3}),
            spec(template={"c": 3}),
            id="replace an object",
        ),
        pytest.param(
            spec(template={"a": 1}, x=1),
            spec(template={"$patch": "delete"}, x=None),
            spec(template={}),
            id="delete an object",
        ),
        pytest.param(
            spec(containers=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
            spec(
                **{"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
                containers=[{"name": "a", "image": "x"}],
            ),
            spec(containers=[{"name": "b"}, {"name": "c"}, {"name": "a", "image": "x"}]),
            id="element order",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["c", "b"]}},
            id="finalizers",
        ),
        pytest.param(
            {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}, {"uid": "1", "name": "a"}]}},
            id="owners by uid",
        ),
        pytest.param(
            {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "New", "status": "True"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "New", "status": "True"}]}},
            id="conditions by type",
        ),
        pytest.param(
            spec(ports=[{"port": 80, "targetPort": 1}]),
            spec(ports=[{"port": 80, "targetPort": 2}]),
            spec(ports=[{"port": 80, "targetPort": 2}]),
            id="service ports by port",
        ),
        pytest.param(
            spec(tolerations=[{"key": "a"}], args=["x"]),
            spec(tolerations=[{"key": "b"}], args=["y"]),
            spec(tolerations=[{"key": "b"}], args=["y"]),
            id="atomic lists",
        ),
    ],
)
def test_strategic_merge_follows_the_marks_and_directives(original: Any, patch: Any, expected: Any) -> None:
    kind = {"apiVersion": "v1", "kind": "Service" if "ports" in original.get("spec", {}) else "Pod"}
    original, expected = kind | original, kind | expected
    before = repr((original, patch))
    assert strategic_merge(original, patch) == expected
    assert repr((original, patch)) == before
