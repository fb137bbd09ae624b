"""kubectl, of the control plane's release and of another, works unchanged."""

from __future__ import annotations

import json
from typing import Any

from .bodies import config_map, container, deployment, pod
from .client import Api
from .kubectl import Kubectl

APPLY = ("apply", "-f", "-")
READY = "--for=jsonpath={.status.availableReplicas}=1"


def _image(kubectl: Kubectl) -> str:
    return kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")


def test_apply_creates_changes_leaves_alone_and_removes(kubectl: Kubectl) -> None:
    body = deployment("web", container(env=[{"name": "A", "value": "b"}]), replicas=0)
    assert kubectl(*APPLY, stdin=body) == "deployment.apps/web created\n"
    assert kubectl(*APPLY, stdin=body) == "deployment.apps/web unchanged\n"
    changed = deployment("web", container(image="nginx:1.28"), replicas=0)
    assert kubectl(*APPLY, stdin=changed) == "deployment.apps/web configured\n"
    found = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
    [one] = found["spec"]["template"]["spec"]["containers"]
    assert one["image"] == "nginx:1.28"
    assert "env" not in one


def test_apply_on_the_server_creates_and_meets_conflicts(kubectl: Kubectl) -> None:
    body = config_map(a="1")
    assert kubectl(*APPLY, "--server-side", stdin=body) == "configmap/settings serverside-applied\n"
    kubectl("patch", "configmap", "settings", "--type=merge", "-p", '{"data":{"a":"2"}}')
    said = kubectl(*APPLY, "--server-side", stdin=body, code=1)
    assert 'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.a' in said.replace("\n", "")
    assert kubectl(*APPLY, "--server-side", "--force-conflicts", stdin=body).endswith("serverside-applied\n")


def test_apply_refuses_a_typing_error(kubectl: Kubectl) -> None:
    body: dict[str, Any] = deployment(replicas=0)
    body["spec"]["replica"] = 1
    said = kubectl(*APPLY, stdin=body, code=1)
    assert 'strict decoding error: unknown field "spec.replica"' in said


def test_diff_shows_what_apply_would_change(kubectl: Kubectl) -> None:
    kubectl(*APPLY, stdin=deployment(replicas=0))
    assert kubectl("diff", "-f", "-", stdin=deployment(replicas=0)) == ""
    said = kubectl("diff", "-f", "-", stdin=deployment("web", container(image="nginx:1.28"), replicas=0), code=1)
    assert "-      - image: nginx:1.27" in said
    assert "+      - image: nginx:1.28" in said
    assert _image(kubectl) == "nginx:1.27"


def test_get_prints_tables_and_says_what_is_not_there(kubectl: Kubectl) -> None:
    assert kubectl("get", "pods").startswith("No resources found in check-")
    kubectl(*APPLY, stdin=deployment(replicas=0))
    header, line = kubectl("get", "deploy").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert line.split()[:4] == ["web", "0/0", "0", "0"]
    assert kubectl("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    said = kubectl("get", "deploy", "no", code=1)
    assert said == 'Error from server (NotFound): deployments.apps "no" not found\n'


def test_a_rollout_is_followed_undone_and_remembered(kubectl: Kubectl) -> None:
    kubectl(*APPLY, stdin=deployment())
    said = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert said.endswith('deployment "web" successfully rolled out\n')
    assert kubectl("set", "image", "deployment/web", "web=nginx:1.28") == "deployment.apps/web image updated\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    history = kubectl("rollout", "history", "deployment/web").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["1", "2"]
    assert kubectl("rollout", "undo", "deployment/web").startswith("deployment.apps/web rolled back\n")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert _image(kubectl) == "nginx:1.27"


def test_scale_patch_label_and_wait(kubectl: Kubectl) -> None:
    kubectl(*APPLY, stdin=deployment(replicas=0))
    assert kubectl("scale", "deployment/web", "--replicas=1") == "deployment.apps/web scaled\n"
    assert kubectl("wait", "deployment/web", READY, "--timeout=30s") == "deployment.apps/web condition met\n"
    assert kubectl("patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":0}}').endswith("(no change)\n")
    assert kubectl("label", "deployment", "web", "a=b") == "deployment.apps/web labeled\n"
    assert kubectl("get", "deploy", "-l", "a=b", "-o", "name") == "deployment.apps/web\n"


def test_logs_events_and_describe_tell_of_a_pod(kubectl: Kubectl) -> None:
    kubectl(*APPLY, stdin=pod())
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    assert "start worker processes" in kubectl("logs", "web")
    said = kubectl("events", "--for", "pod/web")
    assert "Successfully assigned" in said
    assert "Scheduled" in said
    said = kubectl("describe", "pod", "web")
    assert "Successfully assigned" in said
    assert "Image:          nginx:1.27" in said


def test_delete_waits_until_it_is_gone(kubectl: Kubectl, api: Api) -> None:
    kubectl(*APPLY, stdin=pod())
    said = kubectl("delete", "pod", "web")
    assert said.startswith('pod "web" deleted')
    assert api.get("pods", "web").code == 404
    said = kubectl("delete", "pod", "web", code=1)
    assert said == 'Error from server (NotFound): pods "web" not found\n'
    assert kubectl("delete", "pod", "web", "--ignore-not-found") == ""


def test_explain_create_and_auth_answer(kubectl: Kubectl) -> None:
    assert "FIELD: replicas <integer>" in kubectl("explain", "deployment.spec.replicas")
    assert kubectl("create", "configmap", "made", "--from-literal=a=b") == "configmap/made created\n"
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert kubectl("auth", "can-i", "get", "secrets", "--as=jane", code=1) == "no\n"
    assert kubectl("api-resources", "--api-group=apps", "-o", "name").split()[:2] == [
        "controllerrevisions.apps",
        "daemonsets.apps",
    ]
