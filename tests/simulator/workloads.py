"""Manifests of the workloads that the controllers' tests create."""

from typing import Any

from tests.simulator.world import NAMESPACE

Object = dict[str, Any]


def template(image: str = "nginx:1.27", command: str = "", **spec: Any) -> Object:
    """A pod template labelled ``app: web`` with one container, which runs a shell command if one is given."""
    container: Object = {"name": "main", "image": image}
    if command:
        container["command"] = ["sh", "-c", command]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]} | spec}


def stateful_set(**spec: Any) -> Object:
    """Three nginx, one after the other."""
    return _named("apps/v1", "StatefulSet", {"replicas": 3, "serviceName": "web", **_selecting()} | spec)


def daemon_set(**spec: Any) -> Object:
    """One nginx a node."""
    return _named("apps/v1", "DaemonSet", _selecting() | spec)


def job(command: str = "exit 0", **spec: Any) -> Object:
    """One pod that runs a shell command to its end."""
    return _named("batch/v1", "Job", {"template": job_template(command)} | spec)


def cron_job(command: str = "exit 0", **spec: Any) -> Object:
    """A job at every half hour."""
    body = {"schedule": "*/30 * * * *", "jobTemplate": {"spec": {"template": job_template(command)}}}
    return _named("batch/v1", "CronJob", body | spec)


def job_template(command: str) -> Object:
    """The pod of a Job: not restarted, without labels of its own."""
    return {"spec": template("busybox:1.36", command, restartPolicy="Never")["spec"]}


def budget(**spec: Any) -> Object:
    """A disruption budget over ``app: web``."""
    return _named("policy/v1", "PodDisruptionBudget", {"selector": {"matchLabels": {"app": "web"}}} | spec)


def config_map(name: str, **metadata: Any) -> Object:
    """A small ConfigMap."""
    body = _named("v1", "ConfigMap", {}, name=name)
    del body["spec"]
    return body | {"metadata": body["metadata"] | metadata, "data": {"key": "value"}}


def owned_by(*owners: Object) -> list[Object]:
    """Owner references to objects."""
    return [
        {key: owner[key] for key in ("apiVersion", "kind")} | {key: owner["metadata"][key] for key in ("name", "uid")}
        for owner in owners
    ]


def _selecting() -> Object:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": template()}


def _named(api_version: str, kind: str, spec: Object, *, name: str = "web") -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
