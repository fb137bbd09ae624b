"""Objects that are deleted and created again: the form in which they are created, and what of them may be.

A live object carries what the server, admission and controllers have put there; created with that it would be refused,
or be bound to what it had before. Facts: pkg/registry/batch/job/strategy.go (the generated selector and its labels),
plugin/pkg/admission/serviceaccount (the token volume), pkg/controller/volume/persistentvolume (a claim's annotations).
Names that only differ because a dry run may not use one that is taken are put back before anything is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import jsonpatch
import msgspec

from incidents.changes import Anew, LeafChange, Operation
from incidents.objects import CLAIM, JOB, POD, ChangeId, Manifest, ObjectRef
from incidents.patch import leaf_diff
from incidents.proposals import Create, Proposal, Recreate
from remediation.seal import mark, seal

_GIVEN = ("name", "namespace", "labels", "annotations")  # what of metadata is an author's
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
_SERVED_ANNOTATIONS = (
    "batch.kubernetes.io/job-tracking",
    "cni.projectcalico.org/",
    "k8s.v1.cni.cncf.io/network-status",
    "pv.kubernetes.io/",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/",
)
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where a token is mounted, not one
_SHORT = 40  # letters of a name that leave room for a suffix in any kind's limit


def is_anew(proposal: Proposal) -> bool:
    """Whether a proposal creates its object, or deletes it and creates it again."""
    return isinstance(proposal.action, Recreate | Create)


def nothing_of(target: ObjectRef) -> dict[str, Any]:
    """What stands there of an object that is to be created: its name, and nobody's uid."""
    metadata = {"name": target.name, "namespace": target.namespace, "uid": ""}
    return {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata}


def anew(proposal: Proposal, live: Manifest, patch: Sequence[Operation]) -> Anew:
    """What is taken away and what is created. ``patch``: as ``sealed_anew`` has answered it."""
    # Of absence `seal` has made sure: the library has no test for it.
    operations = jsonpatch.JsonPatch([op for op in patch if op["op"] != "test" or op["value"] is not None])
    if isinstance(proposal.action, Create):
        return Anew(before=None, after=as_created(operations.apply(dict(proposal.action.manifest))))
    version = str(live["metadata"].get("resourceVersion", ""))
    return Anew(before=as_created(live), after=as_created(operations.apply(dict(live))), version=version)


def sealed_anew(proposal: Proposal, live: Manifest, *, change: ChangeId, until: datetime) -> tuple[Operation, ...]:
    """The patch that leads from what stands there to what is to be created. It is never sent. Raises Unsealable."""
    match proposal.action:
        case Recreate(edits=edits):
            return seal(msgspec.structs.replace(proposal, action=edits), live, change=change, until=until)
        case Create(manifest=manifest):
            return tuple(mark(manifest, change, until))
    raise TypeError("only an object that is made anew is sealed here")


def rehearsal(after: Manifest, change: ChangeId) -> dict[str, Any]:
    """The object to be created under a name that nothing has, so that a dry run finds it free."""
    name = f"{str(after['metadata']['name'])[:_SHORT].rstrip('-.')}-{change[:8]}"
    return {**after, "metadata": {**after["metadata"], "name": name}}


def as_answered(answer: Manifest, after: Manifest) -> dict[str, Any]:
    """What a dry run has answered, in the form that is created and under the name that was meant."""
    form = as_created(answer)
    return {**form, "metadata": {**form["metadata"], "name": after["metadata"]["name"]}}


def stood(proposal: Proposal, live: Manifest) -> dict[str, Any]:
    """What a difference begins from: the live object, or nothing where one is to be created."""
    return {"metadata": {}} if isinstance(proposal.action, Create) else dict(live)


def difference(proposal: Proposal, live: Manifest, answer: Manifest) -> tuple[LeafChange, ...]:
    """Every leaf in which the object that would be created differs from the one that stands there."""
    if isinstance(proposal.action, Create):
        return leaf_diff(stood(proposal, live), answer)
    return leaf_diff(as_created(live), answer)


def holds(live: Manifest) -> str:
    """Why an object is not deleted to make it anew: it holds a volume or a result. Empty where it holds nothing."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if live.get("kind") == CLAIM.kind and (spec.get("volumeName") or status.get("phase") != "Pending"):
        return "the claim has a volume, which may hold data"
    uncounted = (status.get("uncountedTerminatedPods") or {}).get("succeeded")
    if live.get("kind") == JOB.kind and (status.get("succeeded") or status.get("completedIndexes") or uncounted):
        return "pods of the Job have done their work already"
    return ""


def as_created(manifest: Manifest) -> dict[str, Any]:
    """The object as it may be created: without what the server and controllers set."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key in _GIVEN and value}
    annotations = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if not key.startswith(_SERVED_ANNOTATIONS)
    }
    body = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    form = {**body, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
    match manifest.get("kind"):
        case JOB.kind:
            return _job(form)
        case POD.kind:
            return {**form, "spec": _pod_spec(form["spec"], placed_by_hand=_placed_by_hand(manifest))}
        case CLAIM.kind:
            return {**form, "spec": {key: value for key, value in form["spec"].items() if key != "volumeName"}}
    return form


def _job(form: dict[str, Any]) -> dict[str, Any]:
    spec = dict(form["spec"])
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
    template = dict(spec["template"])
    template["metadata"] = _without_labels(template.get("metadata") or {})
    return {**form, "metadata": _without_labels(form["metadata"]), "spec": {**spec, "template": template}}


def _without_labels(metadata: Manifest) -> dict[str, Any]:
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _JOB_LABELS}
    rest = {key: value for key, value in metadata.items() if key not in ("labels", "creationTimestamp")}
    return {**rest, **({"labels": labels} if labels else {})}


def _pod_spec(spec: Manifest, *, placed_by_hand: bool) -> dict[str, Any]:
    """Without the node that the scheduler chose and the token that admission mounts."""
    tokens = {volume["name"] for volume in spec.get("volumes") or () if _is_token(volume)}
    kept = {key: value for key, value in spec.items() if key != "nodeName" or placed_by_hand}
    volumes = [volume for volume in spec.get("volumes") or () if volume["name"] not in tokens]
    kept = {**kept, "volumes": volumes} if volumes else {key: value for key, value in kept.items() if key != "volumes"}
    for which in ("containers", "initContainers"):
        if which in kept:
            kept[which] = [_without_token(container, tokens) for container in kept[which]]
    return kept


def _is_token(volume: Manifest) -> bool:
    sources = (volume.get("projected") or {}).get("sources") or ()
    return str(volume.get("name")).startswith("kube-api-access-") and any(
        "serviceAccountToken" in one for one in sources
    )


def _without_token(container: Manifest, tokens: set[str]) -> dict[str, Any]:
    mounts = [
        mount
        for mount in container.get("volumeMounts") or ()
        if not (mount.get("name") in tokens and mount.get("mountPath") == _TOKEN_PATH)
    ]
    rest = {key: value for key, value in container.items() if key != "volumeMounts"}
    return {**rest, "volumeMounts": mounts} if mounts else rest


def _placed_by_hand(pod: Manifest) -> bool:
    """Whether whoever wrote the Pod named its node: a binding leaves no trace among the managed fields."""
    managed = pod["metadata"].get("managedFields") or ()
    return any("f:nodeName" in ((one.get("fieldsV1") or {}).get("f:spec") or {}) for one in managed)
