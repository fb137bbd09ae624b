"""Access: who a token is, what roles allow, and how the server answers questions about it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from simulator import EmbeddedCluster
from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, PODS, Api, config_map, deployment, serving

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"


@pytest.fixture
def guarded() -> Iterator[Api]:
    """A server with RBAC; the client is the administrator."""
    with serving(rbac=True) as found:
        yield found


def grant(api: Api, subject: dict[str, str], *rules: dict[str, Any], namespace: str = "default") -> None:
    """A Role, or with no namespace a ClusterRole, and its binding."""
    kind, place = ("Role", f"/namespaces/{namespace}") if namespace else ("ClusterRole", "")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "granted"}
    api.create(f"{ROLES}{place}/{kind.lower()}s", {"metadata": {"name": "granted"}, "rules": list(rules)})
    binding = {"metadata": {"name": "granted"}, "roleRef": reference, "subjects": [subject]}
    assert "code" not in api.create(f"{ROLES}{place}/{kind.lower()}bindings", binding)


def user(name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def rule(verbs: str, resources: str, group: str = "", **more: Any) -> dict[str, Any]:
    return {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": [group], **more}


def ask(api: Api, name: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """One request as a user."""
    headers |= {"Authorization": f"Bearer {api.server.authenticator.token(name)}"}
    return httpx.request(method, api.url + path, json=body, headers=headers).json()


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "message"),
        [
            (
                "GET", PODS,
                (
                    'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the '
                    'namespace "default"'
                ),
            ),
            (
                "GET", "/api/v1/pods?watch=1",
                (
                    'pods is forbidden: User "u" cannot watch resource "pods" in API group "" at the '
                    'cluster scope'
                ),
            ),
            (
                "PATCH", f"{DEPLOYMENTS}/x",
                (
                    'deployments.apps "x" is forbidden: User "u" cannot patch resource "deployments" in '
                    'API group "apps" in the namespace "default"'
                ),
            ),
            (
                "GET", f"{PODS}/x/log",
                (
                    'pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group "" in the '
                    'namespace "default"'
                ),
            ),
            (
                "GET", "/api/v1/namespaces/default",
                (
                    'namespaces "default" is forbidden: User "u" cannot get resource "namespaces" in API '
                    'group "" in the namespace "default"'
                ),
            ),
            (
                "DELETE", DEPLOYMENTS,
                (
                    'deployments.apps is forbidden: User "u" cannot deletecollection resource '
                    '"deployments" in API group "apps" in the namespace "default"'
                ),
            ),
            (
                "GET", "/apis/nothing/v1/foos",
                (
                    'foos.nothing is forbidden: User "u" cannot list resource "foos" in API group '
                    '"nothing" at the cluster scope'
                ),
            ),
            ("GET", "/metrics", 'forbidden: User "u" cannot get path "/metrics"'),
        ],
    )  # fmt: skip
    def test_without_a_role_nothing_is_allowed(self, guarded: Api, method: str, path: str, message: str) -> None:
        refused = ask(guarded, "u", method, path)
        assert (refused["code"], refused["reason"], refused["message"]) == (403, "Forbidden", message)

    def test_everybody_may_discover_and_the_administrator_may_do_everything(self, guarded: Api) -> None:
        assert ask(guarded, "u", "GET", "/apis")["kind"] == "APIGroupList"
        assert guarded.get("/api/v1/secrets")["kind"] == "SecretList"

    def test_a_binding_to_a_missing_role_is_told(self, guarded: Api) -> None:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "none"}
        body = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [user("u")]}
        guarded.create(f"{ROLES}/namespaces/default/rolebindings", body)
        assert ask(guarded, "u", "GET", PODS)["message"].endswith(
            ': RBAC: role.rbac.authorization.k8s.io "none" not found'
        )

    def test_without_rbac_every_known_user_may_do_everything(self, api: Api) -> None:
        assert ask(api, "u", "GET", PODS)["kind"] == "PodList"


class TestRoles:
    def test_a_role_allows_in_its_namespace(self, guarded: Api) -> None:
        grant(guarded, user("u"), rule("get list", "configmaps"))
        assert ask(guarded, "u", "GET", CONFIG_MAPS)["kind"] == "ConfigMapList"
        assert ask(guarded, "u", "GET", "/api/v1/namespaces/kube-system/configmaps")["code"] == 403
        assert ask(guarded, "u", "POST", CONFIG_MAPS, config_map("a"))["code"] == 403

    def test_a_cluster_role_allows_everywhere_to_a_group(self, guarded: Api) -> None:
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "team"}
        grant(guarded, subject, rule("list", "configmaps"), namespace="")
        guarded.server.authenticator.token("member", ("team",))
        assert ask(guarded, "member", "GET", "/api/v1/configmaps")["kind"] == "ConfigMapList"
        assert ask(guarded, "stranger", "GET", "/api/v1/configmaps")["code"] == 403

    def test_resource_names_limit_a_rule_also_in_lists_of_one(self, guarded: Api) -> None:
        grant(guarded, user("u"), rule("get list", "configmaps", resourceNames=["mine"]))
        guarded.create(CONFIG_MAPS, config_map("mine"))
        assert ask(guarded, "u", "GET", f"{CONFIG_MAPS}/mine")["kind"] == "ConfigMap"
        assert ask(guarded, "u", "GET", f"{CONFIG_MAPS}/other")["code"] == 403
        assert ask(guarded, "u", "GET", f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Dmine")["kind"] == "ConfigMapList"
        assert ask(guarded, "u", "GET", CONFIG_MAPS)["code"] == 403

    def test_a_subresource_is_a_right_of_its_own(self, guarded: Api) -> None:
        grant(guarded, user("u"), rule("patch", "deployments", "apps"), rule("*", "*/scale", "apps"))
        guarded.create(DEPLOYMENTS, deployment())
        assert ask(guarded, "u", "GET", f"{DEPLOYMENTS}/web/scale")["kind"] == "Scale"
        assert ask(guarded, "u", "GET", f"{DEPLOYMENTS}/web/status")["code"] == 403

    def test_the_usual_roles_are_there_and_gather_others_by_label(self, guarded: Api) -> None:
        label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        more = {"metadata": {"name": "more", "labels": label}, "rules": [rule("list", "secrets")]}
        guarded.create(f"{ROLES}/clusterroles", more)
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        body = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [user("u")]}
        guarded.create(f"{ROLES}/namespaces/default/rolebindings", body)
        assert ask(guarded, "u", "GET", PODS)["kind"] == "PodList"
        assert ask(guarded, "u", "GET", "/api/v1/namespaces/default/secrets")["kind"] == "SecretList"
        assert ask(guarded, "u", "POST", PODS, {})["code"] == 403

    def test_the_cluster_itself_works_with_roles(self) -> None:
        with EmbeddedCluster(nodes=1, speed=50, rbac=True) as cluster:
            headers = {"Authorization": f"Bearer {cluster.token('u')}"}
            assert httpx.get(f"{cluster.server}/api/v1/nodes", headers=headers).status_code == 403


class TestServiceAccounts:
    def account(self, api: Api, **spec: Any) -> tuple[Any, str]:
        api.create(ACCOUNTS, {"metadata": {"name": "robot"}})
        answer = api.create(f"{ACCOUNTS}/robot/token", {"spec": spec})
        return answer, "" if "code" in answer else answer["status"]["token"]

    def test_a_requested_token_speaks_for_the_account(self, guarded: Api) -> None:
        _, token = self.account(guarded)
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{guarded.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        info = httpx.post(path, json={}, headers=headers).json()["status"]["userInfo"]
        assert info["username"] == "system:serviceaccount:default:robot"
        assert info["groups"] == [
            "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
        ]  # fmt: skip
        assert info["uid"] == guarded.get(f"{ACCOUNTS}/robot")["metadata"]["uid"]

    def test_rights_of_the_account_are_its_tokens(self, guarded: Api) -> None:
        _, token = self.account(guarded)
        subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
        grant(guarded, subject, rule("list", "pods"))
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(guarded.url + PODS, headers=headers).status_code == 200
        assert httpx.get(guarded.url + CONFIG_MAPS, headers=headers).status_code == 403

    def test_a_token_ends_with_its_account(self, api: Api) -> None:
        _, token = self.account(api)
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(api.url + PODS, headers=headers).status_code == 200
        api.delete(f"{ACCOUNTS}/robot")
        assert httpx.get(api.url + PODS, headers=headers).status_code == 401

    def test_a_token_expires(self) -> None:
        moment = [datetime(2026, 1, 1, tzinfo=UTC)]
        with serving(now=lambda: moment[0]) as api:
            answer, token = self.account(api, expirationSeconds=600)
            assert answer["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z"
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(api.url + PODS, headers=headers).status_code == 200
            moment[0] += timedelta(seconds=601)
            assert httpx.get(api.url + PODS, headers=headers).status_code == 401

    def test_a_token_for_less_than_ten_minutes_is_refused(self, api: Api) -> None:
        answer, _ = self.account(api, expirationSeconds=10)
        assert answer["message"].endswith("may not specify a duration less than 10 minutes")


class TestQuestions:
    def may(self, api: Api, name: str, **asked: str) -> Any:
        body = {"spec": {"resourceAttributes": asked}}
        return ask(api, name, "POST", f"{REVIEWS}/selfsubjectaccessreviews", body)["status"]

    def test_may_i_is_answered_from_the_roles(self, guarded: Api) -> None:
        grant(guarded, user("u"), rule("get", "pods"))
        assert self.may(guarded, "u", verb="get", resource="pods", namespace="default") == {
            "allowed": True,
            "reason": 'RBAC: allowed by RoleBinding "granted/default" of Role "granted" to User "u"',
        }
        assert self.may(guarded, "u", verb="list", resource="pods", namespace="default") == {"allowed": False}
        assert self.may(guarded, "admin", verb="list", resource="pods") == {"allowed": True}

    def test_what_may_i_lists_the_rules(self, guarded: Api) -> None:
        grant(guarded, user("u"), rule("get", "pods"))
        found = ask(guarded, "u", "POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
        assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in found["status"]["resourceRules"]
        assert found["status"]["incomplete"] is False

    def test_others_are_asked_about_by_those_who_may(self, guarded: Api) -> None:
        spec = {"user": "x", "groups": ["system:masters"], "resourceAttributes": {"verb": "get", "resource": "pods"}}
        path = f"{REVIEWS}/subjectaccessreviews"
        assert guarded.create(path, {"spec": spec})["status"] == {"allowed": True}
        assert guarded.create(path, {"spec": spec | {"groups": []}})["status"] == {"allowed": False}
        assert ask(guarded, "u", "POST", path, {"spec": spec})["code"] == 403

    def test_an_incomplete_question_is_refused(self, guarded: Api) -> None:
        assert "exactly one of" in guarded.create(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}})["message"]
        assert (
            guarded.create(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {}})["message"] == "no namespace on request"
        )

    def test_a_token_is_reviewed(self, guarded: Api) -> None:
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        token = guarded.server.authenticator.token("u")
        assert guarded.create(path, {"spec": {"token": token}})["status"]["user"]["username"] == "u"
        assert guarded.create(path, {"spec": {"token": "x"}})["status"].get("authenticated") is None


class TestImpersonation:
    def test_the_administrator_may_speak_as_somebody_else(self, guarded: Api) -> None:
        refused = ask(guarded, "admin", "GET", PODS, **{"Impersonate-User": "joe"})
        assert refused["message"].startswith('pods is forbidden: User "joe" cannot list')

    def test_others_may_not(self, guarded: Api) -> None:
        refused = ask(guarded, "u", "GET", PODS, **{"Impersonate-User": "admin"})
        assert refused["code"] == 403
        assert 'User "u" cannot impersonate-on:user-info:list' in refused["message"]
