"""Errors, authentication, discovery, tables and the request log."""

from typing import Any

import pytest

from simulator.apiserver.columns import human_duration
from simulator.apiserver.request_log import RequestLog
from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, PODS, TABLE, Api, config_map, deployment, pod


class TestErrors:
    """Every refusal is a Status."""

    @pytest.mark.parametrize(
        ("method", "path", "code", "reason", "message"),
        [
            ("GET", f"{PODS}/x", 404, "NotFound", 'pods "x" not found'),
            ("GET", f"{DEPLOYMENTS}/x", 404, "NotFound", 'deployments.apps "x" not found'),
            ("GET", "/api/v1/unicorns", 404, "NotFound", "the server could not find the requested resource"),
            ("GET", "/api/v1/pods/web/log/x", 404, "NotFound", "the server could not find the requested resource"),
            ("GET", f"{PODS}/x/unicorn", 404, "NotFound", "the server could not find the requested resource"),
            (
                "POST",
                f"{PODS}/x",
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
            (
                "DELETE",
                "/api/v1/namespaces",
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        ],
    )
    def test_a_refusal_says_why(self, api: Api, method: str, path: str, code: int, reason: str, message: str) -> None:
        response = api.http.request(method, path)
        status = response.json()
        assert response.status_code == status["code"] == code
        assert (status["kind"], status["status"]) == ("Status", "Failure")
        assert (status["reason"], status["message"]) == (reason, message)

    def test_not_found_names_what_in_its_details(self, api: Api) -> None:
        assert api.get(f"{DEPLOYMENTS}/x")["details"] == {"name": "x", "group": "apps", "kind": "deployments"}

    def test_a_body_of_unknown_format_is_415(self, api: Api) -> None:
        response = api.http.post(CONFIG_MAPS, content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert (response.status_code, response.json()["reason"]) == (415, "UnsupportedMediaType")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"kind":"Pod","apiVersion":"v1"}'])
    def test_a_body_that_is_no_object_of_the_kind_is_400(self, api: Api, body: bytes) -> None:
        response = api.http.post(CONFIG_MAPS, content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")

    def test_yaml_is_read(self, api: Api) -> None:
        headers = {"Content-Type": "application/yaml"}
        response = api.http.post(CONFIG_MAPS, content=b"metadata: {name: a}\ndata: {k: v}\n", headers=headers)
        assert response.json()["data"] == {"k": "v"}

    def test_the_namespaces_of_body_and_path_agree(self, api: Api) -> None:
        body = config_map("a")
        body["metadata"]["namespace"] = "kube-public"
        assert api.create(CONFIG_MAPS, body)["code"] == 400

    def test_the_names_of_body_and_path_agree(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        refused = api.update(f"{CONFIG_MAPS}/a", config_map("b"))
        assert refused["message"] == "the name of the object (b) does not match the name on the URL (a)"

    def test_odd_metadata_does_not_break_the_server(self, api: Api) -> None:
        for metadata in ([], "x", {"labels": []}, {"name": 3}, {"name": "a", "labels": {"x": None}}):
            assert api.create(CONFIG_MAPS, {"metadata": metadata}).get("code", 201) < 500


class TestAuthentication:
    """Bearer tokens, in the header or in front of the path."""

    @pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic x"])
    def test_who_is_not_known_is_unauthorized(self, api: Api, authorization: str | None) -> None:
        headers = {"Authorization": authorization or ""}
        response = api.http.get(PODS, headers=headers)
        assert (response.status_code, response.json()["reason"]) == (401, "Unauthorized")

    def test_a_token_in_front_of_the_path_is_as_good(self, api: Api) -> None:
        headers = {"Authorization": ""}
        assert api.http.get(f"{api.kubectl_server}{PODS}", headers=headers).status_code == 200
        assert api.http.get(f"{api.url}/as/wrong{PODS}", headers=headers).status_code == 401

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/version"])
    def test_health_and_version_are_for_everybody(self, api: Api, path: str) -> None:
        assert api.http.get(path, headers={"Authorization": ""}).status_code == 200


class TestDiscovery:
    """What the server says of itself."""

    def test_the_version_is_that_of_the_release_it_follows(self, api: Api) -> None:
        assert api.get("/version")["gitVersion"].startswith("v1.36.")

    def test_groups_and_resources_are_listed(self, api: Api) -> None:
        assert api.get("/api")["versions"] == ["v1"]
        assert {one["name"] for one in api.get("/apis")["groups"]} >= {"apps", "coordination.k8s.io"}
        found = {one["name"]: one for one in api.get("/apis/apps/v1")["resources"]}
        assert found["deployments"]["shortNames"] == ["deploy"]
        assert found["deployments"]["kind"] == "Deployment"
        assert "watch" in found["deployments"]["verbs"]
        assert found["deployments/scale"]["kind"] == "Scale"
        assert found["deployments/status"]["verbs"] == ["get", "patch", "update"]
        assert api.get("/apis/apps")["preferredVersion"]["groupVersion"] == "apps/v1"

    def test_openapi_says_that_the_server_validates(self, api: Api) -> None:
        path = api.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
        patch = api.get(path)["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
        assert "fieldValidation" in {one["name"] for one in patch["parameters"]}
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"


class TestTables:
    """What kubectl prints."""

    def table(self, api: Api, path: str, **query: str) -> Any:
        return api.http.get(path, headers={"Accept": TABLE}, params=query).json()

    def test_pods_are_shown_as_kubectl_shows_them(self, api: Api) -> None:
        api.create(PODS, pod("web", nodeName="n1"))
        state = {"waiting": {"reason": "CrashLoopBackOff"}}
        status = {"name": "web", "ready": False, "restartCount": 3, "state": state}
        api.patch(f"{PODS}/web/status", {"status": {"phase": "Running", "containerStatuses": [status]}})
        table = self.table(api, PODS)
        shown = [one["name"] for one in table["columnDefinitions"] if not one["priority"]]
        assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]
        [row] = table["rows"]
        assert row["cells"][:4] == ["web", "0/1", "CrashLoopBackOff", "3"]
        assert row["object"]["kind"] == "PartialObjectMetadata"

    def test_deployments_count_their_replicas(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment(replicas=3))
        body = {"status": {"readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}}
        api.patch(f"{DEPLOYMENTS}/web/status", body)
        assert self.table(api, f"{DEPLOYMENTS}/web")["rows"][0]["cells"][:4] == ["web", "2/3", 1, 2]

    def test_the_whole_object_comes_along_when_asked_for(self, api: Api) -> None:
        made = api.create(CONFIG_MAPS, config_map("a"))
        table = self.table(api, f"{CONFIG_MAPS}/a", includeObject="Object")
        assert table["rows"][0]["object"] == made

    def test_a_watched_table_has_columns_once(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        api.create(CONFIG_MAPS, config_map("b"))
        api.http.headers["Accept"] = TABLE
        first, second = api.events(CONFIG_MAPS, 2)
        assert first["object"]["kind"] == second["object"]["kind"] == "Table"
        assert first["object"]["columnDefinitions"]
        assert second["object"]["columnDefinitions"] is None

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (5, "5s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (900, "15m"),
            (4 * 3600 + 60, "4h1m"),
            (86400, "24h"),
            (3 * 86400 + 7200, "3d2h"),
            (400 * 86400, "400d"),
            (1000 * 86400, "2y270d"),
        ],
    )
    def test_ages_are_written_as_kubectl_writes_them(self, seconds: int, text: str) -> None:
        assert human_duration(seconds) == text


class TestRequestLog:
    """Who did what."""

    def test_every_request_is_recorded_with_user_agent_verb_and_code(self, api: Api) -> None:
        api.get(PODS, labelSelector="a=b")
        record = api.server.log.records()[-1]
        assert (record.user, record.user_agent, record.verb, record.code) == ("admin", "tests", "list", 200)
        assert (record.path, record.query, record.body) == (PODS, {"labelSelector": "a=b"}, None)

    def test_the_body_of_a_write_is_kept(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"), dryRun="All")
        record = api.server.log.records()[-1]
        assert record.verb == "create"
        assert record.dry_run
        assert b'"name":"a"' in (record.body or b"").replace(b": ", b":")
        assert len(record.body_digest) == 64

    def test_a_token_in_the_path_is_not_recorded(self, api: Api) -> None:
        api.http.get(f"{api.kubectl_server}{PODS}")
        assert api.server.log.records()[-1].path == PODS

    @pytest.mark.parametrize(
        ("method", "path", "verb"),
        [
            ("GET", f"{PODS}/x", "get"),
            ("GET", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion=1", "watch"),
            ("DELETE", PODS, "deletecollection"),
            ("DELETE", f"{PODS}/x", "delete"),
            ("PATCH", f"{PODS}/x", "patch"),
        ],
    )
    def test_verbs_are_those_of_kubernetes(self, api: Api, method: str, path: str, verb: str) -> None:
        with api.http.stream(method, path):
            pass
        assert api.server.log.records()[-1].verb == verb

    def test_memory_is_bounded_and_what_is_forgotten_is_counted(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        record = api.server.log.records()[-1]
        log = RequestLog(records=3, body_bytes=2 * len(record.body or b""))
        for _ in range(5):
            log.add(record)
        assert len(log.records()) == 2
        assert log.forgotten == 3
