"""What the cluster says about one subject at one moment: the object, its revisions and its pods, as raw JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import orjson

from incidents.objects import CONTROLLER_REVISION, DEPLOYMENT, WORKLOADS, Manifest, controller_of

REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
CONTROLLER_HASH = "controller-revision-hash"
_MOST_DIGITS = 19  # of a revision: an int64, as controllers write it; what is longer is nobody's count
_SET_BY_CONTROLLERS = frozenset({"replicas", "taints", "nodeName", "volumeName"})


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One subject as read from the API server. ``replica_sets`` is empty for kinds without them.

    A subject that is no workload stands in ``workload`` all the same; its ``pods`` are those it selects or that
    mount it. ``related``: what was read beside it to judge it (a CronJob's Jobs, a claim's StorageClass, the autoscaler
    that a signal was about). ``missing``: what it names, as KIND/NAME, and what is not there.
    """

    workload: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...] = ()
    pods: tuple[dict[str, Any], ...] = ()
    related: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    read_at: datetime

    @property
    def desired(self) -> int:
        """How many ready pods the spec asks for."""
        status, spec = self.workload.get("status", {}), self.workload.get("spec", {})
        if self.workload.get("kind") not in WORKLOADS:
            return 0
        match self.workload.get("kind"):
            case "DaemonSet":
                return int(status.get("desiredNumberScheduled", 0))
            case "Pod":
                return 1
            case "Job":
                return int(spec.get("parallelism", 1))
            case "CronJob":
                return 0
        return int(spec.get("replicas", 1))

    @property
    def live_pods(self) -> tuple[dict[str, Any], ...]:
        """Pods that are not on their way out and not finished for good."""
        return tuple(
            pod
            for pod in self.pods
            if not pod["metadata"].get("deletionTimestamp") and not (is_over(pod) and self.workload["kind"] != "Pod")
        )

    @property
    def ready(self) -> int:
        """How many live pods are Ready."""
        return sum(is_ready(pod) for pod in self.live_pods)

    @property
    def current_replica_set(self) -> dict[str, Any] | None:
        """The ReplicaSet of a Deployment's present template, once its controller has made it."""
        if self.workload.get("kind") != DEPLOYMENT.kind or not observed(self.workload):
            return None
        wanted = template_digest(self.workload["spec"]["template"])
        matching = [rs for rs in self.replica_sets if template_digest(rs["spec"]["template"]) == wanted]
        return max(matching, key=revision_number, default=None)

    def pods_of(self, replica_set: Manifest) -> Iterator[dict[str, Any]]:
        """The live pods of one ReplicaSet, or of one ControllerRevision in its form."""
        uid = replica_set["metadata"]["uid"]
        if replica_set.get("kind") == CONTROLLER_REVISION.kind:
            return (pod for pod in self.live_pods if _of_revision(pod, replica_set))
        return (pod for pod in self.live_pods if (controller_of(pod) or {}).get("uid") == uid)

    @property
    def current_pods(self) -> tuple[dict[str, Any], ...]:
        """The live pods of the present spec: of the newest ReplicaSet, or all where there are no revisions."""
        if self.workload.get("kind") != DEPLOYMENT.kind:
            return self.live_pods
        current = self.current_replica_set
        if current is None and self.workload.get("spec", {}).get("paused"):
            return self.live_pods  # its present template is for later: those that serve are what there is
        return tuple(self.pods_of(current)) if current is not None else ()

    @property
    def current_failed_pods(self) -> tuple[dict[str, Any], ...]:
        """The pods of the present spec that have failed for good and were replaced."""
        failed = [
            pod
            for pod in self.pods
            if not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") == "Failed"
        ]
        if self.workload.get("kind") != DEPLOYMENT.kind:
            return () if self.workload.get("kind") == "Pod" else tuple(failed)
        current = self.current_replica_set
        uid = current["metadata"]["uid"] if current is not None else None
        return tuple(pod for pod in failed if (controller_of(pod) or {}).get("uid") == uid)


def is_ready(pod: Manifest) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def is_over(pod: Manifest) -> bool:
    """Whether the pod has ended for good, well or not."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def observed(workload: Manifest) -> bool:
    """Whether the workload's controller has seen its present spec."""
    generation = int(workload.get("metadata", {}).get("generation", 0))
    return int(workload.get("status", {}).get("observedGeneration", generation)) >= generation


def revision_number(replica_set: Manifest) -> int:
    """The revision a ReplicaSet carries, 0 where it carries none that can be read."""
    text = (replica_set.get("metadata", {}).get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def pod_template(workload: Manifest) -> dict[str, Any]:
    """The pod template of a workload of any kind; a bare Pod is its own template."""
    if workload.get("kind") == "Pod":
        return {"metadata": workload.get("metadata", {}), "spec": workload.get("spec", {})}
    spec = workload.get("spec", {})
    spec = spec["jobTemplate"]["spec"] if workload.get("kind") == "CronJob" else spec
    template: dict[str, Any] = spec.get("template", {})
    return template


def as_replica_set(revision: Manifest) -> dict[str, Any] | None:
    """A ControllerRevision in the form of a ReplicaSet: its template and its number where a reader looks for them.

    None for one whose data is not the template of a workload (pkg/controller/history, getPatch).
    """
    template = ((revision.get("data") or {}).get("spec") or {}).get("template")
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return None
    metadata = revision["metadata"]
    numbered = {**(metadata.get("annotations") or {}), REVISION: str(revision.get("revision", 0))}
    kept = {key: value for key, value in template.items() if key != "$patch"}
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.kind,
        "metadata": {**metadata, "annotations": numbered},
        "spec": {"template": kept},
    }


def _of_revision(pod: Manifest, revision: Manifest) -> bool:
    """Whether a pod is of a ControllerRevision: a StatefulSet's pods carry its name, a DaemonSet's its hash."""
    label = (pod["metadata"].get("labels") or {}).get(CONTROLLER_HASH)
    metadata = revision["metadata"]
    return bool(label) and label in (metadata["name"], (metadata.get("labels") or {}).get(CONTROLLER_HASH))


def template_of(replica_set: Manifest) -> dict[str, Any]:
    """A ReplicaSet's pod template as the Deployment would carry it: without the controller's hash label."""
    template: dict[str, Any] = orjson.loads(orjson.dumps(replica_set["spec"]["template"]))
    labels = template.get("metadata", {}).get("labels", {})
    labels.pop(TEMPLATE_HASH, None)
    return template


def spec_digest(workload: Manifest) -> str:
    """What tells whether somebody has changed a spec: a digest of it without ``replicas``.

    Scaling is what autoscalers do all day; it takes nobody's decision back. Nor does the scheduler that gives a Pod its
    node, the controller that gives a claim its volume, or the one that taints a node.
    """
    spec = {key: value for key, value in workload.get("spec", {}).items() if key not in _SET_BY_CONTROLLERS}
    if not spec:  # webhooks, a StorageClass: what is said stands beside the metadata
        spec = {key: value for key, value in workload.items() if key not in ("metadata", "status")}
    return hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def template_digest(template: Manifest) -> str:
    """What identifies a revision: a digest of its pod template without the controller's hash label."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    body = {
        "labels": labels,
        "annotations": metadata.get("annotations") or {},
        "spec": template.get("spec") or {},
    }
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
