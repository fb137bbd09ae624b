"""What each kind refuses, in which words, blaming which field. All as dry runs."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import claim, config_map, container, deployment, job, pod, service, template, workload
from .client import Api
from .expectations import causes, expect_refusal

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
FIRST = "spec.containers[0]"


def _of(**fields: Any) -> dict[str, Any]:
    return pod("web", container(**fields))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"metadata": {"name": "web"}, "spec": {}}, "spec.containers: Required value"),
        (pod("web", {"name": "a"}), f"{FIRST}.image: Required value"),
        (pod("web", {"image": "a"}), f"{FIRST}.name: Required value"),
        (pod("web", container(), container()), 'spec.containers[1].name: Duplicate value: "web"'),
        (pod("web", container("A_b")), f'{FIRST}.name: Invalid value: "A_b": {LABEL}'),
        (
            _of(imagePullPolicy="Sometimes"),
            (
                f'{FIRST}.imagePullPolicy: Unsupported value: "Sometimes": '
                'supported values: "Always", "IfNotPresent", "Never"'
            ),
        ),
        (
            _of(ports=[{"containerPort": 70000}]),
            f"{FIRST}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            pod(restartPolicy="Maybe"),
            'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            _of(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            f'{FIRST}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            _of(resources={"requests": {"cpu": "-1"}}),
            f'{FIRST}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (_of(volumeMounts=[{"name": "x", "mountPath": "/x"}]), f'{FIRST}.volumeMounts[0].name: Not found: "x"'),
        (_of(livenessProbe={}), f"{FIRST}.livenessProbe: Required value: must specify a handler type"),
        (
            _of(livenessProbe={"httpGet": {"port": 0}}),
            f"{FIRST}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (_of(env=[{"name": "", "value": "x"}]), f"{FIRST}.env[0].name: Required value"),
        (
            pod(dnsPolicy="X"),
            (
                'spec.dnsPolicy: Unsupported value: "X": '
                'supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
            ),
        ),
        (
            pod(tolerations=[{"operator": "X", "key": "a"}]),
            'spec.tolerations[0].operator: Unsupported value: "X": supported values: "Equal", "Exists"',
        ),
        (
            _of(resources={"requests": {"example.com/gpu": "1"}}),
            f"{FIRST}.resources.limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            pod(initContainers=[container("i", livenessProbe={"exec": {"command": ["a"]}})]),
            (
                "spec.initContainers[0].livenessProbe: "
                "Forbidden: may not be set for init containers without restartPolicy=Always"
            ),
        ),
        (
            pod(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_a_pod_is_invalid(api: Api, body: Any, message: str) -> None:
    answer = api.create("pods", body, dryRun="All")
    expect_refusal(answer, 422, f'Pod "web" is invalid: {message}')
    assert [field for field, _ in causes(answer)] == [message.partition(":")[0]]
    assert answer.body["details"]["kind"] == "Pod"


def test_a_quantity_that_is_none_does_not_decode(api: Api) -> None:
    answer = api.create("pods", _of(resources={"requests": {"cpu": "lots"}}), dryRun="All")
    expect_refusal(
        answer,
        400,
        'Pod in version "v1" cannot be handled as a Pod: '
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    )


UNMATCHED = 'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"selector": {"matchLabels": {"app": "x"}}}, UNMATCHED),
        ({"selector": None}, f"[spec.selector: Required value, {UNMATCHED}]"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": "abc"}}},
            (
                'spec.strategy.rollingUpdate.maxSurge: Invalid value: "abc": a valid percent string must be a numeric '
                "string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
            ),
        ),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 10},
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ),
        (
            {"template": template("web", restartPolicy="Never")},
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_a_deployment_is_invalid(api: Api, spec: Any, message: str) -> None:
    answer = api.create("deployments", deployment("web", **spec), dryRun="All")
    expect_refusal(answer, 422, f'Deployment.apps "web" is invalid: {message}')
    assert answer.body["details"] | {"causes": []} == {
        "name": "web",
        "group": "apps",
        "kind": "Deployment",
        "causes": [],
    }


def _cron(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": job()["spec"]}, **spec}}


def _case(value: Any) -> str:
    """The resource, or the first field that is blamed."""
    if not isinstance(value, str):
        return ""
    return value.partition(" is invalid: ")[2].lstrip("[").partition(":")[0] or value


def _named(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, **fields}


TARGET = {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}


@pytest.mark.parametrize(
    ("resource", "body", "message"),
    [
        (
            "jobs",
            job(restart="Always"),
            (
                'Job.batch "once" is invalid: spec.template.spec.restartPolicy: '
                'Required value: valid values: "OnFailure", "Never"'
            ),
        ),
        (
            "jobs",
            job(parallelism=-1),
            'Job.batch "once" is invalid: spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "jobs",
            job(
                restart="OnFailure",
                podFailurePolicy={
                    "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}],
                },
            ),
            (
                'Job.batch "once" is invalid: spec.template.spec.restartPolicy: Invalid value: "OnFailure": '
                'only "Never" is supported when podFailurePolicy is specified'
            ),
        ),
        (
            "cronjobs",
            _cron(schedule="x"),
            'CronJob.batch "c" is invalid: spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]',
        ),
        (
            "cronjobs",
            _cron(timeZone="Mars/X"),
            'CronJob.batch "c" is invalid: spec.timeZone: Invalid value: "Mars/X": unknown time zone Mars/X',
        ),
        ("services", _named(spec={}), 'Service "n" is invalid: spec.ports: Required value'),
        (
            "services",
            service(ports=[{"port": 80}, {"port": 81}]),
            'Service "web" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]',
        ),
        (
            "services",
            service(type="X"),
            (
                'Service "web" is invalid: spec.type: Unsupported value: "X": '
                'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
            ),
        ),
        (
            "services",
            service(type="ExternalName", ports=[]),
            'Service "web" is invalid: spec.externalName: Required value',
        ),
        (
            "services",
            service(clusterIP="1.2.3.4"),
            (
                'Service "web" is invalid: spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: '
                "the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
            ),
        ),
        (
            "persistentvolumeclaims",
            claim(accessModes=[]),
            (
                'PersistentVolumeClaim "data" is invalid: spec.accessModes: Required value: '
                "at least 1 access mode is required"
            ),
        ),
        (
            "persistentvolumeclaims",
            claim(resources={}),
            'PersistentVolumeClaim "data" is invalid: spec.resources[storage]: Required value',
        ),
        (
            "statefulsets",
            workload("StatefulSet", podManagementPolicy="X"),
            (
                'StatefulSet.apps "web" is invalid: spec.podManagementPolicy: Invalid value: "X": '
                "must be 'OrderedReady' or 'Parallel'"
            ),
        ),
        (
            "horizontalpodautoscalers",
            _named(spec={"scaleTargetRef": TARGET, "maxReplicas": 1, "minReplicas": 3}),
            (
                'HorizontalPodAutoscaler.autoscaling "n" is invalid: spec.maxReplicas: Invalid value: 1: '
                "must be greater than or equal to `minReplicas`"
            ),
        ),
        (
            "ingresses",
            _named(spec={}),
            (
                'Ingress.networking.k8s.io "n" is invalid: spec: Invalid value: null: '
                "either `defaultBackend` or `rules` must be specified"
            ),
        ),
        (
            "roles",
            _named(rules=[{"verbs": ["get"]}]),
            (
                'Role.rbac.authorization.k8s.io "n" is invalid: '
                "[rules[0].apiGroups: Required value: resource rules must supply at least one api group, "
                "rules[0].resources: Required value: resource rules must supply at least one resource]"
            ),
        ),
        (
            "resourcequotas",
            _named(spec={"hard": {"foo": "1"}}),
            (
                'ResourceQuota "n" is invalid: '
                '[spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified, '
                'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota]'
            ),
        ),
        (
            "leases",
            _named(spec={"leaseDurationSeconds": 0}),
            (
                'Lease.coordination.k8s.io "n" is invalid: spec.leaseDurationSeconds: Invalid value: 0: '
                "must be greater than 0"
            ),
        ),
        (
            "events",
            _named(involvedObject={"namespace": "other"}),
            'Event "n" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
        (
            "secrets",
            _named(type="kubernetes.io/tls"),
            'Secret "n" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]',
        ),
        (
            "configmaps",
            _named(data={"a b": "x"}),
            f'ConfigMap "n" is invalid: data[a b]: Invalid value: "a b": {CONFIG_KEY}',
        ),
        (
            "configmaps",
            config_map("n", labels={"a": "b c"}),
            f'ConfigMap "n" is invalid: metadata.labels: Invalid value: "b c": {LABEL_VALUE}',
        ),
        (
            "configmaps",
            {"metadata": {"name": "n", "finalizers": ["x"]}},
            (
                'ConfigMap "n" is invalid: metadata.finalizers[0]: Invalid value: "x": '
                "name is neither a standard finalizer name nor is it fully qualified"
            ),
        ),
        (
            "configmaps",
            {"metadata": {"name": "n", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]}},
            'ConfigMap "n" is invalid: metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
    ],
    ids=_case,
)
def test_it_is_invalid(api: Api, resource: str, body: Any, message: str) -> None:
    expect_refusal(api.create(resource, body, dryRun="All"), 422, message)


def test_an_address_is_given_out_once(api: Api) -> None:
    address = api.create("services", service("one")).ok()["spec"]["clusterIP"]
    answer = api.create("services", service("two", clusterIP=address))
    why = f"failed to allocate IP {address}: provided IP is already allocated"
    expect_refusal(answer, 422, f'Service "two" is invalid: spec.clusterIPs: Invalid value: ["{address}"]: {why}')


def test_a_node_port_is_of_the_range_and_given_out_once(api: Api) -> None:
    def with_port(name: str, number: int) -> Any:
        return service(name, type="NodePort", ports=[{"port": 80, "nodePort": number}])

    said = "provided port is not in the valid range. The range of valid ports is 30000-32767"
    refused = 'Service "one" is invalid: spec.ports[0].nodePort: Invalid value: '
    expect_refusal(api.create("services", with_port("one", 80)), 422, f"{refused}80: {said}")
    [port] = api.create("services", service("two", type="NodePort")).ok()["spec"]["ports"]
    taken = port["nodePort"]
    answer = api.create("services", with_port("one", taken))
    expect_refusal(answer, 422, f"{refused}{taken}: provided port is already allocated")


def test_annotations_are_a_quarter_of_a_mebibyte_at_most(api: Api) -> None:
    body = {"metadata": {"name": "n", "annotations": {"a": "x" * 262144}}}
    answer = api.create("configmaps", body, dryRun="All")
    said = "metadata.annotations: Too long: may not be more than 262144 bytes"
    expect_refusal(answer, 422, f'ConfigMap "n" is invalid: {said}')
