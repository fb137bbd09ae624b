"""deploy/ as an operator applies it: the API server takes all of it, and its pod is one that the namespace admits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness import ControlPlane

pytestmark = pytest.mark.control_plane

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE = "k8s-auto-fixer"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAMESPACE}"


@pytest.fixture(scope="module")
def deployed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    applied = control_plane.kubectl("apply", "--kustomize", str(DEPLOY))
    assert applied.returncode == 0, applied.stderr
    yield control_plane
    # The account and its rights stay: the program's own runs on this control plane use them.
    parts = ("deployment", "storage", "network-policy")
    control_plane.kubectl("delete", "--wait=false", *(f"--filename={DEPLOY / part}.yaml" for part in parts))


def test_it_is_applied_twice_and_the_second_time_changes_nothing(deployed: ControlPlane) -> None:
    again = deployed.kubectl("apply", "--kustomize", str(DEPLOY)).stdout.splitlines()
    assert again
    assert [line for line in again if not line.endswith("unchanged")] == []


def test_its_pod_is_admitted_under_the_strictest_pod_security(deployed: ControlPlane) -> None:
    wait = ("wait", "-n", NAMESPACE, "--timeout=60s")
    made = deployed.kubectl(*wait, "--for=jsonpath={.status.replicas}=1", f"deployment/{NAMESPACE}")
    assert made.returncode == 0, made.stderr
    pods: list[dict[str, Any]] = deployed.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods").json()["items"]
    assert [pod["spec"]["serviceAccountName"] for pod in pods] == [NAMESPACE]


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("patch", "deployments.apps", True),
        ("watch", "pods", True),
        ("list", "events", True),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("create", "pods", True),
        ("delete", "jobs.batch", True),
        ("create", "persistentvolumeclaims", True),
        ("create", "serviceaccounts", False),
        ("create", "deployments.apps", False),
        ("delete", "deployments.apps", False),
        ("patch", "nodes", True),
        ("delete", "nodes", False),
        ("list", "configmaps", True),
        ("get", "configmaps", False),
        ("patch", "roles.rbac.authorization.k8s.io", False),
        ("patch", "networkpolicies.networking.k8s.io", False),
        ("patch", "resourcequotas", False),
        ("create", "pods/exec", False),
        ("impersonate", "users", False),
    ],
)
def test_its_account_may_do_this_and_not_that(deployed: ControlPlane, verb: str, resource: str, allowed: bool) -> None:
    kind, _, part = resource.partition("/")  # kubectl would read a name after the stroke
    asked = (verb, kind, *([f"--subresource={part}"] if part else []))
    said = deployed.kubectl("auth", "can-i", *asked, f"--as={ACCOUNT}", "--all-namespaces")
    assert said.stdout.split()[0] == ("yes" if allowed else "no")
