"""What the server says about itself: discovery, versions, schemas, tables, custom kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .bodies import config_map, deployment, pod
from .client import Api
from .custom import custom_resource
from .expectations import expect_refusal

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def test_the_version_is_that_of_the_release(api: Api) -> None:
    found = api.request("GET", "/version").ok()
    assert (found["major"], found["minor"]) == ("1", "36")
    assert found["gitVersion"].startswith("v1.36.")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_it_is_well(api: Api, path: str) -> None:
    assert api.request("GET", path).ok() == "ok"


def test_the_core_has_one_version_and_the_groups_are_listed(api: Api) -> None:
    found = api.request("GET", "/api").ok()
    assert (found["kind"], found["versions"]) == ("APIVersions", ["v1"])
    groups = {group["name"]: group for group in api.request("GET", "/apis").ok()["groups"]}
    assert groups["apps"] == {
        "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }
    assert [one["version"] for one in groups["autoscaling"]["versions"]] == ["v2", "v1"]


def test_a_group_lists_its_resources(api: Api) -> None:
    found = api.request("GET", "/apis/apps/v1").ok()
    resources = {one["name"]: one for one in found["resources"]}
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", "apps/v1")
    deployments = {key: value for key, value in resources["deployments"].items() if key != "storageVersionHash"}
    assert deployments == {
        "name": "deployments", "singularName": "deployment", "namespaced": True, "kind": "Deployment",
        "verbs": VERBS, "shortNames": ["deploy"], "categories": ["all"],
    }  # fmt: skip
    assert resources["deployments/scale"] == {
        "name": "deployments/scale", "singularName": "", "namespaced": True, "group": "autoscaling", "version": "v1",
        "kind": "Scale", "verbs": ["get", "patch", "update"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "short"),
    [("pods", ["po"]), ("configmaps", ["cm"]), ("services", ["svc"]), ("persistentvolumeclaims", ["pvc"])],
)
def test_short_names(api: Api, name: str, short: list[str]) -> None:
    found = {one["name"]: one for one in api.request("GET", "/api/v1").ok()["resources"]}
    assert found[name]["shortNames"] == short


def test_everything_is_discovered_at_once(api: Api) -> None:
    answer = api.request("GET", "/apis", headers=AGGREGATED)
    assert answer.headers["content-type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    [apps] = [one for one in answer.body["items"] if one["metadata"]["name"] == "apps"]
    [version] = apps["versions"]
    [found] = [one for one in version["resources"] if one["resource"] == "deployments"]
    # The group's own group and version are left out.
    assert found["responseKind"] == {"group": "", "version": "", "kind": "Deployment"}
    assert (found["scope"], found["verbs"]) == ("Namespaced", VERBS)
    assert [one["subresource"] for one in found["subresources"]] == ["scale", "status"]


def test_the_schemas_are_there(api: Api) -> None:
    paths = api.request("GET", "/openapi/v3").ok()
    listed = paths if isinstance(paths, dict) else json.loads(paths)
    assert {"api/v1", "apis/apps/v1"} <= set(listed["paths"])
    found = api.request("GET", listed["paths"]["apis/apps/v1"]["serverRelativeURL"]).ok()
    schema = found if isinstance(found, dict) else json.loads(found)
    assert "io.k8s.api.apps.v1.Deployment" in schema["components"]["schemas"]


@pytest.mark.parametrize(
    ("resource", "columns"),
    [
        ("pods", "Name Ready Status Restarts Age IP Node Nominated_Node Readiness_Gates"),
        ("deployments", "Name Ready Up-to-date Available Age Containers Images Selector"),
        ("services", "Name Type Cluster-IP External-IP Port(s) Age Selector"),
        ("configmaps", "Name Data Age"),
        ("replicasets", "Name Desired Current Ready Age Containers Images Selector"),
        ("jobs", "Name Status Completions Duration Age Containers Images Selector"),
        ("secrets", "Name Type Data Age"),
        ("events", "Last_Seen Type Reason Object Subobject Source Message First_Seen Count Name"),
    ],
)
def test_tables_have_the_usual_columns(api: Api, resource: str, columns: str) -> None:
    found = api.request("GET", api.at(resource), headers=TABLE).ok()
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [one["name"].replace(" ", "_") for one in found["columnDefinitions"]] == columns.split()


def test_a_table_shows_a_pod_in_words(api: Api) -> None:
    api.create("pods", pod(schedulerName="nobody")).ok()
    [row] = api.request("GET", api.at("pods"), headers=TABLE).ok()["rows"]
    assert row["cells"][:4] == ["web", "0/1", "Pending", "0"]
    assert row["cells"][5:] == ["<none>", "<none>", "<none>", "<none>"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    [row] = api.request("GET", api.at("pods"), headers=TABLE, query={"includeObject": "None"}).ok()["rows"]
    assert row.get("object") is None
    [row] = api.request("GET", api.at("pods", "web"), headers=TABLE, query={"includeObject": "Object"}).ok()["rows"]
    assert row["object"]["kind"] == "Pod"


def test_a_table_shows_a_deployment_in_words(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    [row] = api.request("GET", api.at("deployments"), headers=TABLE).ok()["rows"]
    assert [*row["cells"][:4], *row["cells"][5:]] == ["web", "0/0", 0, 0, "web", "nginx:1.27", "app=web"]


def test_metadata_can_be_had_alone(api: Api) -> None:
    api.create("configmaps", config_map(a="1")).ok()
    accept = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    found = api.request("GET", api.at("configmaps", "settings"), headers=accept).ok()
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert "data" not in found
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    assert api.request("GET", api.at("configmaps"), headers=accept).ok()["kind"] == "PartialObjectMetadataList"


# --- custom kinds ---


def _widget(api: Api, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{api.namespace}.example/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec,
    }  # fmt: skip


def test_a_custom_kind_is_served_discovered_and_printed(api: Api) -> None:
    with custom_resource(api) as path:
        made = api.request("POST", path, _widget(api, size=3)).ok()
        assert made["spec"] == {"size": 3, "colour": "blue"}
        assert made["metadata"]["generation"] == 1
        [resource, _] = api.request("GET", f"/apis/{api.namespace}.example/v1").ok()["resources"]
        assert (resource["kind"], resource["shortNames"]) == ("Widget", ["wd"])
        table = api.request("GET", path, headers=TABLE).ok()
        assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size"]
        assert table["rows"][0]["cells"] == ["w", 3]


def test_a_custom_kind_is_validated_by_its_schema(api: Api) -> None:
    with custom_resource(api) as path:
        answer = api.request("POST", path, _widget(api, size=0, colour="green"))
        expect_refusal(answer, 422, f'Widget.{api.namespace}.example "w" is invalid: [', starts=True)
        said = answer.body["message"]
        assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in said
        assert 'spec.colour: Unsupported value: "green": supported values: "blue", "red"' in said
        answer = api.request("POST", path, _widget(api))
        said = f'Widget.{api.namespace}.example "w" is invalid: spec.size: Required value'
        expect_refusal(answer, 422, said)


def test_unknown_fields_of_a_custom_kind_are_pruned_with_a_warning(api: Api) -> None:
    with custom_resource(api) as path:
        answer = api.request("POST", path, _widget(api, size=1, weight=9))
        assert answer.ok()["spec"] == {"size": 1, "colour": "blue"}
        assert answer.warnings == '299 - "unknown field \\"spec.weight\\""'


def test_a_strategic_patch_needs_a_built_in_kind(api: Api) -> None:
    with custom_resource(api) as path:
        api.request("POST", path, _widget(api, size=1)).ok()
        kind = "application/strategic-merge-patch+json"
        answer = api.request("PATCH", f"{path}/w", {"spec": {"size": 2}}, content_type=kind)
        assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_groups_are_shown_whatever_the_method_is_and_versions_are_not(api: Api, method: str) -> None:
    assert api.request(method, "/apis", {}).ok()["kind"] == "APIGroupList"
    assert api.request(method, "/apis/apps", {}).ok()["name"] == "apps"
    for path in ("/api", "/api/v1", "/apis/apps/v1", "/version"):
        expect_refusal(
            api.request(method, path, {}), 405, "the server does not allow this method on the requested resource"
        )
