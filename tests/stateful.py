"""A StatefulSet ``web`` and its pods, as their controller and the kubelet would have left them."""

from typing import Any

from tests.builders import NAMESPACE, deployment, owned_by, pod, running, stamp, waiting

Object = dict[str, Any]


def stateful_set(*, replicas: int = 2, revision: str = "good", **spec: Any) -> Object:
    """The set whose controller goes to ``revision``."""
    made = deployment(replicas=replicas, **spec)
    made["kind"] = "StatefulSet"
    made["status"] |= {"updateRevision": revision, "currentRevision": "good"}
    return made


def member(ordinal: int, *, revision: str = "good", ready: bool = True, since: int = 60, **metadata: Any) -> Object:
    """One of its pods, that is ready or not since so many seconds."""
    name = f"web-{ordinal}"
    made = pod(running() if ready else waiting("ImagePullBackOff"), name=name, ready=ready, **metadata)
    made["metadata"] |= {
        "namespace": NAMESPACE,
        "labels": {"app": "web", "controller-revision-hash": revision},
        "ownerReferences": [owned_by("StatefulSet", "web", "uid-web")],
    }
    made["status"]["conditions"][0] |= {"lastTransitionTime": stamp(since)}
    return made


def daemon_set(pod_template: Object | None = None, *, wanted: int = 3, updated: int = 0, ready: int = 3) -> Object:
    """A DaemonSet ``web`` that has been given a template, of whose pods so many are of it."""
    made = deployment(pod_template)
    made["kind"] = "DaemonSet"
    made["spec"] = {key: made["spec"][key] for key in ("selector", "template")}
    made["status"] = {
        "observedGeneration": made["metadata"]["generation"],
        "desiredNumberScheduled": wanted,
        "currentNumberScheduled": wanted,
        "numberReady": ready,
        "numberAvailable": ready,
        "updatedNumberScheduled": updated,
    }
    return made


def controller_revision(pod_template: Object, *, hash_: str, number: int, kind: str = "DaemonSet") -> Object:
    """A revision of the set ``web``, as its controller keeps it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"web-{hash_}",
            "namespace": NAMESPACE,
            "uid": f"uid-{hash_}",
            "labels": {"app": "web", "controller-revision-hash": hash_},
            "ownerReferences": [owned_by(kind, "web", "uid-web")],
        },
        "data": {"spec": {"template": {**pod_template, "$patch": "replace"}}},
        "revision": number,
    }


def daemon_pod(name: str, *statuses: Object, revision: str, ready: bool = True, age: float = 60) -> Object:
    """One of a DaemonSet's pods."""
    made = pod(*statuses, name=name, ready=ready, age=age)
    made["metadata"] |= {
        "labels": {"app": "web", "controller-revision-hash": revision},
        "ownerReferences": [owned_by("DaemonSet", "web", "uid-web")],
    }
    return made
