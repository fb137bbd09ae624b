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
