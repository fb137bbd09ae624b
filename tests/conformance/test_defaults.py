"""What the server fills in, and how it writes quantities. All as dry runs."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import claim, container, deployment, job, pod, service, workload
from .client import Api

IN_POD = {
    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {},
}  # fmt: skip
IN_CONTAINER = {
    "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}  # fmt: skip
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
CLUSTER_IP = {
    "type": "ClusterIP", "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
    "internalTrafficPolicy": "Cluster", "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
    "selector": {"app": "web"},
}  # fmt: skip


def _made(api: Api, resource: str, body: Any) -> Any:
    return api.create(resource, body, dryRun="All").ok()


def _without(found: Any, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in keys}


def test_a_pod_gets_its_service_account_priority_and_tolerations(api: Api) -> None:
    made = _made(api, "pods", pod())
    spec = _without(made["spec"], "containers", "volumes", "terminationGracePeriodSeconds")
    for_five_minutes = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    assert spec == {
        **IN_POD,
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "enableServiceLinks": True,
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", **for_five_minutes},
            {"key": "node.kubernetes.io/unreachable", **for_five_minutes},
        ],
    }
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_pod_gets_a_token_volume(api: Api) -> None:
    spec = _made(api, "pods", pod())["spec"]
    [volume] = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"]["defaultMode"] == 420
    sources = volume["projected"]["sources"]
    assert sources[0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert [next(iter(source)) for source in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]
    [mount] = spec["containers"][0]["volumeMounts"]
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount == {"name": volume["name"], "readOnly": True, "mountPath": path}
    without = _made(api, "pods", pod(automountServiceAccountToken=False))["spec"]
    assert "volumes" not in without


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx:1.27", "IfNotPresent"),
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        ("registry.example:5000/nginx", "Always"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(api: Api, image: str, policy: str) -> None:
    [found] = _made(api, "pods", pod("web", container(image=image)))["spec"]["containers"]
    assert found["imagePullPolicy"] == policy


def test_probes_ports_env_and_volumes_are_completed(api: Api) -> None:
    reference = {"fieldRef": {"fieldPath": "metadata.name"}}
    first = container(
        ports=[{"containerPort": 80}],
        livenessProbe={"httpGet": {"port": 80}},
        readinessProbe={"grpc": {"port": 80}},
        env=[{"name": "A", "valueFrom": reference}],
    )
    volumes = [{"name": "c", "configMap": {"name": "x"}}, {"name": "s", "secret": {"secretName": "x"}}, {"name": "e"}]
    spec = _made(api, "pods", pod("web", first, volumes=volumes))["spec"]
    [found] = spec["containers"]
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found["livenessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip
    assert found["readinessProbe"]["grpc"] == {"port": 80, "service": ""}
    assert found["env"][0]["valueFrom"]["fieldRef"] == {"apiVersion": "v1", "fieldPath": "metadata.name"}
    assert spec["volumes"][:3] == [
        {"name": "c", "configMap": {"name": "x", "defaultMode": 420}},
        {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
        {"name": "e", "emptyDir": {}},
    ]


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({}, "BestEffort"),
    ],
)
def test_the_quality_of_service_follows_from_the_resources(api: Api, resources: Any, quality: str) -> None:
    made = _made(api, "pods", pod("web", container(resources=resources)))
    assert made["status"]["qosClass"] == quality


def test_requests_default_to_limits(api: Api) -> None:
    made = _made(api, "pods", pod("web", container(resources={"limits": {"cpu": "1000m"}})))
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}


def test_a_negative_grace_period_becomes_one_second(api: Api) -> None:
    assert _made(api, "pods", pod(terminationGracePeriodSeconds=-1))["spec"]["terminationGracePeriodSeconds"] == 1


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        (
            "deployments",
            deployment(),
            {"replicas": 1, "strategy": ROLLING, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
        ),
        ("replicasets", workload("ReplicaSet"), {"replicas": 1}),
        (
            "statefulsets",
            workload("StatefulSet"),
            {
                "replicas": 1, "serviceName": "", "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            },
        ),
        (
            "daemonsets",
            workload("DaemonSet"),
            {
                "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            },
        ),
    ],
)  # fmt: skip
def test_workloads_are_completed(api: Api, resource: str, body: Any, expected: Any) -> None:
    spec = _made(api, resource, body)["spec"]
    assert _without(spec, "selector", "template") == expected
    in_pod = spec["template"]["spec"]
    assert _without(in_pod, "containers", "terminationGracePeriodSeconds") == IN_POD
    assert _without(in_pod["containers"][0], "name", "image") == IN_CONTAINER


def test_a_daemon_set_says_its_template_generation(api: Api) -> None:
    made = _made(api, "daemonsets", workload("DaemonSet"))
    assert made["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}


def test_a_job_selects_by_its_own_uid(api: Api) -> None:
    made = _made(api, "jobs", job())
    uid = made["metadata"]["uid"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "once",
        "controller-uid": uid, "job-name": "once",
    }  # fmt: skip
    assert made["metadata"]["labels"] == labels
    assert made["spec"]["template"]["metadata"]["labels"] == labels
    assert _without(made["spec"], "template") == {
        "parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "manualSelector": False, "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}},
    }  # fmt: skip


def test_a_cron_job_keeps_three_and_one(api: Api) -> None:
    body = {"metadata": {"name": "c"}, "spec": {"schedule": "@hourly", "jobTemplate": {"spec": job()["spec"]}}}
    assert _without(_made(api, "cronjobs", body)["spec"], "jobTemplate") == {
        "schedule": "@hourly", "concurrencyPolicy": "Allow", "suspend": False,
        "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
    }  # fmt: skip


def test_a_service_is_completed(api: Api) -> None:
    spec = api.create("services", service()).ok()["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert _without(spec, "clusterIP", "clusterIPs") == CLUSTER_IP


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"clusterIP": "None"}, {"clusterIP": "None", "clusterIPs": ["None"], "type": "ClusterIP"}),
        ({"type": "NodePort"}, {"externalTrafficPolicy": "Cluster", "type": "NodePort"}),
        (
            {"type": "LoadBalancer"},
            {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True},
        ),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
    ],
)
def test_services_of_other_kinds(api: Api, fields: Any, expected: Any) -> None:
    spec = _made(api, "services", service(**fields))["spec"]
    assert {key: spec.get(key) for key in expected} == expected


def test_an_external_name_has_no_address(api: Api) -> None:
    body = service(type="ExternalName", externalName="a.example", ports=[])
    assert _without(_made(api, "services", body)["spec"], "selector") == {
        "type": "ExternalName", "sessionAffinity": "None", "externalName": "a.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "fields", "expected"),
    [
        ("secrets", {}, {"type": "Opaque"}),
        ("secrets", {"stringData": {"a": "b"}}, {"type": "Opaque", "data": {"a": "Yg=="}}),
        (
            "limitranges",
            {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
            {
                "spec": {
                    "limits": [
                        {
                            "type": "Container",
                            "max": {"cpu": "1"},
                            "default": {"cpu": "1"},
                            "defaultRequest": {"cpu": "1"},
                        }
                    ]
                }
            },
        ),
        ("resourcequotas", {"spec": {"hard": {"requests.cpu": "1000m"}}}, {"spec": {"hard": {"requests.cpu": "1"}}}),
        (
            "networkpolicies",
            {"spec": {"podSelector": {}, "egress": [{}]}},
            {"spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Ingress", "Egress"]}},
        ),
        (
            "rolebindings",
            {
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"},
                "subjects": [{"kind": "User", "name": "u"}],
            },
            {"subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}]},
        ),
    ],
)
def test_other_kinds_are_completed(api: Api, resource: str, fields: Any, expected: Any) -> None:
    made = _made(api, resource, {"metadata": {"name": "n"}, **fields})
    assert {key: made.get(key) for key in expected} == expected


def test_a_claim_is_pending_and_protected(api: Api) -> None:
    made = _made(api, "persistentvolumeclaims", claim())
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert made["spec"]["volumeMode"] == "Filesystem"
    assert made["status"] == {"phase": "Pending"}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1500Mi", "1500Mi"), ("1024Ki", "1Mi"), ("1e3", "1e3"), ("1E", "1E"),
        ("0.0001", "1m"), ("123456789n", "124m"), ("1.5Gi", "1536Mi"), ("2000000Ki", "2000000Ki"), ("1k", "1k"),
        ("1000k", "1M"), ("12e-3", "12e-3"), ("1048576", "1048576"), ("1.0", "1"), ("5.25", "5250m"), ("0", "0"),
    ],
)  # fmt: skip
def test_a_quantity_is_written_in_its_canonical_form(api: Api, written: str, shown: str) -> None:
    made = _made(api, "pods", pod("web", container(resources={"requests": {"cpu": written}})))
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == shown


def test_a_fraction_of_a_byte_is_warned_about(api: Api) -> None:
    answer = api.create("pods", pod("web", container(resources={"requests": {"memory": "0.5"}})), dryRun="All")
    assert answer.warnings == (
        '299 - "spec.containers[0].resources.requests[memory]: fractional byte value \\"500m\\" is invalid, '
        'must be an integer"'
    )


@pytest.mark.parametrize(
    ("resource", "spec", "shown"),
    [
        ("resourcequotas", {"hard": {"cpu": "0.0001"}}, {"hard": {"cpu": "1m"}}),
        (
            "limitranges",
            {"limits": [{"type": "Pod", "max": {"cpu": "123456789n"}}]},
            {"limits": [{"type": "Pod", "max": {"cpu": "124m"}}]},
        ),
    ],
)
def test_lists_of_resources_know_no_finer_parts_than_thousandths(
    api: Api, resource: str, spec: Any, shown: Any
) -> None:
    assert _made(api, resource, {"metadata": {"name": "n"}, "spec": spec})["spec"] == shown


def test_an_autoscaler_that_says_a_part_of_its_behaviour_gets_the_rest(api: Api) -> None:
    target = {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}
    stated = {"scaleUp": {"stabilizationWindowSeconds": 5}}
    body = {
        "metadata": {"name": "n"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, "behavior": stated},
    }
    doubled = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert _made(api, "horizontalpodautoscalers", body)["spec"]["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 5,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, doubled],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [doubled]},
    }
