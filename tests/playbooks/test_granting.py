"""The smallest grant, as commands that a person may copy."""

import json
import shlex

import pytest

from playbooks.granting import Refusal, grant

REFUSED = Refusal(namespace="shop", account="web", verb="list", resource="pods")


def words(command: str) -> list[str]:
    return shlex.split(command)


def test_where_nothing_is_bound_a_role_of_just_that_is_made_and_bound_to_the_one_account() -> None:
    _, made, _, bound = grant(REFUSED)
    role, binding = words(made), words(bound)
    assert role == ["kubectl", "-n", "shop", "create", "role", "web-list-pods", "--verb=list", "--resource=pods"]
    assert binding[3:] == [
        "create",
        "rolebinding",
        "web-list-pods",
        "--role=web-list-pods",
        "--serviceaccount=shop:web",
    ]


def test_a_role_that_lacks_the_rule_gets_it_beside_the_others() -> None:
    _, command = grant(REFUSED, {"metadata": {"name": "reader"}, "rules": [{"verbs": ["get"]}]})
    assert words(command)[3:6] == ["patch", "role", "reader"]
    (operation,) = json.loads(words(command)[-1])
    assert operation == {
        "op": "add",
        "path": "/rules/-",
        "value": {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    }


def test_a_role_without_any_rule_gets_its_first() -> None:
    _, command = grant(REFUSED, {"metadata": {"name": "reader"}})
    assert json.loads(words(command)[-1])[0]["path"] == "/rules"


def test_a_group_and_a_subresource_are_spelt_as_kubectl_reads_them() -> None:
    scale = Refusal(namespace="shop", account="web", verb="update", resource="deployments/scale", group="apps")
    _, command = grant(scale, missing_role="scaler")
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
        ("create", "pods", ""),
        ("patch", "deployments", "apps"),
        ("update", "statefulsets", "apps"),
        ("create", "jobs", "batch"),
        ("create", "cronjobs", "batch"),
        ("update", "replicationcontrollers", ""),
        ("create", "workflows", "argoproj.io"),  # what of others makes pods nobody can list
        ("update", "configmaps", ""),
        ("get", "pods/exec", ""),
        ("get", "pods/attach", ""),
        ("get", "pods/portforward", ""),
        ("get", "pods/proxy", ""),
        ("get", "services/proxy", ""),
        ("patch", "pods/ephemeralcontainers", ""),
        ("get", "nodes/proxy", ""),
        ("create", "certificatesigningrequests", "certificates.k8s.io"),
        ("get", "mutatingwebhookconfigurations", "admissionregistration.k8s.io"),
        ("list", "nodes", ""),
        ("create", "persistentvolumes", ""),
        ("create", "*", "apps"),
        ("get", "*/scale", "apps"),
    ],
)
def test_what_leads_to_other_rights_is_never_worded(verb: str, resource: str, group: str) -> None:
    wide = Refusal(namespace="shop", account="web", verb=verb, resource=resource, group=group)
    assert grant(wide) == ()
    assert grant(wide, {"metadata": {"name": "reader"}, "rules": []}) == ()
    assert grant(wide, missing_role="reader") == ()


@pytest.mark.parametrize(
    ("verb", "resource", "group"),
    [
        ("watch", "configmaps", ""),
        ("get", "pods/log", ""),
        ("create", "events", ""),
        ("update", "leases", "coordination.k8s.io"),
    ],
)
def test_what_leads_nowhere_is_worded(verb: str, resource: str, group: str) -> None:
    assert grant(Refusal(namespace="shop", account="web", verb=verb, resource=resource, group=group))


def test_each_command_stands_below_what_it_means() -> None:
    for lines in (grant(REFUSED), grant(REFUSED, {"metadata": {"name": "reader"}}), grant(REFUSED, missing_role="r")):
        for meaning, command in zip(lines[::2], lines[1::2], strict=True):
            assert meaning.startswith("# ")
            assert "list pods in namespace shop" in meaning
            assert command.startswith("kubectl ")


def test_nothing_is_granted_to_the_account_of_every_pod_that_names_none() -> None:
    refused = Refusal(namespace="shop", account="default", verb="list", resource="pods")
    assert grant(refused) == ()
    assert grant(refused, {"metadata": {"name": "reader"}, "rules": []}) == ()
    assert grant(refused, missing_role="reader") == ()


def test_what_is_no_name_is_put_into_no_command() -> None:
    assert grant(REFUSED, {"metadata": {"name": "--as=admin"}}) == ()
    assert grant(REFUSED, missing_role="a b") == ()
