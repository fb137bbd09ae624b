"""Who may do what: roles, reviews, impersonation, and the words of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import pod
from .client import Api
from .expectations import expect_refusal

REVIEWS = "/apis/authorization.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"


def _token(api: Api) -> str:
    return str(api.request("POST", api.at("serviceaccounts", "default", "token"), {"spec": {}}).ok()["status"]["token"])


def _grant(api: Api, *verbs: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}]
    api.create("roles", {"metadata": {"name": "reader"}, "rules": rules}).ok()
    role = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": api.namespace}]
    api.create("rolebindings", {"metadata": {"name": "rb"}, "roleRef": role, "subjects": subjects}).ok()


def _may(api: Api, verb: str, token: str | None = None) -> Any:
    wanted = {"namespace": api.namespace, "verb": verb, "resource": "pods"}
    body = {"spec": {"resourceAttributes": wanted}}
    return api.request("POST", f"{REVIEWS}/selfsubjectaccessreviews", body, token=token).ok()["status"]


@pytest.mark.parametrize(
    ("method", "query", "verb"),
    [
        ("GET", {}, "list"),
        ("GET", {"watch": "1"}, "watch"),
        ("POST", {}, "create"),
        ("DELETE", {}, "deletecollection"),
    ],
)
def test_without_a_role_nothing_is_allowed(api: Api, method: str, query: dict[str, str], verb: str) -> None:
    answer = api.request(method, api.at("pods"), pod() if method == "POST" else None, query=query, token=_token(api))
    who = f"system:serviceaccount:{api.namespace}:default"
    said = f'cannot {verb} resource "pods" in API group "" in the namespace "{api.namespace}"'
    expect_refusal(answer, 403, f'pods is forbidden: User "{who}" {said}')
    assert answer.body["details"] == {"kind": "pods"}


def test_a_refusal_names_subresource_group_and_scope(api: Api) -> None:
    token, who = _token(api), f'User "system:serviceaccount:{api.namespace}:default"'
    answer = api.request("GET", api.at("deployments", "x", "scale"), token=token)
    said = f'cannot get resource "deployments/scale" in API group "apps" in the namespace "{api.namespace}"'
    expect_refusal(answer, 403, f'deployments.apps "x" is forbidden: {who} {said}')
    assert answer.body["details"] == {"name": "x", "group": "apps", "kind": "deployments"}
    answer = api.request("GET", "/api/v1/nodes", token=token)
    said = 'cannot list resource "nodes" in API group "" at the cluster scope'
    expect_refusal(answer, 403, f"nodes is forbidden: {who} {said}")
    answer = api.request("GET", "/metrics", token=token)
    expect_refusal(answer, 403, f'forbidden: {who} cannot get path "/metrics"')


def test_a_role_allows_what_it_names(api: Api) -> None:
    token = _token(api)
    _grant(api, "get", "list")
    api.eventually(lambda: api.request("GET", api.at("pods"), token=token).code == 200)
    assert api.request("GET", api.at("pods", "x"), token=token).code == 404
    assert api.request("DELETE", api.at("pods", "x"), token=token).code == 403
    assert api.request("GET", api.at("configmaps"), token=token).code == 403


def test_one_may_ask_what_one_may_do(api: Api) -> None:
    token = _token(api)
    assert _may(api, "get") == {"allowed": True}
    assert _may(api, "get", token) == {"allowed": False}
    _grant(api, "get")
    assert api.eventually(lambda: next((s for s in [_may(api, "get", token)] if s["allowed"]), None)) == {
        "allowed": True,
        "reason": f'RBAC: allowed by RoleBinding "rb/{api.namespace}" of Role "reader" to '
        f'ServiceAccount "default/{api.namespace}"',
    }
    assert _may(api, "delete", token) == {"allowed": False}


def test_one_may_ask_for_others(api: Api) -> None:
    wanted = {"namespace": api.namespace, "verb": "get", "resource": "pods"}
    body = {"spec": {"user": "jane", "resourceAttributes": wanted}}
    assert api.request("POST", f"{REVIEWS}/subjectaccessreviews", body).ok()["status"] == {"allowed": False}
    body["spec"]["groups"] = ["system:masters"]
    assert api.request("POST", f"{REVIEWS}/subjectaccessreviews", body).ok()["status"] == {"allowed": True}
    local = f"{REVIEWS}/namespaces/{api.namespace}/localsubjectaccessreviews"
    body = {"spec": {"user": "jane", "resourceAttributes": wanted}}
    assert api.request("POST", local, body).ok()["status"] == {"allowed": False}


def test_the_rules_of_an_account_are_listed(api: Api) -> None:
    token = _token(api)
    _grant(api, "get", "list")
    api.eventually(lambda: _may(api, "get", token)["allowed"])
    body = {"spec": {"namespace": api.namespace}}
    status = api.request("POST", f"{REVIEWS}/selfsubjectrulesreviews", body, token=token).ok()["status"]
    assert {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]} in status["resourceRules"]
    assert status["incomplete"] is False


def test_one_may_ask_who_one_is(api: Api) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    found = api.request("POST", path, {}, token=_token(api)).ok()["status"]["userInfo"]
    assert found["username"] == f"system:serviceaccount:{api.namespace}:default"
    assert found["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{api.namespace}",
        "system:authenticated",
    ]


def test_a_token_is_reviewed(api: Api) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = api.request("POST", path, {"spec": {"token": _token(api)}}).ok()["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{api.namespace}:default"
    status = api.request("POST", path, {"spec": {"token": "x"}}).ok()["status"]
    assert status == {"user": {}, "error": "invalid bearer token"}


def test_the_administrator_may_be_anybody(api: Api) -> None:
    answer = api.request("GET", api.at("pods"), headers={"Impersonate-User": "jane"})
    said = f'cannot list resource "pods" in API group "" in the namespace "{api.namespace}"'
    expect_refusal(answer, 403, f'pods is forbidden: User "jane" {said}')
    headers = {"Impersonate-User": "jane", "Impersonate-Group": "system:masters"}
    assert api.request("GET", api.at("pods"), headers=headers).code == 200


def test_a_cluster_role_is_given_within_a_namespace(api: Api) -> None:
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "User", "name": "viewer"}]
    api.create("rolebindings", {"metadata": {"name": "v"}, "roleRef": role, "subjects": subjects}).ok()
    headers = {"Impersonate-User": "viewer"}
    api.eventually(lambda: api.request("GET", api.at("pods"), headers=headers).code == 200)
    assert api.request("GET", api.at("secrets"), headers=headers).code == 403
    assert api.request("GET", "/api/v1/pods", headers=headers).code == 403


def test_nobody_gives_more_than_they_have(api: Api) -> None:
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "admin"}
    subjects = [{"kind": "User", "name": "boss"}]
    api.create("rolebindings", {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}).ok()
    headers = {"Impersonate-User": "boss"}
    api.eventually(lambda: api.request("GET", api.at("roles"), headers=headers).code == 200)
    body = {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
    answer = api.request("POST", api.at("roles"), body, headers=headers)
    said = (
        'roles.rbac.authorization.k8s.io "all" is forbidden: user "boss" (groups=["system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}'
    )
    expect_refusal(answer, 403, said)


def _boss(api: Api, role: str = "admin") -> dict[str, str]:
    """The headers of somebody who has that ClusterRole in the namespace, once it counts."""
    body = {
        "metadata": {"name": f"boss-{role}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "boss"}],
    }
    api.create("rolebindings", body).ok()
    headers = {"Impersonate-User": "boss"}
    api.eventually(lambda: api.request("GET", api.at("roles"), headers=headers).code == 200)
    return headers


GRANTING = 'user "boss" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'


def test_what_is_not_held_is_told_in_order_and_once_a_thing(api: Api) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["watch"], "resourceNames": ["b", "a"]},
        {"apiGroups": ["x.example"], "resources": ["things"], "verbs": ["*"]},
    ]
    answer = api.request("POST", api.at("roles"), {"metadata": {"name": "r"}, "rules": rules}, headers=_boss(api))
    told = [
        '{APIGroups:[""], Resources:["nodes"], ResourceNames:["a"], Verbs:["watch"]}',
        '{APIGroups:[""], Resources:["nodes"], ResourceNames:["b"], Verbs:["watch"]}',
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}',
        '{APIGroups:["x.example"], Resources:["things"], Verbs:["*"]}',
    ]
    expect_refusal(answer, 403, f'roles.{RBAC} "r" is forbidden: {GRANTING}' + "\n".join(told))


def test_a_role_that_one_holds_can_be_bound_and_no_other(api: Api) -> None:
    headers = _boss(api)
    body = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "friend"}],
    }
    answer = api.request("POST", api.at("rolebindings"), body, headers=headers)
    told = '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}'
    expect_refusal(answer, 403, f'rolebindings.{RBAC} "b" is forbidden: {GRANTING}{told}')
    body["roleRef"] = {"apiGroup": RBAC, "kind": "Role", "name": "absent"}
    answer = api.request("POST", api.at("rolebindings"), body, headers=headers)
    expect_refusal(answer, 404, f'rolebindings.{RBAC} "absent" not found')
    body["roleRef"] = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    api.request("POST", api.at("rolebindings"), body, headers=headers).ok()


def test_who_may_escalate_or_bind_may_give_more(api: Api) -> None:
    headers = _boss(api)
    rules = [
        {"apiGroups": [RBAC], "resources": ["roles"], "verbs": ["escalate"]},
        {"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": ["cluster-admin"]},
    ]
    api.create("roles", {"metadata": {"name": "more"}, "rules": rules}).ok()
    subjects = [{"kind": "User", "name": "boss"}]
    role = {"apiGroup": RBAC, "kind": "Role", "name": "more"}
    api.create("rolebindings", {"metadata": {"name": "more"}, "roleRef": role, "subjects": subjects}).ok()
    every = {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
    api.eventually(lambda: api.request("POST", api.at("roles"), every, headers=headers).code == 201)
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
    body = {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}
    api.request("POST", api.at("rolebindings"), body, headers=headers).ok()
