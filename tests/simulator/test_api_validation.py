"""What the server has against new objects of the kinds beside pods and Deployments, in the real server's words."""

from typing import Any

import pytest

from tests.simulator.conftest import CONFIG_MAPS, Api
from tests.simulator.test_api_kinds import (
    CLAIMS,
    CLASSES,
    CRON_JOBS,
    DAEMON_SETS,
    JOBS,
    ONCE,
    SELECTOR,
    STATEFUL_SETS,
    TEMPLATE,
    space,
)

SCALERS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
BUDGETS, POLICIES = space("policy", "poddisruptionbudgets"), space("networking.k8s.io", "networkpolicies")
INGRESSES, RANGES = space("networking.k8s.io", "ingresses"), space("", "limitranges")
LABELS = "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"
NO_CONTAINERS = "spec.template.spec.containers: Required value"
NO_POLICY = 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
SCHEDULED = {"jobTemplate": {"spec": {"template": ONCE}}}
TARGET = {"kind": "D", "name": "x", "apiVersion": "apps/v1"}
LIMITS = {"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}


def path_to(path: str, **fields: Any) -> dict[str, Any]:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {"rules": [{"http": {"paths": [{"path": path, "backend": backend, **fields}]}}]}


@pytest.mark.parametrize(
    ("path", "spec", "complaints"),
    [
        (STATEFUL_SETS, {}, f"[spec.selector: Required value, {LABELS}, {NO_CONTAINERS}]"),
        (STATEFUL_SETS, {"selector": SELECTOR}, f"[{LABELS}, {NO_CONTAINERS}]"),
        (
            STATEFUL_SETS,
            {"selector": SELECTOR, "template": TEMPLATE, "podManagementPolicy": "x"},
            "spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'",
        ),
        (
            STATEFUL_SETS,
            {"selector": {}, "template": TEMPLATE},
            "spec.selector: Invalid value: {}: empty selector is invalid for statefulset",
        ),
        (DAEMON_SETS, {}, f"[{LABELS}, {NO_CONTAINERS}]"),
        (
            DAEMON_SETS,
            {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
        (JOBS, {}, f"[{NO_CONTAINERS}, {NO_POLICY}]"),
        (JOBS, {"template": TEMPLATE}, NO_POLICY),
        (
            JOBS,
            {"template": ONCE, "completionMode": "x"},
            'spec.completionMode: Unsupported value: "x": supported values: "NonIndexed", "Indexed"',
        ),
        (
            JOBS,
            {"template": ONCE, "manualSelector": True},
            f"[spec.selector: Required value, {LABELS}]",
        ),
        (
            CRON_JOBS,
            SCHEDULED | {"schedule": "x"},
            'spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]',
        ),
        (
            CRON_JOBS,
            SCHEDULED | {"schedule": "* * * * *", "timeZone": "Foo/Bar"},
            'spec.timeZone: Invalid value: "Foo/Bar": unknown time zone Foo/Bar',
        ),
        (
            CLAIMS,
            {},
            (
                "[spec.accessModes: Required value: at least 1 access mode is required, "
                "spec.resources[storage]: Required value]"
            ),
        ),
        (
            CLAIMS,
            {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "0"}}},
            'spec.resources[storage]: Invalid value: "0": must be greater than zero',
        ),
        (
            "/api/v1/persistentvolumes",
            {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}},
            "spec: Required value: must specify a volume type",
        ),
        (
            SCALERS,
            {"maxReplicas": 1, "minReplicas": 2, "scaleTargetRef": TARGET},
            "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
        ),
        (
            BUDGETS,
            {"maxUnavailable": "150%"},
            'spec.maxUnavailable: Invalid value: "150%": must not be greater than 100%',
        ),
        (INGRESSES, {}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        (
            INGRESSES,
            path_to("x", pathType="Prefix"),
            'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
        ),
        (
            INGRESSES,
            path_to("/"),
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            POLICIES,
            {"podSelector": {}, "ingress": [{"from": [{}]}]},
            "spec.ingress[0].from[0]: Required value: must specify a peer",
        ),
        (
            RANGES,
            {"limits": [{"type": "Pod", "default": {"cpu": "3"}}]},
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        ),
        (
            RANGES,
            {"limits": [LIMITS | {"default": {"cpu": "3"}, "defaultRequest": {"cpu": "100m"}}]},
            (
                '[spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1, '
                'spec.limits[0].defaultRequest[cpu]: Invalid value: "100m": '
                "min value 2 is greater than default request value 100m, "
                'spec.limits[0].default[cpu]: Invalid value: "1": default value 3 is greater than max value 1]'
            ),
        ),
    ],
)
def test_a_spec_is_refused_with_every_complaint(api: Api, path: str, spec: Any, complaints: str) -> None:
    refused = api.create(path, {"metadata": {"name": "bad"}, "spec": spec})
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["message"].partition(" is invalid: ")[2] == complaints


@pytest.mark.parametrize(
    ("path", "fields", "complaints"),
    [
        (
            CONFIG_MAPS,
            {"data": {"a b": "x"}},
            (
                'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '
                "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
                "regex used for validation is '[-._a-zA-Z0-9]+')"
            ),
        ),
        (CONFIG_MAPS, {"data": {"a": "x" * 1_100_000}}, "[]: Too long: may not be more than 1048576 bytes"),
        (
            CONFIG_MAPS,
            {"data": {"a": "x"}, "binaryData": {"a": "eA=="}},
            'data[a]: Invalid value: "a": duplicate of key present in binaryData',
        ),
        (CLASSES, {}, "provisioner: Required value"),
        (
            space("rbac.authorization.k8s.io", "rolebindings"),
            {},
            (
                '[roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole", '
                "roleRef.name: Required value]"
            ),
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            {"value": 2_000_000_000},
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            "/api/v1/namespaces",
            {"metadata": {"name": "bad", "labels": {"pod-security.kubernetes.io/enforce": "foo"}}},
            (
                "metadata.labels[pod-security.kubernetes.io/enforce]: "
                'Invalid value: "foo": must be one of privileged, baseline, restricted'
            ),
        ),
    ],
)
def test_other_fields_are_refused_with_every_complaint(api: Api, path: str, fields: Any, complaints: str) -> None:
    refused = api.create(path, {"metadata": {"name": "bad"}, **fields})
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["message"].partition(" is invalid: ")[2] == complaints
