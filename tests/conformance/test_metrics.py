"""The aggregation layer, the metrics API behind it, and the autoscaler that goes by it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from simulator.kubelet.metrics import metrics_manifests
from tests.backend import Backend, running_backend
from tests.control_plane.credentials import create_credentials

from .bodies import container, deployment, service
from .client import Api
from .custom import custom_resource
from .expectations import causes
from .kubectl import Kubectl

REGISTRATIONS = "/apis/apiregistration.k8s.io/v1/apiservices"
METRICS = "v1beta1.metrics.k8s.io"
AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
WEB = "registry.example/shop/web:2.4.1"  # uses 5m and 40Mi
_FETCHED = "unable to get metrics for resource memory: unable to fetch metrics from resource metrics API"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    own = create_credentials(tmp_path_factory.mktemp("backend"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert_file, own.key_file)
    with running_backend(context) as running:
        yield running


@pytest.fixture
def group(api: Api) -> Iterator[str]:
    """The name of a group of the check's own; its registration is deleted afterwards."""
    name = f"g{uuid4().hex[:8]}.example"
    yield name
    api.request("DELETE", f"{REGISTRATIONS}/v1.{name}")


@pytest.fixture
def metrics(api: Api) -> Api:
    """A side whose API server passes the metrics API on."""
    if api.request("GET", f"{REGISTRATIONS}/{METRICS}").code == 404:
        _register_metrics(api)
    api.eventually(lambda: _available(api, METRICS)[:2] == ("True", "Passed"))
    return api


def _register_metrics(api: Api) -> None:
    node = api.request("GET", "/api/v1/nodes").ok()["items"][0]
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    reached, registration = metrics_manifests(port, "https" if api.side == "real" else "http")
    api.request("POST", "/api/v1/namespaces/kube-system/services", reached)
    api.request("POST", REGISTRATIONS, registration).ok()


def _registration(group: str, **spec: Any) -> Any:
    stated = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, **spec}
    head = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    return {**head, "metadata": {"name": f"{stated['version']}.{group}"}, "spec": stated}


def _to(api: Api, group: str, name: str, port: int = 443) -> Any:
    reference = {"name": name, "namespace": api.namespace, "port": port}
    return _registration(group, service=reference, insecureSkipTLSVerify=True)


def _available(api: Api, name: str) -> tuple[str, str, str]:
    """Status, reason and message of the condition."""
    found = api.request("GET", f"{REGISTRATIONS}/{name}").ok()
    [condition] = (found.get("status") or {}).get("conditions") or [{"type": "Available"}]
    assert condition["type"] == "Available"
    return condition.get("status", ""), condition.get("reason", ""), condition.get("message", "")


def _pass_on(api: Api, group: str, backend: Backend) -> str:
    """Registers the backend; the path of its things."""
    external = {"type": "ExternalName", "externalName": "localhost"}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": external}
    api.create("services", body).ok()
    api.request("POST", REGISTRATIONS, _to(api, group, "echo", backend.port)).ok()
    api.eventually(lambda: _available(api, f"v1.{group}") == ("True", "Passed", "all checks passed"))
    backend.asked.clear()
    return f"/apis/{group}/v1/namespaces/{api.namespace}/things"


def test_what_the_server_serves_itself_is_registered(api: Api) -> None:
    found = api.request("GET", f"{REGISTRATIONS}/v1.apps").ok()
    assert found["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert _available(api, "v1.") == ("True", "Local", "Local APIServices are always available")
    assert api.request("GET", f"{REGISTRATIONS}/v2.autoscaling").ok()["spec"]["versionPriority"] == 30


def test_groups_are_listed_by_priority(api: Api) -> None:
    wanted = ["apiregistration.k8s.io", "apps", "autoscaling", "batch", "policy", "storage.k8s.io", "discovery.k8s.io"]
    listed = [one["name"] for one in api.request("GET", "/apis").ok()["groups"]]
    assert [name for name in listed if name in wanted] == wanted
    shown = [one["metadata"]["name"] for one in api.request("GET", "/apis", headers=AGGREGATED).ok()["items"]]
    assert [name for name in shown if name in wanted] == wanted


def test_custom_kinds_are_registered_as_long_as_they_are_served(api: Api) -> None:
    with custom_resource(api) as path:
        name = f"v1.{path.split('/')[2]}"

        def registered() -> Any:
            answer = api.request("GET", f"{REGISTRATIONS}/{name}")
            return answer.body if answer.code == 200 else None

        found = api.eventually(registered)
        assert (found["spec"]["groupPriorityMinimum"], found["spec"]["versionPriority"]) == (1000, 100)
        assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    api.eventually(lambda: registered() is None)


@pytest.mark.parametrize(
    ("spec", "blamed"),
    [
        ({"groupPriorityMinimum": 0, "versionPriority": 1001}, ["spec.groupPriorityMinimum", "spec.versionPriority"]),
        ({"insecureSkipTLSVerify": True}, ["spec.insecureSkipTLSVerify"]),
        ({"caBundle": "Zm9v"}, ["spec.caBundle"]),
        ({"version": "V_1"}, ["spec.version"]),
        ({"service": {"name": "a", "namespace": "b", "port": 70000}}, ["spec.service.port"]),
        ({"service": {}}, ["spec.service.namespace", "spec.service.name"]),
        (
            {"service": {"name": "a", "namespace": "b"}, "insecureSkipTLSVerify": True, "caBundle": "Zm9v"},
            ["spec.insecureSkipTLSVerify"],
        ),
    ],
)
def test_a_registration_that_makes_no_sense_is_invalid(
    api: Api, group: str, spec: dict[str, Any], blamed: list[str]
) -> None:
    answer = api.request("POST", REGISTRATIONS, _registration(group, **spec))
    assert (answer.code, [field for field, _ in causes(answer)]) == (422, blamed)


def test_a_registration_is_named_after_what_it_registers(api: Api, group: str) -> None:
    body = _registration(group) | {"metadata": {"name": "else"}}
    answer = api.request("POST", REGISTRATIONS, body)
    said = f'metadata.name: Invalid value: "else": must be `spec.version+"."+spec.group`: "v1.{group}"'
    assert (answer.code, said in answer.body["message"]) == (422, True)


def _nobody(_api: Api) -> None:
    """There is no service."""


def _without_selector(api: Api) -> None:
    api.create("services", service("behind", ports=[{"port": 443}], selector=None)).ok()


def _on_another_port(api: Api) -> None:
    api.create("services", service("behind", ports=[{"port": 80}])).ok()


def _without_pods(api: Api) -> None:
    api.create("services", service("behind", ports=[{"name": "https", "port": 443}])).ok()


@pytest.mark.parametrize(
    ("make", "reason", "message"),
    [
        (_nobody, "ServiceNotFound", 'service/behind in "{}" is not present'),
        (_without_selector, "EndpointsNotFound", 'cannot find endpointslices for service/behind in "{}"'),
        (_on_another_port, "ServicePortError", 'service/behind in "{}" is not listening on port 443'),
        (
            _without_pods,
            "MissingEndpoints",
            'endpointslices for service/behind in "{}" have no addresses with port name "https"',
        ),
    ],
)
def test_a_service_that_leads_nowhere_makes_the_group_unavailable(
    api: Api, group: str, make: Any, reason: str, message: str
) -> None:
    make(api)
    api.request("POST", REGISTRATIONS, _to(api, group, "behind")).ok()
    wanted = ("False", reason, message.format(api.namespace))
    api.eventually(lambda: _available(api, f"v1.{group}") == wanted)
    for path in (f"/apis/{group}/v1", f"/apis/{group}/v1/things"):
        answer = api.request("GET", path)
        assert (answer.code, answer.body) == (503, "service unavailable\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert api.request("GET", f"/apis/{group}").ok()["preferredVersion"]["version"] == "v1"

    def shown() -> Any:
        items = api.request("GET", "/apis", headers=AGGREGATED).ok()["items"]
        return next((one["versions"] for one in items if one["metadata"]["name"] == group), None)

    assert api.eventually(shown) == [{"version": "v1", "freshness": "Stale"}]


def test_who_does_not_listen_fails_the_check(api: Api, group: str) -> None:
    external = {"type": "ExternalName", "externalName": "localhost"}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dead"}, "spec": external}
    api.create("services", body).ok()
    api.request("POST", REGISTRATIONS, _to(api, group, "dead", 1)).ok()
    url = f"https://localhost:1/apis/{group}/v1"
    why = "dial tcp 127.0.0.1:1: connect: connection refused"
    wanted = ("False", "FailedDiscoveryCheck", f'failing or missing response from {url}: Get "{url}": {why}')
    api.eventually(lambda: _available(api, f"v1.{group}") == wanted)


def test_a_certificate_that_nobody_vouches_for_fails_the_check(api: Api, group: str, backend: Backend) -> None:
    external = {"type": "ExternalName", "externalName": "localhost"}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": external}
    api.create("services", body).ok()
    registration = _to(api, group, "echo", backend.port)
    del registration["spec"]["insecureSkipTLSVerify"]
    api.request("POST", REGISTRATIONS, registration).ok()
    url = f"https://localhost:{backend.port}/apis/{group}/v1"
    wanted = f'failing or missing response from {url}: Get "{url}": tls: failed to verify certificate: x509: '

    def refused() -> bool:
        status, reason, message = _available(api, f"v1.{group}")
        return (status, reason, message.startswith(wanted)) == ("False", "FailedDiscoveryCheck", True)

    api.eventually(refused)


def test_a_request_is_passed_on_with_its_user(api: Api, group: str, backend: Backend) -> None:
    path = _pass_on(api, group, backend)
    forged = {"X-Remote-User": "root", "X-Remote-Group": "root", "X-Remote-Extra-Scopes": "all", "X-Mine": "kept"}
    answer = api.request("POST", path, {"hello": 1}, query={"a": "b c"}, headers=forged)
    assert answer.ok() == {"kind": "Thing", "apiVersion": f"{group}/v1"}
    assert answer.headers["x-echo"] == "yes"
    [asked] = [one for one in backend.asked if one.method == "POST"]
    assert (asked.path, asked.body) == (f"{path}?a=b+c", b'{"hello": 1}')
    assert (asked.all("X-Remote-User"), asked.all("X-Mine")) == (["admin"], ["kept"])
    assert "system:masters" in asked.all("X-Remote-Group")
    assert "root" not in asked.all("X-Remote-Group")
    assert asked.all("X-Remote-Extra-Scopes") == asked.all("Authorization") == []
    assert asked.all("Host") == asked.all("X-Forwarded-Host") == [f"localhost:{backend.port}"]


def test_the_answer_comes_back_as_it_is_unless_it_leads_elsewhere(api: Api, group: str, backend: Backend) -> None:
    path = _pass_on(api, group, backend)
    answer = api.request("GET", f"{path}/teapot")
    assert (answer.code, answer.body) == (418, {"kind": "Teapot"})
    answer = api.request("GET", f"{path}/redirect")
    said = "the backend attempted to redirect this request, which is not permitted"
    assert (answer.code, answer.body.strip()) == (502, said)
    assert len(api.request("GET", f"{path}/big").ok()) == 32 * 0x10000


def test_what_is_passed_on_is_discovered_and_gone_with_its_registration(api: Api, group: str, backend: Backend) -> None:
    _pass_on(api, group, backend)
    assert api.request("GET", f"/apis/{group}/v1").ok()["resources"][0]["name"] == "things"

    def shown() -> Any:
        items = api.request("GET", "/apis", headers=AGGREGATED).ok()["items"]
        found: Any = next((one["versions"][0] for one in items if one["metadata"]["name"] == group), {})
        return found if found.get("freshness") == "Current" else None

    kind = {"group": "", "version": "", "kind": "Thing"}
    assert api.eventually(shown)["resources"] == [
        {
            "resource": "things", "responseKind": kind, "scope": "Namespaced", "singularResource": "thing",
            "verbs": ["get", "list"], "shortNames": ["th"],
            "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["get"]}],
        }
    ]  # fmt: skip
    api.request("DELETE", f"{REGISTRATIONS}/v1.{group}").ok()
    api.eventually(lambda: api.request("GET", f"/apis/{group}/v1").code == 404)


def test_registrations_are_shown_in_columns(api: Api, group: str) -> None:
    api.request("POST", REGISTRATIONS, _to(api, group, "nobody")).ok()
    api.eventually(lambda: _available(api, f"v1.{group}")[0] == "False")
    local = api.request("GET", f"{REGISTRATIONS}/v1.apps", headers=TABLE).ok()
    assert [one["name"] for one in local["columnDefinitions"]] == ["Name", "Service", "Available", "Age"]
    assert local["rows"][0]["cells"][:3] == ["v1.apps", "Local", "True"]
    own = api.request("GET", f"{REGISTRATIONS}/v1.{group}", headers=TABLE).ok()
    assert own["rows"][0]["cells"][1:3] == [f"{api.namespace}/nobody", "False (ServiceNotFound)"]


# --- metrics ---


def _scaled(api: Api, name: str, *metrics: Any, **spec: Any) -> None:
    """A Deployment of one web server, and its autoscaler."""
    requests = {"requests": {"cpu": "2m", "memory": "20Mi"}} if name != "unasked" else {}
    api.create("deployments", deployment(name, container("main", WEB, resources=requests))).ok()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    stated = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5, "metrics": list(metrics), **spec}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}}
    api.create("horizontalpodautoscalers", {**body, "spec": stated}).ok()


def _use_of(resource: str, percent: int = 50) -> Any:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def _condition(api: Api, name: str, kind: str) -> tuple[str, str, str]:
    status = api.get("horizontalpodautoscalers", name).ok().get("status") or {}
    found: Any = next((one for one in status.get("conditions") or () if one["type"] == kind), {})
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def test_pods_and_nodes_have_metrics(metrics: Api) -> None:
    api = metrics
    api.create("deployments", deployment("web", container("main", WEB))).ok()
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{api.namespace}/pods"

    def grown() -> Any:
        items = api.request("GET", path, query={"labelSelector": "app in (web,other)"}).ok()["items"]
        usage = items[0]["containers"][0]["usage"] if items else {}
        return items if usage == {"cpu": "5000000n", "memory": "40960Ki"} else None

    [found] = api.eventually(grown)
    assert found["metadata"]["labels"]["app"] == "web"
    assert api.request("GET", path, query={"labelSelector": "app notin (web)"}).ok()["items"] == []
    name = found["metadata"]["name"]
    assert api.request("GET", f"{path}/{name}").ok()["kind"] == "PodMetrics"
    missing = api.request("GET", f"{path}/nobody")
    assert (missing.code, missing.body["reason"]) == (404, "NotFound")
    nodes = api.request("GET", "/apis/metrics.k8s.io/v1beta1/nodes").ok()["items"]
    assert {one["metadata"]["name"] for one in nodes} >= {"node-1"}


def test_kubectl_shows_what_pods_and_nodes_use(metrics: Api, kubectl: Kubectl) -> None:
    metrics.create("deployments", deployment("web", container("main", WEB))).ok()
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{metrics.namespace}/pods"
    metrics.eventually(lambda: "40960Ki" in str(metrics.request("GET", path).body))
    [pod] = [line.split() for line in kubectl("top", "pods", "--no-headers").splitlines()]
    assert (pod[0].startswith("web-"), pod[1:]) == (True, ["5m", "40Mi"])
    assert "node-1" in [line.split()[0] for line in kubectl("top", "nodes", "--no-headers").splitlines()]


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_use_above_the_target_scales_up(metrics: Api, resource: str) -> None:
    api = metrics
    _scaled(api, "web", _use_of(resource), maxReplicas=3)
    api.eventually(lambda: api.get("deployments", "web").ok()["spec"]["replicas"] == 3, seconds=60)
    event = api.eventually(lambda: api.events_about("web", "SuccessfulRescale"))[0]
    above = f"{resource} resource utilization (percentage of request) above target"
    assert event["message"] == f"New size: 3; reason: {above}"
    said = f"the HPA was able to successfully calculate a replica count from {above.removesuffix(' above target')}"
    assert _condition(api, "web", "ScalingActive") == ("True", "ValidMetricFound", said)
    assert _condition(api, "web", "AbleToScale")[0] == "True"
    assert _condition(api, "web", "ScalingLimited")[:2] == ("True", "TooManyReplicas")
    status = api.get("horizontalpodautoscalers", "web").ok()["status"]
    assert status["desiredReplicas"] == 3
    current = status["currentMetrics"][0]["resource"]["current"]
    expected = {"cpu": {"averageUtilization": 250, "averageValue": "5m"}}
    assert current == expected.get(resource, {"averageUtilization": 200, "averageValue": "40Mi"})


def test_a_policy_bounds_how_fast_it_scales_up(metrics: Api) -> None:
    rules = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}]}}
    _scaled(metrics, "web", _use_of("memory"), behavior=rules)
    metrics.eventually(lambda: metrics.get("deployments", "web").ok()["spec"]["replicas"] == 2, seconds=60)
    said = "the desired replica count is increasing faster than the maximum scale rate"
    metrics.eventually(lambda: _condition(metrics, "web", "ScalingLimited") == ("True", "ScaleUpLimit", said))
    assert metrics.get("deployments", "web").ok()["spec"]["replicas"] == 2


def test_a_missing_request_stops_it(metrics: Api) -> None:
    _scaled(metrics, "unasked", _use_of("cpu"))

    def stopped() -> bool:
        status, reason, message = _condition(metrics, "unasked", "ScalingActive")
        said = "failed to get cpu utilization: missing request for cpu in container main of Pod unasked-"
        return (status, reason, said in message) == ("False", "FailedGetResourceMetric", True)

    metrics.eventually(stopped, seconds=60)
    assert _condition(metrics, "unasked", "AbleToScale")[:2] == ("True", "SucceededGetScale")


def test_without_the_metrics_api_it_says_so(metrics: Api) -> None:
    api = metrics
    api.request("DELETE", f"{REGISTRATIONS}/{METRICS}").ok()
    try:
        _scaled(api, "web", _use_of("memory"))
        prefix = f"the HPA was unable to compute the replica count: failed to get memory utilization: {_FETCHED}"
        words = "the server could not find the requested resource (get pods.metrics.k8s.io)"
        wanted = ("False", "FailedGetResourceMetric", f"{prefix}: {words}")
        api.eventually(lambda: _condition(api, "web", "ScalingActive") == wanted, seconds=60)
        leads_nowhere = _to(api, "metrics.k8s.io", "nobody") | {"metadata": {"name": METRICS}}
        leads_nowhere["spec"]["version"] = "v1beta1"
        api.request("POST", REGISTRATIONS, leads_nowhere).ok()
        words = "the server is currently unable to handle the request (get pods.metrics.k8s.io)"
        wanted = ("False", "FailedGetResourceMetric", f"{prefix}: {words}")
        api.eventually(lambda: _condition(api, "web", "ScalingActive") == wanted, seconds=60)
        summary = "invalid metrics (1 invalid out of 1), first error is: failed to get memory resource metric value"
        told = api.eventually(lambda: api.events_about("web", "FailedComputeMetricsReplicas"))
        assert told[0]["message"].startswith(f"{summary}: failed to get memory utilization: {_FETCHED}: ")
    finally:
        api.request("DELETE", f"{REGISTRATIONS}/{METRICS}")
        _register_metrics(api)
