"""The real control plane: that the harness starts one, and the facts that the program is built on."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from .build import kubernetes_version
from .components import ControlPlaneError
from .credentials import KUBELET_USER
from .harness import ControlPlane

pytestmark = pytest.mark.control_plane

_JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def config_map(control_plane: ControlPlane, namespace: str) -> str:
    """The path of a ConfigMap with one key and neither labels nor annotations."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"mode": "old"},
    }
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body).raise_for_status()
    return f"/api/v1/namespaces/{namespace}/configmaps/settings"


def _operation(op: str, path: str, value: Any) -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


def test_the_server_and_kubectl_say_which_release_they_are(control_plane: ControlPlane) -> None:
    said = json.loads(control_plane.kubectl("version", "--output", "json").stdout)
    assert said["serverVersion"]["gitVersion"] == kubernetes_version()
    assert said["clientVersion"]["gitVersion"] == kubernetes_version()
    assert (said["serverVersion"]["major"], said["serverVersion"]["minor"]) == ("1", "36")


@pytest.mark.parametrize(
    ("pointer", "code"),
    [
        pytest.param("/data/absent", 200, id="passes where only the last key is missing"),
        pytest.param("/metadata/annotations", 200, id="passes where a whole map is missing"),
        pytest.param("/data/mode", 422, id="fails where something is there"),
        pytest.param("/metadata/annotations/absent", 422, id="fails where the parent is missing too"),
    ],
)
def test_a_json_patch_test_for_null(control_plane: ControlPlane, config_map: str, pointer: str, code: int) -> None:
    patch = [_operation("test", pointer, None), _operation("replace", "/data/mode", "new")]
    answer = control_plane.request("PATCH", config_map, patch, headers=_JSON_PATCH)
    assert answer.status_code == code, answer.text
    mode = control_plane.request("GET", config_map).json()["data"]["mode"]
    assert mode == ("new" if code == 200 else "old")


def test_a_failed_json_patch_test_is_invalid_and_does_not_say_which(
    control_plane: ControlPlane, config_map: str
) -> None:
    patch = [_operation("test", "/data/mode", "other"), _operation("replace", "/data/mode", "new")]
    status = control_plane.request("PATCH", config_map, patch, headers=_JSON_PATCH).json()
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == "the server rejected our request due to an error in our request"


def test_a_dry_run_answers_with_the_change_and_keeps_nothing(control_plane: ControlPlane, config_map: str) -> None:
    before = control_plane.request("GET", config_map).json()
    patch = [_operation("replace", "/data/mode", "new")]
    answer = control_plane.request("PATCH", f"{config_map}?dryRun=All", patch, headers=_JSON_PATCH)
    assert answer.json()["data"] == {"mode": "new"}
    assert control_plane.request("GET", config_map).json() == before


def test_a_service_account_without_rights_is_forbidden_until_it_is_given_them(
    control_plane: ControlPlane, namespace: str
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.apply(_service_account(namespace))
    token = control_plane.service_account_token(namespace, "reader")
    assert control_plane.request("GET", pods, token=token).json()["reason"] == "Forbidden"
    assert control_plane.kubectl("-n", namespace, "get", "pods", token=token).returncode != 0

    # The authorizer reads roles from a cache some milliseconds behind: asking again is the wait for it.
    control_plane.apply(_reading_pods(namespace))
    can_i = ("auth", "can-i", "list", "pods", "--namespace", namespace)
    assert any(control_plane.kubectl(*can_i, token=token).returncode == 0 for _ in range(20))
    assert control_plane.request("GET", pods, token=token).status_code == 200
    assert control_plane.request("GET", "/api/v1/nodes", token=token).status_code == 403


def test_a_request_without_a_known_token_is_unauthorized(control_plane: ControlPlane) -> None:
    assert control_plane.request("GET", "/version", token="made-up").status_code == 401


def test_the_audit_log_tells_who_wrote_what_with_which_program(control_plane: ControlPlane, config_map: str) -> None:
    patch = [_operation("replace", "/data/mode", "new")]
    headers = {**_JSON_PATCH, "User-Agent": "some-program/1.0 change/42"}
    control_plane.request("PATCH", f"{config_map}?dryRun=All", patch, headers=headers).raise_for_status()

    written = [event for event in control_plane.audit_events() if "change/42" in event["userAgent"]]
    assert len(written) == 1
    assert written[0]["user"]["username"] == "admin"
    assert written[0]["verb"] == "patch"
    assert written[0]["requestURI"] == f"{config_map}?dryRun=All"
    assert written[0]["requestObject"] == patch
    assert written[0]["responseStatus"]["code"] == 200


def test_the_audit_log_holds_neither_secrets_nor_its_own_marks(control_plane: ControlPlane, namespace: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"a": "hush-hush"},
    }
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body).raise_for_status()
    first, second = list(control_plane.audit_events()), list(control_plane.audit_events())
    assert "hush-hush" not in json.dumps(second)
    assert not [event for event in second[len(first) :] if event["requestURI"] == "/version"]


def test_the_dump_has_every_object_under_its_kind_namespace_and_name(
    control_plane: ControlPlane, config_map: str, namespace: str
) -> None:
    dump = control_plane.dump()
    assert dump[f"v1/ConfigMap/{namespace}/settings"]["data"] == {"mode": "old"}
    assert dump["v1/Namespace//kube-system"]["metadata"]["uid"]
    assert "rbac.authorization.k8s.io/v1/ClusterRole//cluster-admin" in dump
    assert all(item["kind"] and item["apiVersion"] for item in dump.values())


def test_only_the_owner_may_read_what_holds_a_token(control_plane: ControlPlane) -> None:
    own = control_plane.credentials
    for path in (control_plane.kubeconfig(), own.token_file, own.key_file, own.service_account_key_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_applying_what_the_server_refuses_raises_with_its_words(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match=r"spec\.replicas"):
        control_plane.apply(_deployment("default", replicas=-1))


def test_a_deployment_becomes_available_once_there_are_nodes(control_plane: ControlPlane, namespace: str) -> None:
    assert len(control_plane.start_kubelet(nodes=3).nodes) == 3
    control_plane.apply(_deployment(namespace, replicas=2))
    rollout = ("rollout", "status", "deployment/web", "--namespace", namespace, "--timeout", "45s")
    done = control_plane.kubectl(*rollout)
    assert done.returncode == 0, done.stderr + control_plane.kubectl("get", "events,pods", "-A").stdout
    pods = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods").json()["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]


def test_logs_reach_the_kubelet_through_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.start_kubelet(nodes=3)
    control_plane.apply(_deployment(namespace, replicas=1))
    rollout = ("rollout", "status", "deployment/web", "--namespace", namespace, "--timeout", "45s")
    assert control_plane.kubectl(*rollout).returncode == 0
    logs = control_plane.kubectl("logs", "deployment/web", "--namespace", namespace)
    assert (logs.returncode, logs.stderr) == (0, "")
    assert logs.stdout


def test_the_kubelet_asks_for_nothing_that_a_real_one_may_not(control_plane: ControlPlane) -> None:
    control_plane.start_kubelet(nodes=3)
    everything = control_plane.audit_events()
    events = [event for event in everything if event["user"].get("username") == KUBELET_USER]
    assert events
    forbidden = [event["requestURI"] for event in events if event["responseStatus"].get("code") == 403]
    assert forbidden == []


def _service_account(namespace: str) -> str:
    return f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: {namespace}}}
"""


def _reading_pods(namespace: str) -> str:
    return f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]
"""


def _deployment(namespace: str, *, replicas: int) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: "nginx:1.27"}}]
"""
