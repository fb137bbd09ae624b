"""The smallest grant, as commands that a person may copy."""

import json
import shlex

import pytest

from playbooks.granting import Refusal, grant

REFUSED = Refusal(namespace="shop", account="web", verb="list", resource="pods")


def words(command: str) -> list[str]:
    return shlex.split(command)


def test_where_nothing_is_bound_a_role_of_just_that_is_made_and_bound_to_the_one_account() -> None:
    role, binding = map(words, grant(REFUSED))
    assert role == ["kubectl", "-n", "shop", "create", "role", "web-list-pods", "--verb=list", "--resource=pods"]
    assert binding[3:] == [
        "create",
        "rolebinding",
        "web-list-pods",
        "--role=web-list-pods",
        "--serviceaccount=shop:web",
    ]


def test_a_role_that_lacks_the_rule_gets_it_beside_the_others() -> None:
    (command,) = grant(REFUSED, {"metadata": {"name": "reader"}, "rules": [{"verbs": ["get"]}]})
    assert words(command)[3:6] == ["patch", "role", "reader"]
    (operation,) = json.loads(words(command)[-1])
    assert operation == {
        "op": "add",
        "path": "/rules/-",
        "value": {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    }


def test_a_role_without_any_rule_gets_its_first() -> None:
    (command,) = grant(REFUSED, {"metadata": {"name": "reader"}})
    assert json.loads(words(command)[-1])[0]["path"] == "/rules"


def test_a_group_and_a_subresource_are_spelt_as_kubectl_reads_them() -> None:
    scale = Refusal(namespace="shop", account="web", verb="update", resource="deployments/scale", group="apps")
    (command,) = grant(scale, missing_role="scaler")
    assert words(command)[-1] == "--resource=deployments.apps/scale"


@pytest.mark.parametrize(
    ("verb", "resource", "group"),
    [
        ("get", "secrets", ""),
        ("create", "pods/exec", ""),
        ("create", "serviceaccounts/token", ""),
        ("update", "rolebindings", "rbac.authorization.k8s.io"),
        ("impersonate", "users", ""),
        ("escalate", "roles", "rbac.authorization.k8s.io"),
        ("deletecollection", "pods", ""),
    ],
)
def test_what_leads_to_other_rights_is_never_worded(verb: str, resource: str, group: str) -> None:
    wide = Refusal(namespace="shop", account="web", verb=verb, resource=resource, group=group)
    assert grant(wide) == ()
    assert grant(wide, {"metadata": {"name": "reader"}, "rules": []}) == ()
    assert grant(wide, missing_role="reader") == ()
