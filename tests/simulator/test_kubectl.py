"""kubectl works against the server and the cluster unchanged."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator import EmbeddedCluster
from tests.simulator.conftest import DEPLOYMENTS, Api, config_map, container, deployment

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH"),
]

Kubectl = Callable[..., str]
WEB = f"{DEPLOYMENTS}/web"


def runner(server: str, home: Path) -> Kubectl:
    """A function that runs kubectl against a server and returns what it printed; `code` is the expected exit code."""

    def run(*arguments: str, stdin: object = None, code: int = 0) -> str:
        command = ["kubectl", f"--server={server}", "--namespace=default", f"--cache-dir={home}", *arguments]
        done = subprocess.run(
            command,
            input=None if stdin is None else json.dumps(stdin),
            env={"HOME": str(home), "PATH": os.environ["PATH"], "KUBECONFIG": "/dev/null"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def kubectl(api: Api, tmp_path: Path) -> Kubectl:
    return runner(api.kubectl_server, tmp_path)


def test_apply_creates_changes_and_leaves_alone(api: Api, kubectl: Kubectl) -> None:
    body = deployment("web", container(env=[{"name": "A", "value": "b"}]))
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", stdin=body)
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", stdin=body)
    changed = deployment("web", container(image="nginx:1.28"))
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", stdin=changed)
    [found] = api.get(WEB)["spec"]["template"]["spec"]["containers"]
    assert found["image"] == "nginx:1.28"
    assert "env" not in found


def test_diff_shows_what_apply_would_change(api: Api, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment())
    shown = kubectl("diff", "-f", "-", stdin=deployment("web", container(image="nginx:1.28")), code=1)
    assert "+        image: nginx:1.28" in shown or "image: nginx:1.28" in shown
    assert api.get(WEB)["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"


def test_get_prints_columns(api: Api, kubectl: Kubectl) -> None:
    api.create(DEPLOYMENTS, deployment(replicas=2))
    head, row = kubectl("get", "deploy").splitlines()
    assert head.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["web", "0/2", "0", "0"]
    assert "No resources found" in kubectl("get", "pods")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("json", '[{"op": "replace", "path": "/spec/replicas", "value": 4}]'),
        ("merge", '{"spec": {"replicas": 4}}'),
        ("strategic", '{"spec": {"replicas": 4}}'),
    ],
)
def test_patch_knows_all_types(api: Api, kubectl: Kubectl, kind: str, body: str) -> None:
    api.create(DEPLOYMENTS, deployment())
    kubectl("patch", "deploy", "web", f"--type={kind}", "-p", body)
    assert api.get(WEB)["spec"]["replicas"] == 4


def test_scale_set_image_label_annotate_and_delete(api: Api, kubectl: Kubectl) -> None:
    api.create(DEPLOYMENTS, deployment())
    kubectl("scale", "deploy/web", "--replicas=3")
    kubectl("set", "image", "deploy/web", "web=nginx:1.28")
    kubectl("label", "deploy", "web", "x=y")
    kubectl("annotate", "deploy", "web", "a=b")
    found = api.get(WEB)
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"
    assert found["metadata"]["labels"] == {"app": "web", "x": "y"}
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert "deleted" in kubectl("delete", "deploy", "web")
    assert 'deployments.apps "web" not found' in kubectl("get", "deploy", "web", code=1)


def test_a_dry_run_of_the_server_changes_nothing(api: Api, kubectl: Kubectl) -> None:
    shown = kubectl("apply", "-f", "-", "--dry-run=server", "-o", "json", stdin=deployment())
    assert json.loads(shown)["spec"]["progressDeadlineSeconds"] == 600
    assert api.get(WEB)["code"] == 404


def test_an_invalid_object_is_refused_with_its_field(kubectl: Kubectl) -> None:
    shown = kubectl("create", "-f", "-", stdin=deployment(replicas=-1), code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in shown


def test_resources_are_discovered_and_explained_by_short_name(kubectl: Kubectl) -> None:
    shown = kubectl("api-resources", "--api-group=apps")
    assert ["deployments", "deploy"] in [line.split()[:2] for line in shown.splitlines()]
    assert "Server Version: v1.36" in kubectl("version")


def test_get_watch_prints_rows(api: Api, kubectl: Kubectl) -> None:
    api.create("/api/v1/namespaces/default/configmaps", config_map("a", k="v"))
    shown = kubectl("get", "cm", "-w", "--request-timeout=1s", code=0)
    assert [line.split()[:2] for line in shown.splitlines()] == [["NAME", "DATA"], ["a", "1"]]


class TestCluster:
    """With controllers, scheduler and kubelet behind the server."""

    @pytest.fixture
    def kubectl(self, cluster: EmbeddedCluster, tmp_path: Path) -> Kubectl:
        server = cluster.kubeconfig()["clusters"][0]["cluster"]["server"]
        return runner(server, tmp_path)

    def test_a_rollout_is_followed_described_and_undone(self, kubectl: Kubectl) -> None:
        kubectl("apply", "-f", "-", stdin=deployment(replicas=2))
        assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=20s")
        assert "2/2" in kubectl("get", "deploy", "web")
        kubectl("set", "image", "deploy/web", "web=nginx:1.28")
        kubectl("rollout", "status", "deploy/web", "--timeout=20s")
        assert "NewReplicaSetAvailable" in kubectl("describe", "deploy", "web")
        kubectl("rollout", "undo", "deploy/web")
        kubectl("rollout", "status", "deploy/web", "--timeout=20s")
        shown = kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
        assert shown == "nginx:1.27"

    def test_logs_events_and_pods_are_shown(self, kubectl: Kubectl) -> None:
        kubectl("apply", "-f", "-", stdin=deployment())
        kubectl("rollout", "status", "deploy/web", "--timeout=20s")
        assert "start" in kubectl("logs", "deploy/web")
        assert "ScalingReplicaSet" in kubectl("get", "events")
        assert "Running" in kubectl("get", "pods")
        assert "Successfully assigned" in kubectl("describe", "pods", "-l", "app=web")

    def test_a_written_kubeconfig_is_enough(self, cluster: EmbeddedCluster, tmp_path: Path) -> None:
        path = cluster.write_kubeconfig(tmp_path / "config", user="jane")
        command = ["kubectl", f"--kubeconfig={path}", f"--cache-dir={tmp_path}", "get", "nodes"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.count(" Ready ") == 3
        assert "jane" in {record.user for record in cluster.requests()}


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        ("create namespace shop", "/api/v1/namespaces/shop", ("status", {"phase": "Active"})),
        (
            "create configmap c --from-literal=a=b",
            "/api/v1/namespaces/default/configmaps/c",
            ("data", {"a": "b"}),
        ),
        (
            "create secret generic s --from-literal=a=b",
            "/api/v1/namespaces/default/secrets/s",
            ("data", {"a": "Yg=="}),
        ),
        ("create deployment d --image=nginx --port=80", f"{DEPLOYMENTS}/d", ("kind", "Deployment")),
        (
            "create service clusterip v --tcp=80:http",
            "/api/v1/namespaces/default/services/v",
            ("kind", "Service"),
        ),
    ],
    ids=["namespace", "configmap", "secret", "deployment", "service"],
)
def test_create_by_name_sends_protobuf_and_is_understood(
    api: Api, kubectl: Kubectl, arguments: str, path: str, value: tuple[str, object]
) -> None:
    kubectl(*arguments.split())
    found = api.get(path)
    assert found[value[0]] == value[1], found


def test_rights_and_identity_are_told(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "delete", "nodes").startswith("yes")
    assert "admin" in kubectl("auth", "whoami")
