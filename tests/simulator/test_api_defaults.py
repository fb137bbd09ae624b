"""What the server fills in and what it refuses."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.quantities import QuantityError, canonical, parse
from tests.simulator.conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    Api,
    config_map,
    container,
    deployment,
    pod,
)

SERVICES = "/api/v1/namespaces/default/services"


def test_a_deployment_gets_its_defaults(api: Api) -> None:
    spec = api.create(DEPLOYMENTS, deployment())["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    template = spec["template"]["spec"]
    assert template["restartPolicy"] == "Always"
    assert template["terminationGracePeriodSeconds"] == 30
    assert template["dnsPolicy"] == "ClusterFirst"
    assert template["containers"][0] == {
        "name": "web",
        "image": "nginx:1.27",
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(api: Api, image: str, policy: str) -> None:
    made = api.create(PODS, pod("web", container(image=image)))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probes_and_ports_get_their_defaults(api: Api) -> None:
    probe = {"httpGet": {"port": 80}}
    made = api.create(PODS, pod("web", container(readinessProbe=probe, ports=[{"containerPort": 80}])))
    found = made["spec"]["containers"][0]
    assert found["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_a_pods_requests_default_to_its_limits_and_a_templates_do_not(api: Api) -> None:
    resources = {"limits": {"memory": "1024Mi", "cpu": "0.5"}, "requests": {"cpu": "100m"}}
    made = api.create(PODS, pod("web", container(resources=resources)))["spec"]["containers"][0]["resources"]
    assert made == {"limits": {"memory": "1Gi", "cpu": "500m"}, "requests": {"memory": "1Gi", "cpu": "100m"}}
    template = api.create(DEPLOYMENTS, deployment("web", container(resources=resources)))["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "100m"}


def test_a_pod_gets_its_service_account_and_its_token(api: Api) -> None:
    spec = api.create(PODS, pod())["spec"]
    assert spec["serviceAccountName"] == "default"
    [volume] = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert spec["containers"][0]["volumeMounts"] == [
        {
            "name": volume["name"],
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            "readOnly": True,
        }
    ]
    assert {one["key"] for one in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }


def test_a_missing_service_account_is_forbidden(api: Api) -> None:
    refused = api.create(PODS, pod(serviceAccountName="robot"))
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        'pods "web" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found'
    )


class TestServices:
    """Addresses and ports."""

    def test_a_service_gets_an_address_and_its_ports_are_completed(self, api: Api) -> None:
        made = api.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        assert made["spec"]["clusterIP"].startswith("10.96.")
        assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
        assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
        assert made["spec"]["type"] == "ClusterIP"

    def test_an_address_stays_and_may_not_change(self, api: Api) -> None:
        made = api.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 81}]}}
        assert api.update(f"{SERVICES}/web", body)["spec"]["clusterIP"] == made["spec"]["clusterIP"]
        assert api.patch(f"{SERVICES}/web", {"spec": {"clusterIP": "10.96.9.9"}})["code"] == 422

    def test_a_headless_service_stays_headless(self, api: Api) -> None:
        made = api.create(
            SERVICES, {"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}
        )
        assert made["spec"]["clusterIP"] == "None"

    def test_node_ports_are_handed_out_once(self, api: Api) -> None:
        ports = []
        for name in ("a", "b"):
            body = {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
            ports.append(api.create(SERVICES, body)["spec"]["ports"][0]["nodePort"])
        assert len(set(ports)) == 2

    def test_a_service_without_ports_is_invalid(self, api: Api) -> None:
        refused = api.create(SERVICES, {"metadata": {"name": "web"}, "spec": {}})
        assert refused["message"] == 'Service "web" is invalid: spec.ports: Required value'


def test_a_secrets_plain_text_is_encoded(api: Api) -> None:
    body = {"metadata": {"name": "a"}, "stringData": {"k": "v"}}
    made = api.create("/api/v1/namespaces/default/secrets", body)
    assert (made["data"], made["type"]) == ({"k": "dg=="}, "Opaque")
    assert "stringData" not in made


def test_immutable_data_stays(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("a", k="v") | {"immutable": True})
    refused = api.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "w"}})
    assert "field is immutable when `immutable` is set" in refused["message"]


INVALID: list[tuple[str, Any, str]] = [
    ("no containers", pod() | {"spec": {"containers": []}}, "spec.containers: Required value"),
    ("no image", pod("web", {"name": "web"}), "spec.containers[0].image: Required value"),
    (
        "port 0",
        pod("web", container(ports=[{"containerPort": 70000}])),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    ("twins", pod("web", container(), container()), 'spec.containers[1].name: Duplicate value: "web"'),
    (
        "requests above limits",
        pod("web", container(resources={"limits": {"memory": "64Mi"}, "requests": {"memory": "128Mi"}})),
        (
            'spec.containers[0].resources.requests: Invalid value: "128Mi": must be less than or equal to '
            "memory limit of 64Mi"
        ),
    ),
    (
        "unknown volume",
        pod("web", container(volumeMounts=[{"name": "v", "mountPath": "/v"}])),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    (
        "probe without handler",
        pod("web", container(livenessProbe={"periodSeconds": 3})),
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ),
    ("bad name", pod("Web!"), 'metadata.name: Invalid value: "Web!": a lowercase RFC 1123 subdomain must'),
]


@pytest.mark.parametrize(("body", "message"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID])
def test_an_invalid_pod_is_refused_with_its_field(api: Api, body: Any, message: str) -> None:
    refused = api.create(PODS, body)
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert message in refused["message"]
    assert {cause["field"] for cause in refused["details"]["causes"]} == {message.split(":")[0]}


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        (
            {"replicas": "two"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"template": []},
            "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            {"paused": 1},
            "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
    ],
)
def test_a_field_of_another_type_is_a_bad_request(api: Api, spec: Any, detail: str) -> None:
    refused = api.create(DEPLOYMENTS, deployment(**spec))
    assert (refused["code"], refused["reason"]) == (400, "BadRequest")
    assert refused["message"] == f'Deployment in version "v1" cannot be handled as a Deployment: {detail}'


def test_what_is_no_quantity_is_a_bad_request(api: Api) -> None:
    refused = api.create(PODS, pod("web", container(resources={"limits": {"memory": "much"}})))
    assert refused["code"] == 400
    assert "quantities must match the regular expression" in refused["message"]


def test_a_selector_must_match_its_template(api: Api) -> None:
    body = deployment()
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    refused = api.create(DEPLOYMENTS, body)
    assert refused["message"] == (
        'Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: '
        "`selector` does not match template `labels`"
    )


def test_a_selector_may_not_change(api: Api) -> None:
    api.create(DEPLOYMENTS, deployment())
    body = deployment()
    body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = {"app": "x"}
    refused = api.update(f"{DEPLOYMENTS}/web", body)
    assert refused["message"] == (
        'Deployment.apps "web" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"app":"x"}}: field is immutable'
    )


def test_a_running_pod_may_change_its_image_and_little_else(api: Api) -> None:
    api.create(PODS, pod())
    image = {"spec": {"containers": [{"name": "web", "image": "nginx:1.28"}]}}
    content = "application/strategic-merge-patch+json"
    assert api.patch(f"{PODS}/web", image, content)["spec"]["containers"][0]["image"] == "nginx:1.28"
    refused = api.patch(f"{PODS}/web", {"spec": {"hostname": "other"}})
    assert refused["code"] == 422
    assert "spec: Forbidden: pod updates may not change fields other than" in refused["message"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000m", "1"),
        ("2000", "2k"),
        ("100k", "100k"),
        ("128974848", "128974848"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("0Mi", "0"),
    ],
)
def test_a_quantity_is_stored_in_its_canonical_form(text: str, stored: str) -> None:
    assert canonical(text) == stored


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_the_canonical_form_is_the_same_amount_and_stable(number: int, suffix: str) -> None:
    form = canonical(f"{number}{suffix}")
    assert parse(form) == parse(f"{number}{suffix}")
    assert canonical(form) == form


@given(st.text(max_size=8))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    with suppress(QuantityError):
        assert parse(canonical(text)) >= parse(text)
