"""What cannot be changed once it is there, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import claim, config_map, container, deployment, job, pod, service, template, workload
from .client import MERGE, STRATEGIC, Api
from .expectations import causes, expect_refusal

POD_SPEC = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
OTHERWISE_LABELLED = {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}
FIXED_SELECTOR = 'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'
NOWHERE: dict[str, Any] = {
    "selector": {"matchLabels": {"app": "web"}},
    "template": template("web", nodeSelector={"no": "where"}),
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"containers": [{"name": "web", "command": ["x"]}]}, id="command"),
        pytest.param({"containers": [{"name": "web", "resources": {"requests": {"cpu": "20m"}}}]}, id="resources"),
        pytest.param({"nodeName": "other"}, id="node"),
        pytest.param({"containers": [{"name": "web", "env": [{"name": "A", "value": "b"}]}]}, id="env"),
    ],
)
def test_a_pod_keeps_its_spec(api: Api, change: Any) -> None:
    api.create("pods", pod(schedulerName="nobody")).ok()
    answer = api.patch("pods", "web", {"spec": change}, STRATEGIC)
    expect_refusal(answer, 422, f'Pod "web" is invalid: {POD_SPEC}', starts=True)
    assert causes(answer) == [("spec", "FieldValueForbidden")]


def test_a_pod_keeps_its_containers(api: Api) -> None:
    api.create("pods", pod(schedulerName="nobody")).ok()
    answer = api.patch("pods", "web", {"spec": {"containers": [container("two")]}}, STRATEGIC)
    said = "spec.containers: Forbidden: pod updates may not add or remove containers"
    expect_refusal(answer, 422, f'Pod "web" is invalid: {said}')


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"containers": [{"name": "web", "image": "nginx:1.28"}]}, id="image"),
        pytest.param({"tolerations": [{"key": "a", "operator": "Exists"}]}, id="one more toleration"),
        pytest.param({"activeDeadlineSeconds": 100}, id="a deadline"),
    ],
)
def test_some_fields_of_a_pod_may_change(api: Api, change: Any) -> None:
    body = pod(schedulerName="nobody")
    made = api.create("pods", body).ok()
    if "tolerations" in change:
        change = {"tolerations": [*made["spec"]["tolerations"], *change["tolerations"]]}
    assert api.patch("pods", "web", {"spec": change}, STRATEGIC).code == 200


@pytest.mark.parametrize(
    ("resource", "body", "change", "message"),
    [
        pytest.param(
            "deployments",
            deployment(replicas=0),
            OTHERWISE_LABELLED,
            f'Deployment.apps "web" is invalid: {FIXED_SELECTOR}',
            id="Deployment selector",
        ),
        pytest.param(
            "daemonsets",
            workload("DaemonSet", **NOWHERE),
            OTHERWISE_LABELLED,
            f'DaemonSet.apps "web" is invalid: {FIXED_SELECTOR}',
            id="DaemonSet selector",
        ),
        pytest.param(
            "statefulsets",
            workload("StatefulSet", replicas=0, serviceName="x"),
            {"serviceName": "y"},
            'StatefulSet.apps "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other than '
            "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            id="StatefulSet service",
        ),
        pytest.param(
            "jobs",
            job("web", suspend=True),
            {"completions": 5},
            'Job.batch "web" is invalid: spec.completions: Invalid value: 5: field is immutable',
            id="Job completions",
        ),
        pytest.param(
            "services",
            service(),
            {"clusterIP": "10.96.9.9"},
            'Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.9.9"]: may not change once set',
            id="Service address",
        ),
    ],
)
def test_a_spec_keeps(api: Api, resource: str, body: Any, change: Any, message: str) -> None:
    api.create(resource, body).ok()
    expect_refusal(api.patch(resource, "web", {"spec": change}), 422, message)


def test_a_job_keeps_its_template(api: Api) -> None:
    api.create("jobs", job(suspend=False, parallelism=0)).ok()
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "busybox:1.37"}]}}}}
    answer = api.patch("jobs", "once", change, STRATEGIC)
    expect_refusal(answer, 422, 'Job.batch "once" is invalid: spec.template: Invalid value: {', starts=True)
    assert answer.body["message"].endswith("}: field is immutable")


def test_an_unbound_claim_keeps_its_size_and_modes(api: Api) -> None:
    api.create("persistentvolumeclaims", claim(storageClassName="")).ok()
    said = (
        'PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation except '
        "resources.requests and volumeAttributesClassName for bound claims"
    )
    for change in ({"resources": {"requests": {"storage": "2Gi"}}}, {"accessModes": ["ReadWriteMany"]}):
        answer = api.patch("persistentvolumeclaims", "data", {"spec": change})
        expect_refusal(answer, 422, said, starts=True)


def test_an_immutable_config_map_stays_so(api: Api) -> None:
    api.create("configmaps", {**config_map(a="1"), "immutable": True}).ok()
    said = "Forbidden: field is immutable when `immutable` is set"
    answer = api.patch("configmaps", "settings", {"data": {"a": "2"}})
    expect_refusal(answer, 422, f'ConfigMap "settings" is invalid: data: {said}')
    answer = api.patch("configmaps", "settings", {"immutable": None})
    expect_refusal(answer, 422, f'ConfigMap "settings" is invalid: immutable: {said}')
    api.patch("configmaps", "settings", {"metadata": {"labels": {"a": "b"}}}).ok()


def test_a_secret_keeps_its_type_and_a_binding_its_role(api: Api) -> None:
    api.create("secrets", {"metadata": {"name": "s"}}).ok()
    answer = api.patch("secrets", "s", {"type": "x"})
    expect_refusal(answer, 422, 'Secret "s" is invalid: type: Invalid value: "x": field is immutable')
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}
    api.create("rolebindings", {"metadata": {"name": "r"}, "roleRef": role}).ok()
    answer = api.patch("rolebindings", "r", {"roleRef": {"name": "y"}})
    expect_refusal(
        answer,
        422,
        'RoleBinding.rbac.authorization.k8s.io "r" is invalid: roleRef: Invalid value: '
        '{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"y"}: cannot change roleRef',
    )


@pytest.mark.parametrize(
    ("group", "resource", "fields", "change", "message"),
    [
        (
            "scheduling.k8s.io",
            "priorityclasses",
            {"value": 5},
            {"value": 6},
            'PriorityClass.scheduling.k8s.io "{}" is invalid: value: Forbidden: may not be changed in an update.',
        ),
        (
            "storage.k8s.io",
            "storageclasses",
            {"provisioner": "x/y"},
            {"provisioner": "x/z"},
            'StorageClass.storage.k8s.io "{}" is invalid: provisioner: Invalid value: "x/z": field is immutable',
        ),
    ],
)
def test_classes_keep(api: Api, group: str, resource: str, fields: Any, change: Any, message: str) -> None:
    path, name = f"/apis/{group}/v1/{resource}", api.namespace
    api.request("POST", path, {"metadata": {"name": name}, **fields}).ok()
    answer = api.request("PATCH", f"{path}/{name}", change, content_type=MERGE)
    api.request("DELETE", f"{path}/{name}").ok()
    expect_refusal(answer, 422, message.format(name))


def test_a_refused_change_of_a_claim_is_shown_as_a_diff(api: Api) -> None:
    api.create("persistentvolumeclaims", claim(storageClassName="")).ok()
    change = {"spec": {"accessModes": ["ReadWriteMany"]}}
    said = api.patch("persistentvolumeclaims", "data", change).body["message"]
    assert '-  "ReadWriteOnce"\n+  "ReadWriteMany"\n' in said
