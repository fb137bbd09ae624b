"""Small valid objects to start from."""

from __future__ import annotations

from typing import Any

IMAGE = "nginx:1.27"


def config_map(name: str = "settings", *, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def container(name: str = "web", image: str = IMAGE, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": image, **fields}


def pod(name: str = "web", *containers: Any, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod of one nginx, or of the containers given; it ends at once when deleted."""
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    spec = {"containers": list(containers) or [container()], "terminationGracePeriodSeconds": 0, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def template(name: str, *containers: Any, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": list(containers) or [container()], "terminationGracePeriodSeconds": 0, **spec},
    }


def workload(kind: str, name: str = "web", *containers: Any, **spec: Any) -> dict[str, Any]:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet that selects its pods by `app`."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, *containers), **spec},
    }


def deployment(name: str = "web", *containers: Any, **spec: Any) -> dict[str, Any]:
    return workload("Deployment", name, *containers, **spec)


def job(name: str = "once", *containers: Any, restart: str = "Never", **spec: Any) -> dict[str, Any]:
    pods = {"spec": {"containers": list(containers) or [container("main", "busybox:1.36")], "restartPolicy": restart}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": pods, **spec}}


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def claim(name: str = "data", **spec: Any) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
