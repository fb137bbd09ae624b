"""Discovery in one document, OpenAPI from the schema, metadata alone, and kubectl's use of them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, TABLE, Api, config_map, container, deployment
from tests.simulator.test_kubectl import Kubectl, runner

ALL = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")


@pytest.fixture
def kubectl(api: Api, tmp_path: Path) -> Kubectl:
    return runner(api.kubectl_server, tmp_path)


def seen(api: Api, path: str, accept: str, **query: str) -> Any:
    return api.http.get(path, headers={"Accept": accept}, params=query)


class TestAggregated:
    def test_all_groups_come_in_one_document(self, api: Api) -> None:
        answer = seen(api, "/apis", ALL)
        assert answer.headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io;v=v2")
        groups = {one["metadata"]["name"]: one for one in answer.json()["items"]}
        [version] = groups["apps"]["versions"]
        [found] = [one for one in version["resources"] if one["resource"] == "deployments"]
        assert found["responseKind"] == {"group": "", "version": "", "kind": "Deployment"}
        assert (found["scope"], found["shortNames"], found["categories"]) == ("Namespaced", ["deploy"], ["all"])
        assert found["subresources"][0] == {
            "subresource": "scale",
            "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "verbs": ["get", "patch", "update"],
        }

    def test_the_core_group_has_no_name(self, api: Api) -> None:
        [core] = seen(api, "/api", ALL).json()["items"]
        assert core["metadata"] == {}
        assert "pods" in [one["resource"] for one in core["versions"][0]["resources"]]

    def test_who_does_not_ask_gets_the_old_documents(self, api: Api) -> None:
        assert api.get("/apis")["kind"] == "APIGroupList"
        assert api.get("/api")["kind"] == "APIVersions"


class TestOpenApi:
    def test_schemas_say_types_and_merge_keys(self, api: Api) -> None:
        path = api.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
        document = api.get(path)
        schemas = document["components"]["schemas"]
        containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
        assert containers["x-kubernetes-list-map-keys"] == ["name"]
        assert containers["items"] == {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}]}
        assert schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"] == [
            {"group": "apps", "kind": "Deployment", "version": "v1"}
        ]

    def test_every_reference_leads_somewhere(self, api: Api) -> None:
        for root in ("api/v1", "apis/batch/v1"):
            document = api.get(f"/openapi/v3/{root}")
            wanted = set(_references(document))
            assert wanted <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert api.get("/openapi/v2")["definitions"]["io.k8s.api.core.v1.Pod"]["type"] == "object"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []


class TestMetadataAlone:
    def test_of_one_object(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a", key="value"))
        found = seen(api, f"{CONFIG_MAPS}/a", PARTIAL).json()
        assert set(found) == {"kind", "apiVersion", "metadata"}
        assert (found["kind"], found["metadata"]["name"]) == ("PartialObjectMetadata", "a")

    def test_of_lists_in_pages(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name, key="value"))
        page = seen(api, CONFIG_MAPS, PARTIAL_LIST, limit="2").json()
        assert (page["kind"], len(page["items"])) == ("PartialObjectMetadataList", 2)
        rest = seen(api, CONFIG_MAPS, PARTIAL_LIST, limit="2", **{"continue": page["metadata"]["continue"]}).json()
        assert [one["metadata"]["name"] for one in rest["items"]] == ["c"]

    def test_tables_come_in_pages_too(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name))
        page = seen(api, CONFIG_MAPS, TABLE, limit="2").json()
        assert (len(page["rows"]), page["metadata"]["remainingItemCount"]) == (2, 1)

    @pytest.mark.parametrize(
        ("path", "accept", "words"),
        [
            (
                CONFIG_MAPS, PARTIAL,
                (
                    "you requested PartialObjectMetadata, but the requested object is a list "
                    "(*core.ConfigMapList)"
                ),
            ),
            (
                f"{CONFIG_MAPS}/a", PARTIAL_LIST,
                (
                    "you requested PartialObjectMetadataList, but the requested object is not a list "
                    "(*core.ConfigMap)"
                ),
            ),
            (
                CONFIG_MAPS, "application/xml",
                (
                    "406: Not Acceptable\n\nAvailable representations: application/json, "
                    "application/json;stream=watch"
                ),
            ),
        ],
    )  # fmt: skip
    def test_what_cannot_be_shown_is_not_acceptable(self, api: Api, path: str, accept: str, words: str) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        refused = seen(api, path, accept)
        assert (refused.status_code, refused.json()["message"]) == (406, words)


@needs_kubectl
class TestKubectl:
    def test_applies_on_the_server_and_tells_conflicts(self, kubectl: Kubectl) -> None:
        body = deployment("web", replicas=1)
        assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=body)
        body["spec"]["replicas"] = 2
        other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
        assert 'conflict with "kubectl": .spec.replicas' in kubectl(*other, stdin=body, code=1)
        assert "serverside-applied" in kubectl(*other, "--force-conflicts", stdin=body)

    def test_diffs_on_the_server(self, api: Api, kubectl: Kubectl) -> None:
        kubectl("apply", "--server-side", "-f", "-", stdin=deployment())
        changed = deployment("web", container(image="nginx:1.28"))
        assert "nginx:1.28" in kubectl("diff", "--server-side", "-f", "-", stdin=changed, code=1)

    def test_explains_fields(self, kubectl: Kubectl) -> None:
        shown = kubectl("explain", "deployment.spec.strategy")
        assert "rollingUpdate" in shown
        assert "<RollingUpdateDeployment>" in shown

    def test_refuses_unknown_fields_by_default(self, kubectl: Kubectl) -> None:
        body = deployment()
        body["spec"]["replics"] = 2
        assert 'unknown field "spec.replics"' in kubectl("create", "-f", "-", stdin=body, code=1)

    def test_asks_for_rights_and_tokens(self, api: Api, kubectl: Kubectl) -> None:
        assert "yes" in kubectl("auth", "can-i", "delete", "pods")
        assert "system:masters" in kubectl("auth", "whoami")
        assert kubectl("create", "token", "default").count(".") == 2

    def test_shows_who_owns_what(self, api: Api, kubectl: Kubectl) -> None:
        api.create(DEPLOYMENTS, deployment(), fieldManager="me")
        assert "manager: me" in kubectl("get", "deploy", "web", "-o", "yaml", "--show-managed-fields")
        assert "managedFields" not in kubectl("get", "deploy", "web", "-o", "yaml")
