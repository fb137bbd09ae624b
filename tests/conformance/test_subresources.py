"""Status, scale, log, eviction, binding, token."""

from __future__ import annotations

from typing import Any

from .bodies import config_map, container, deployment, pod
from .client import MERGE, Answer, Api
from .expectations import expect_refusal


def _running(api: Api, name: str = "web", *containers: Any, **fields: Any) -> None:
    api.create("pods", pod(name, *containers, **fields)).ok()
    api.eventually(lambda: api.get("pods", name).ok()["status"]["phase"] == "Running")


def _post(api: Api, name: str, subresource: str, body: Any) -> Answer:
    return api.request("POST", api.at("pods", name, subresource), body)


def _eviction(name: str, **options: Any) -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}


def test_a_scale_is_read_and_written(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    found = api.get("deployments", "web", "scale").ok()
    assert (found["kind"], found["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (found["spec"], found["status"]) == ({}, {"replicas": 0, "selector": "app=web"})
    path = api.at("deployments", "web", "scale")
    assert api.request("PATCH", path, {"spec": {"replicas": 1}}, content_type=MERGE).ok()["spec"] == {"replicas": 1}
    found = api.get("deployments", "web").ok()
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (1, 2)
    answer = api.request("PATCH", path, {"spec": {"replicas": -1}}, content_type=MERGE)
    said = "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    expect_refusal(answer, 422, f'Scale.autoscaling "web" is invalid: {said}')


def test_a_scale_of_an_old_version_is_a_conflict(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    body = {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 2}}
    answer = api.request("PUT", api.at("deployments", "web", "scale"), body)
    said = "the object has been modified; please apply your changes to the latest version and try again"
    expect_refusal(answer, 409, f'Operation cannot be fulfilled on deployments.apps "web": {said}')


def test_the_status_is_written_apart_from_the_spec(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    change = {"spec": {"replicas": 7}, "status": {"collisionCount": 4}}
    path = api.at("deployments", "web", "status")
    found = api.request("PATCH", path, change, content_type=MERGE).ok()
    assert found["spec"]["replicas"] == 0
    assert found["status"]["collisionCount"] == 4
    found = api.patch("deployments", "web", {"status": {"collisionCount": 9}}).ok()
    assert found["status"]["collisionCount"] == 4


def test_what_a_resource_does_not_have_is_not_found(api: Api) -> None:
    api.create("configmaps", config_map()).ok()
    for subresource in ("status", "scale"):
        answer = api.get("configmaps", "settings", subresource)
        expect_refusal(answer, 404, "the server could not find the requested resource")


def test_logs_are_text(api: Api) -> None:
    _running(api)
    answer = api.eventually(
        lambda: next((a for a in [api.get("pods", "web", "log")] if "start worker" in a.body), None)
    )
    assert answer.headers["content-type"] == "text/plain"
    first, _, second = answer.body.partition("\n")
    assert first == "/docker-entrypoint.sh: Configuration complete; ready for start up"
    assert api.get("pods", "web", "log", tailLines="1").body == second
    assert api.get("pods", "web", "log", limitBytes="10").body == "/docker-en"
    stamped = api.get("pods", "web", "log", timestamps="true", tailLines="1").body
    assert stamped.partition(" ")[0].startswith("20")


def test_what_logs_cannot_be_had(api: Api) -> None:
    _running(api)
    said = 'previous terminated container "web" in pod "web" not found'
    expect_refusal(api.get("pods", "web", "log", previous="true"), 400, said)
    expect_refusal(api.get("pods", "web", "log", container="zz"), 400, "container zz is not valid for pod web")
    expect_refusal(api.get("pods", "zz", "log"), 404, 'pods "zz" not found')
    said = "tailLines: Invalid value: -1: must be greater than or equal to 0"
    expect_refusal(api.get("pods", "web", "log", tailLines="-1"), 422, f'PodLogOptions "web" is invalid: {said}')


def test_of_two_containers_one_has_to_be_named(api: Api) -> None:
    _running(api, "two", container("a"), container("b", image="redis:7.4"))
    said = "a container name must be specified for pod two, choose one of: [a b]"
    expect_refusal(api.get("pods", "two", "log"), 400, said)


def test_an_eviction_deletes(api: Api) -> None:
    _running(api)
    assert _post(api, "web", "eviction", _eviction("web", dryRun=["All"])).code == 201
    asked_twice = f"{api.at('pods', 'web', 'eviction')}?dryRun=All"
    assert api.request("POST", asked_twice, _eviction("web", dryRun=["All"])).code == 201
    assert _post(api, "web", "eviction", _eviction("web", preconditions={"uid": "another"})).code == 409
    assert api.get("pods", "web").ok()["metadata"].get("deletionTimestamp") is None
    answer = _post(api, "web", "eviction", _eviction("web"))
    assert (answer.code, answer.body["status"]) == (201, "Success")
    api.eventually(lambda: api.get("pods", "web").code == 404)


def test_a_disruption_budget_stops_an_eviction(api: Api) -> None:
    _running(api, labels={"a": "b"})
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
    api.create("poddisruptionbudgets", budget).ok()
    api.eventually(lambda: api.get("poddisruptionbudgets", "b").ok()["status"].get("currentHealthy") == 1)
    answer = _post(api, "web", "eviction", _eviction("web"))
    expect_refusal(answer, 429, "Cannot evict pod as it would violate the pod's disruption budget.")
    assert answer.body["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
        }
    ]
    api.delete("pods", "web").ok()  # a delete asks no budget


def test_an_eviction_names_its_pod(api: Api) -> None:
    api.create("pods", pod(schedulerName="nobody")).ok()
    answer = _post(api, "web", "eviction", _eviction("zz"))
    expect_refusal(answer, 400, "name in URL does not match name in Eviction object")
    expect_refusal(_post(api, "zz", "eviction", _eviction("zz")), 404, 'pods "zz" not found')


def test_a_binding_assigns_once(api: Api) -> None:
    api.create("pods", pod(schedulerName="nobody")).ok()
    body = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
    answer = _post(api, "web", "binding", body)
    assert (answer.code, answer.body["status"]) == (201, "Success")
    assert api.get("pods", "web").ok()["spec"]["nodeName"] == "node-1"
    answer = _post(api, "web", "binding", body)
    said = 'pod web is already assigned to node "node-1"'
    expect_refusal(answer, 409, f'Operation cannot be fulfilled on pods/binding "web": {said}')
    api.eventually(lambda: api.get("pods", "web").ok()["status"]["phase"] == "Running")


def test_a_token_is_asked_for(api: Api) -> None:
    path = api.at("serviceaccounts", "default", "token")
    made = api.request("POST", path, {"spec": {"expirationSeconds": 600}}).ok()
    assert made["spec"]["expirationSeconds"] == 600
    assert made["spec"]["audiences"] == ["https://kubernetes.default.svc.cluster.local"]
    assert made["status"]["token"].count(".") == 2
    answer = api.request("POST", path, {"spec": {"expirationSeconds": 5}})
    said = "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"
    expect_refusal(answer, 422, f'TokenRequest.authentication.k8s.io "" is invalid: {said}')
