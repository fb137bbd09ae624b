"""Who else has a say in a create: quotas, limit ranges, pod security, service accounts, priorities, runtime classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .bodies import config_map, container, deployment, pod, template
from .client import MERGE, Api
from .expectations import expect_refusal

RESTRICTED = (
    "allowPrivilegeEscalation != false "
    '(container "web" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


def _quota(api: Api, **hard: str) -> None:
    body = {"metadata": {"name": "q"}, "spec": {"hard": {key.replace("_", "."): hard[key] for key in hard}}}
    api.create("resourcequotas", body).ok()
    api.eventually(lambda: api.get("resourcequotas", "q").ok()["status"].get("used"))


def _limit(api: Api, **limits: dict[str, str]) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **limits}]}}
    api.create("limitranges", body).ok()


def _enforce(api: Api, level: str, mode: str = "enforce") -> None:
    labels = {f"pod-security.kubernetes.io/{mode}": level}
    path = f"/api/v1/namespaces/{api.namespace}"
    api.request("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE).ok()


def test_a_quota_counts_what_is_there(api: Api) -> None:
    api.create("pods", pod("one", container(resources={"requests": {"cpu": "100m"}}), schedulerName="nobody")).ok()
    _quota(api, pods="5", requests_cpu="1")
    assert api.get("resourcequotas", "q").ok()["status"] == {
        "hard": {"pods": "5", "requests.cpu": "1"},
        "used": {"pods": "1", "requests.cpu": "100m"},
    }


def test_beyond_the_quota_is_forbidden(api: Api) -> None:
    _quota(api, pods="1", requests_cpu="1")
    api.create("pods", pod("one", container(resources={"requests": {"cpu": "1"}}), schedulerName="nobody")).ok()
    answer = api.create("pods", pod("two", container(resources={"requests": {"cpu": "10m"}})))
    expect_refusal(
        answer,
        403,
        'pods "two" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=10m, '
        "used: pods=1,requests.cpu=1, limited: pods=1,requests.cpu=1",
    )
    assert answer.body["details"] == {"name": "two", "kind": "pods"}


def test_a_quota_on_a_resource_requires_it_to_be_said(api: Api) -> None:
    _quota(api, requests_cpu="1")
    answer = api.create("pods", pod("silent"))
    expect_refusal(answer, 403, 'pods "silent" is forbidden: failed quota: q: must specify requests.cpu for: web')


def test_a_quota_counts_other_objects_too(api: Api) -> None:
    api.eventually(lambda: api.get("configmaps", "kube-root-ca.crt").code == 200)
    _quota(api, configmaps="2")
    api.create("configmaps", config_map("a")).ok()
    answer = api.create("configmaps", config_map("b"))
    said = "exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2"
    expect_refusal(answer, 403, f'configmaps "b" is forbidden: {said}')


def test_what_is_deleted_is_given_back(api: Api) -> None:
    _quota(api, pods="1")
    api.create("pods", pod("one", schedulerName="nobody")).ok()
    api.delete("pods", "one").ok()
    api.eventually(lambda: api.create("pods", pod("two", schedulerName="nobody")).code == 201)


def test_a_quota_stops_a_replica_set_and_the_deployment_says_so(api: Api) -> None:
    _quota(api, pods="1")
    api.create("deployments", deployment(replicas=2)).ok()
    event = api.eventually(
        lambda: next((e for e in api.get("events").ok()["items"] if e["reason"] == "FailedCreate"), None)
    )
    assert event["involvedObject"]["kind"] == "ReplicaSet"
    assert event["message"].startswith('Error creating: pods "web-')
    assert event["message"].endswith("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1")

    def failure() -> object:
        found = api.get("deployments", "web").ok()["status"].get("conditions", [])
        return next((one for one in found if one["type"] == "ReplicaFailure"), None)

    condition = api.eventually(failure)
    assert isinstance(condition, dict)
    assert (condition["status"], condition["reason"]) == ("True", "FailedCreate")


def test_a_limit_range_gives_defaults(api: Api) -> None:
    _limit(api, default={"cpu": "200m"}, defaultRequest={"cpu": "100m"})
    made = api.eventually(
        lambda: next(
            (found for found in [api.create("pods", pod(), dryRun="All").ok()] if found["metadata"].get("annotations")),
            None,
        )
    )
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "200m"}, "requests": {"cpu": "100m"}}
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container web; "
        "cpu limit for container web"
    }


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"limits": {"cpu": "1"}}, "maximum cpu usage per Container is 500m, but limit is 1"),
        (
            {"requests": {"cpu": "1m"}, "limits": {"cpu": "500m"}},
            "minimum cpu usage per Container is 50m, but request is 1m",
        ),
    ],
)
def test_beyond_a_limit_range_is_forbidden(api: Api, resources: dict[str, dict[str, str]], message: str) -> None:
    _limit(api, max={"cpu": "500m"}, min={"cpu": "50m"})
    body = pod("web", container(resources=resources))
    answer = api.eventually(lambda: next((a for a in [api.create("pods", body, dryRun="All")] if a.code != 201), None))
    expect_refusal(answer, 403, f'pods "web" is forbidden: {message}')


def test_pod_security_names_every_violation(api: Api) -> None:
    _enforce(api, "restricted")
    answer = api.create("pods", pod(hostNetwork=True))
    said = 'violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true), '
    expect_refusal(answer, 403, f'pods "web" is forbidden: {said}{RESTRICTED}')


def test_pod_security_lets_a_restricted_pod_pass(api: Api) -> None:
    _enforce(api, "restricted")
    context = {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert api.create("pods", pod("web", container(securityContext=context)), dryRun="All").code == 201


def test_pod_security_baseline_refuses_privileges(api: Api) -> None:
    _enforce(api, "baseline")
    answer = api.create("pods", pod("web", container(securityContext={"privileged": True})))
    expect_refusal(
        answer,
        403,
        'pods "web" is forbidden: violates PodSecurity "baseline:latest": privileged '
        '(container "web" must not set securityContext.privileged=true)',
    )


def test_pod_security_only_warns_about_a_template(api: Api) -> None:
    _enforce(api, "baseline", mode="warn")
    body = deployment(replicas=0, template=template("web", hostNetwork=True))
    answer = api.create("deployments", body)
    assert answer.code == 201
    assert answer.warnings == (
        '299 - "would violate PodSecurity \\"baseline:latest\\": host namespaces (hostNetwork=true)"'
    )


def test_a_service_account_has_to_exist(api: Api) -> None:
    answer = api.create("pods", pod(serviceAccountName="none"))
    said = f'error looking up service account {api.namespace}/none: serviceaccount "none" not found'
    expect_refusal(answer, 403, f'pods "web" is forbidden: {said}')


def test_a_priority_class_has_to_exist_and_gives_the_priority(api: Api) -> None:
    answer = api.create("pods", pod(priorityClassName="none"))
    expect_refusal(answer, 403, 'pods "web" is forbidden: no PriorityClass with name none was found')
    made = api.create("pods", pod(priorityClassName="system-node-critical"), dryRun="All").ok()
    assert made["spec"]["priority"] == 2000001000


def test_nothing_is_created_in_a_namespace_that_ends(api: Api) -> None:
    body = {"metadata": {"name": "stays", "finalizers": ["example.com/wait"]}}
    api.create("configmaps", body).ok()
    api.request("DELETE", f"/api/v1/namespaces/{api.namespace}").ok()
    answer = api.create("configmaps", config_map("late"))
    api.patch("configmaps", "stays", {"metadata": {"finalizers": None}})
    said = f"unable to create new content in namespace {api.namespace} because it is being terminated"
    expect_refusal(answer, 403, f'configmaps "late" is forbidden: {said}')
    assert answer.body["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {api.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]


@pytest.fixture
def runtime_class(api: Api) -> Iterator[str]:
    """A class with an overhead, a node selector and a toleration."""
    path, name = "/apis/node.k8s.io/v1/runtimeclasses", api.namespace
    body = {
        "metadata": {"name": name},
        "handler": "heavy",
        "overhead": {"podFixed": {"cpu": "100m"}},
        "scheduling": {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "heavy", "operator": "Exists"}]},
    }
    api.request("POST", path, body).ok()
    yield name
    api.request("DELETE", f"{path}/{name}")


def test_a_runtime_class_adds_what_it_costs_and_where_it_runs(api: Api, runtime_class: str) -> None:
    spec = api.create("pods", pod(runtimeClassName=runtime_class), dryRun="All").ok()["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "100m"}, {"disk": "fast"})
    assert spec["tolerations"][-1] == {"key": "heavy", "operator": "Exists"}
    assert len(spec["tolerations"]) == 3
    api.create("pods", pod(runtimeClassName=runtime_class, overhead={"cpu": "0.1"}), dryRun="All").ok()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"nodeSelector": {"disk": "slow"}},
            "conflict: runtimeClass.scheduling.nodeSelector[disk] = fast; pod.spec.nodeSelector[disk] = slow",
        ),
        ({"overhead": {"cpu": "1"}}, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
    ],
    ids=["selector", "overhead"],
)
def test_a_pod_that_contradicts_its_runtime_class_is_forbidden(
    api: Api, runtime_class: str, spec: dict[str, Any], why: str
) -> None:
    answer = api.create("pods", pod("a", runtimeClassName=runtime_class, **spec), dryRun="All")
    expect_refusal(answer, 403, f'pods "a" is forbidden: {why}')


def test_without_a_runtime_class_there_is_no_overhead(api: Api) -> None:
    answer = api.create("pods", pod("a", runtimeClassName="absent"))
    expect_refusal(answer, 403, 'pods "a" is forbidden: pod rejected: RuntimeClass "absent" not found')
    answer = api.create("pods", pod("a", overhead={"cpu": "1"}))
    why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    expect_refusal(answer, 403, f'pods "a" is forbidden: {why}')
