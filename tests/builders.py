"""Kubernetes objects as an API server serves them, and the evidence and proposals that are about them.

One Deployment ``web`` in the namespace ``shop``: every builder takes what a test is about and fills in the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from incidents.changes import Baseline, Change, Inverse
from incidents.evidence import EventLine, Evidence, LogExcerpt, Revision
from incidents.health import assess
from incidents.objects import ChangeId, ClusterId, IncidentId, ObjectRef, Uid, reference
from incidents.proposals import Proposal, Risk, RollBack, SetField
from incidents.signals import Signal
from incidents.snapshot import Snapshot, pod_template, revision_number, template_digest, template_of
from incidents.subjects import Subject
from incidents.symptoms import Symptom

Object = dict[str, Any]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAMESPACE = "shop"
IMAGE_PATH = "/spec/template/spec/containers[web]/image"
MEMORY_PATH = "/spec/template/spec/containers[web]/resources/limits/memory"


def stamp(seconds_ago: float = 0) -> str:
    """An API timestamp so many seconds before ``NOW``."""
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(name: str = "web", image: str = "nginx:1.27", **fields: Any) -> Object:
    """A container of a pod template."""
    return {"name": name, "image": image, **fields}


def template(*containers: Object, **spec: Any) -> Object:
    """A pod template."""
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers) or [container()], **spec}}


def deployment(
    pod: Object | None = None,
    *,
    replicas: int = 1,
    ready: int = 0,
    updated: int | None = None,
    generation: int = 2,
    observed: int | None = None,
    conditions: Sequence[Object] = (),
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A Deployment with the status its controller would write."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": NAMESPACE,
            "uid": "uid-web",
            "generation": generation,
            "resourceVersion": "77",
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": pod or template(),
            **spec,
        },
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": replicas,
            "updatedReplicas": replicas if updated is None else updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": list(conditions),
        },
    }


def condition(kind: str, status: str, reason: str = "", message: str = "", *, seconds_ago: float = 0) -> Object:
    """A status condition."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp(seconds_ago),
    }


def replica_set(
    pod: Object | None = None, *, number: int = 2, hash_: str = "", owner: str = "uid-web", **status: Any
) -> Object:
    """A ReplicaSet of the Deployment, with the label its controller adds."""
    hash_ = hash_ or f"h{number}"
    pod = pod or template()
    labels = {**pod["metadata"]["labels"], "pod-template-hash": hash_}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{hash_}",
            "namespace": NAMESPACE,
            "uid": f"uid-{hash_}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [owned_by("Deployment", "web", owner)],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {**pod, "metadata": {**pod["metadata"], "labels": labels}},
        },
        "status": status,
    }


def owned_by(kind: str, name: str, uid: str, api_version: str = "apps/v1") -> Object:
    """An owner reference that claims to be the controller's."""
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def pod(
    *statuses: Object,
    name: str = "web-1",
    of: Object | None = None,
    ready: bool = False,
    phase: str = "Running",
    age: float = 60,
    conditions: Sequence[Object] = (),
    **metadata: Any,
) -> Object:
    """A pod of a ReplicaSet, of revision 2 if none is named."""
    owner = of or replica_set()
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "creationTimestamp": stamp(age),
            "labels": owner["metadata"]["labels"],
            "ownerReferences": [owned_by("ReplicaSet", owner["metadata"]["name"], owner["metadata"]["uid"])],
            **metadata,
        },
        "spec": owner["spec"]["template"]["spec"],
        "status": {
            "phase": phase,
            "conditions": [*conditions, condition("Ready", str(ready))],
            "containerStatuses": list(statuses) or [running()],
        },
    }


def running(name: str = "web", *, restarts: int = 0, last: Object | None = None) -> Object:
    """The status of a container that runs; ``last`` is how it ended before."""
    status = {"name": name, "restartCount": restarts, "state": {"running": {"startedAt": stamp(30)}}, "lastState": {}}
    return {**status, "lastState": {"terminated": last}} if last else status


def waiting(
    reason: str, message: str = "", *, name: str = "web", restarts: int = 0, last: Object | None = None
) -> Object:
    """The status of a container that waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "name": name,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def ended(reason: str = "Error", code: int = 1, *, seconds_ago: float = 5) -> Object:
    """How a container ended."""
    return {"reason": reason, "exitCode": code, "finishedAt": stamp(seconds_ago)}


OOM = ended("OOMKilled", 137)


def not_there(image: str) -> Object:
    """A container whose image the registry does not have, in containerd's words."""
    said = (
        f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack '
        f'image "{image}": failed to resolve reference "{image}": {image}: not found'
    )
    return waiting("ImagePullBackOff", said)


def snapshot(workload: Object, replica_sets: Iterable[Object] = (), pods: Iterable[Object] = ()) -> Snapshot:
    """What was read of the Deployment."""
    return Snapshot(workload=workload, replica_sets=tuple(replica_sets), pods=tuple(pods), read_at=NOW)


def subject(workload: Object | None = None, *, manager: str = "") -> Subject:
    """The Deployment as a subject."""
    ref = reference(workload or deployment())
    return Subject(
        cluster=ClusterId("cluster-1"),
        api_version=ref.api_version,
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        uid=ref.uid,
        manager=manager,
    )


def evidence(
    taken: Snapshot,
    *,
    seen_well: Iterable[int] = (),
    answers: Mapping[str, tuple[str, ...]] | None = None,
    objects: Mapping[str, Sequence[Object]] | None = None,
    events: Iterable[str] = (),
    unhealthy: Iterable[str] = (),
    log: str = "",
    manager: str = "",
) -> Evidence:
    """What the collector would make of a snapshot; ``seen_well`` are revision numbers.

    ``objects``: what has been listed, by kind. ``unhealthy``: what failing probes were answered.
    """
    listed = {kind: tuple(items) for kind, items in (objects or {}).items()}
    good = set(seen_well)
    return Evidence(
        subject=subject(taken.workload, manager=manager),
        snapshot=taken,
        health=assess(taken, NOW),
        present=template_digest(pod_template(taken.workload)),
        revisions=tuple(_revision(item, taken, good) for item in taken.replica_sets),
        answers={**(answers or {}), **{f"objects:{kind}": () for kind in listed}},
        objects=listed,
        events=tuple(
            EventLine(about="Pod/web-1", type="Warning", reason=reason, message=text, count=1, last_seen=stamp())
            for reason, texts in (("Failed", events), ("Unhealthy", unhealthy))
            for text in texts
        ),
        logs=(LogExcerpt(pod="web-1", container="web", previous=False, text=log),) if log else (),
        taken_at=NOW,
    )


def _revision(item: Object, taken: Snapshot, good: set[int]) -> Revision:
    ready = [
        one
        for one in taken.pods_of(item)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in one["status"]["conditions"])
    ]
    number = revision_number(item)
    return Revision(
        name=item["metadata"]["name"],
        number=number,
        digest=template_digest(item["spec"]["template"]),
        template=template_of(item),
        ready=len(ready),
        seen_well=number in good,
    )


def proposal(
    *edits: SetField,
    action: RollBack | None = None,
    target: ObjectRef | None = None,
    ends: Symptom = Symptom.IMAGE_PULL,
    confidence: float = 0.95,
) -> Proposal:
    """A proposal about the Deployment."""
    return Proposal(
        target=target or reference(deployment()),
        action=action or (edits or (SetField(path=IMAGE_PATH, expected="nginx:1.27", value="nginx:1.28"),)),
        ends=ends,
        reason="because a test says so",
        risk=Risk.LOW,
        confidence=confidence,
        author="playbook/test",
    )


def change(
    id_: str = "change-1",
    *,
    incident: str = "incident-1",
    made: Proposal | None = None,
    ready_before: int = 0,
    **fields: Any,
) -> Change:
    """A prepared change of nothing in particular."""
    made = made or proposal()
    return Change(
        **{
            "id": ChangeId(id_),
            "incident": IncidentId(incident),
            "round": 1,
            "target": made.target,
            "proposal": made,
            "patch": (),
            "diff": (),
            "inverse": Inverse(operations=()),
            "digest": "d",
            "baseline": Baseline(ready=ready_before, symptoms=(Symptom.IMAGE_PULL,)),
            "prepared_at": NOW,
            "deadline": NOW + timedelta(seconds=600),
            **fields,
        }
    )


def signal(event_uid: str = "event-1", count: int = 1, symptom: Symptom = Symptom.IMAGE_PULL) -> Signal:
    """A signal about a pod of the Deployment."""
    about = ObjectRef(api_version="v1", kind="Pod", namespace=NAMESPACE, name="web-1", uid=Uid("uid-web-1"))
    return Signal(
        about=about,
        reason="Failed",
        symptom=symptom,
        message="Error: ErrImagePull",
        first_seen=NOW,
        last_seen=NOW,
        count=count,
        event_uid=Uid(event_uid),
    )
