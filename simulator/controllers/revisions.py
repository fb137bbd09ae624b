"""Which ReplicaSet belongs to a Deployment's template, and how revisions are numbered. Pure.

After pkg/controller/deployment/util/deployment_util.go in Kubernetes v1.36. The template's hash differs from
the real one in value (that one hashes Go's own rendering of the struct), not in form or use.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from simulator.controllers.controller import controller_reference
from simulator.informer import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
}
_SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_HISTORY = 2000
_MOST_DIGITS = 19  # of an int64, which is all that the real controller reads


def annotations_of(obj: Object) -> dict[str, str]:
    """The annotations, never None."""
    return obj["metadata"].get("annotations") or {}


def revision_of(obj: Object) -> int:
    """The revision annotation as a number; 0 when there is none that can be read."""
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def template_hash(template: Mapping[str, Any], collision_count: int = 0) -> str:
    """The value of the pod-template-hash label: 32-bit FNV-1a in the vowel-free alphabet."""
    value = 2166136261
    for byte in orjson.dumps(template, option=orjson.OPT_SORT_KEYS) + b"#%d" % collision_count:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(_SAFE_ALPHABET[ord(digit) % len(_SAFE_ALPHABET)] for digit in str(value))


def same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two pod templates are equal but for the hash label."""
    return _without_hash(one) == _without_hash(other)


def by_age(replica_sets: Iterable[Object]) -> list[Object]:
    """Oldest first; names break ties."""
    return sorted(replica_sets, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))


def find_new(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The oldest ReplicaSet with the Deployment's template, as FindNewReplicaSet."""
    template = deployment["spec"]["template"]
    matching = (item for item in by_age(replica_sets) if same_template(template, item["spec"]["template"]))
    return next(matching, None)


def new_replica_set(deployment: Object, *, replicas: int, surge: int, revision: int) -> Object:
    """The ReplicaSet for the Deployment's present template."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    digest = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount", 0))
    labels = (spec["template"]["metadata"].get("labels") or {}) | {HASH_LABEL: digest}
    selector = dict(spec["selector"])
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {HASH_LABEL: digest}
    template = spec["template"] | {"metadata": spec["template"]["metadata"] | {"labels": labels}}
    body: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name'][: 252 - len(digest)]}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    body["metadata"]["annotations"] = _copied(deployment) | {
        REVISION: str(revision),
        **replica_annotations(spec["replicas"], surge),
    }
    return body


def synced_annotations(deployment: Object, replica_set: Object, *, revision: int, surge: int) -> dict[str, str]:
    """What the annotations of an existing new ReplicaSet should be: a rollback raises its revision."""
    current = annotations_of(replica_set)
    wanted = current | _copied(deployment)
    if revision_of(replica_set) < revision:
        wanted[REVISION] = str(revision)
        if REVISION in current:
            history = [item for item in current.get(REVISION_HISTORY, "").split(",") if item]
            history.append(current[REVISION])
            while len(",".join(history)) > _LONGEST_HISTORY:
                history.pop(0)
            wanted[REVISION_HISTORY] = ",".join(history)
    for key, value in replica_annotations(deployment["spec"]["replicas"], surge).items():
        wanted.setdefault(key, value)
    return wanted


def replica_annotations(replicas: int, surge: int) -> dict[str, str]:
    """What a scaling event is recognised by."""
    return {DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(replicas + surge)}


def _copied(deployment: Object) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    kept = {key: value for key, value in metadata.items() if key != "labels" and value is not None}
    return {**template, "metadata": {**kept, "labels": labels}}
