"""What a StatefulSet's pods and claims are called, and which of them belong together. Pure.

After pkg/controller/statefulset/stateful_set_utils.go in Kubernetes v1.36.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.controllers.controller import controller_reference
from simulator.controllers.pod_control import pod_from
from simulator.informer import Object

REVISION_LABEL = "controller-revision-hash"
_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
_INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True)
class Members:
    """A StatefulSet's pods by ordinal: those that it wants, and those beyond, highest first."""

    wanted: dict[int, Object] = field(default_factory=dict)
    condemned: list[Object] = field(default_factory=list)


def ordinals(stateful_set: Object) -> range:
    """The ordinals that the set wants."""
    start = (stateful_set["spec"].get("ordinals") or {}).get("start", 0)
    return range(start, start + stateful_set["spec"].get("replicas", 1))


def ordinal_of(stateful_set: Object, pod: Object) -> int:
    """The number at the end of a member's name; -1 for a pod that is none."""
    parent, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if parent == stateful_set["metadata"]["name"] and number.isdecimal() else -1


def members(stateful_set: Object, pods: list[Object]) -> Members:
    """The pods sorted into wanted and condemned; what is no member is left out."""
    numbered = sorted((ordinal_of(stateful_set, pod), pod["metadata"]["name"], pod) for pod in pods)
    wanted = {number: pod for number, _, pod in numbered if number in ordinals(stateful_set)}
    beyond = [pod for number, _, pod in reversed(numbered) if number >= 0 and number not in wanted]
    return Members(wanted, beyond)


def revision_of_pod(pod: Object) -> str:
    """The name of the revision that a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def new_member(stateful_set: Object, ordinal: int, *, template: Object, revision: str) -> Object:
    """The pod of one ordinal, made from the template of one revision."""
    pod = pod_from(stateful_set, template)
    name = f"{stateful_set['metadata']['name']}-{ordinal}"
    pod["metadata"]["name"] = name  # the prefix for generated names stays, as on a real set's pods
    identity = {_NAME_LABEL: name, _INDEX_LABEL: str(ordinal), REVISION_LABEL: revision}
    pod["metadata"]["labels"] = pod["metadata"]["labels"] | identity
    spec = dict(pod["spec"])
    spec["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = stateful_set["spec"]["serviceName"]
    spec["volumes"] = _volumes(stateful_set, ordinal, spec.get("volumes") or [])
    pod["spec"] = {key: value for key, value in spec.items() if value != []}
    return pod


def has_identity(stateful_set: Object, pod: Object) -> bool:
    """Whether a member carries the labels that its name asks for."""
    name, labels = pod["metadata"]["name"], pod["metadata"].get("labels") or {}
    return bool(labels.get(_NAME_LABEL) == name and ordinal_of(stateful_set, pod) >= 0)


def claims(stateful_set: Object, ordinal: int) -> list[Object]:
    """The claims of one ordinal as they are to be created."""
    namespace = stateful_set["metadata"]["namespace"]
    selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
    found = []
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        metadata = dict(template["metadata"])
        metadata["labels"] = (metadata.get("labels") or {}) | selected
        metadata |= {"name": claim_name(stateful_set, template, ordinal), "namespace": namespace}
        body = {key: value for key, value in template.items() if key != "status"}
        found.append(body | {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata})
    return found


def claim_name(stateful_set: Object, template: Object, ordinal: int) -> str:
    """``data-web-0``: the template's name, the set's, the ordinal."""
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{ordinal}"


def claim_owners(stateful_set: Object, claim: Object, *, pod: Object, ordinal: int) -> list[Object]:
    """The owner references that the retention policy gives a claim.

    References of others stay; where one of them controls the claim, the policy has no say.
    """
    uids = {stateful_set["metadata"]["uid"], pod["metadata"].get("uid")}
    names = {("StatefulSet", stateful_set["metadata"]["name"]), ("Pod", pod["metadata"]["name"])}
    current = claim["metadata"].get("ownerReferences") or []
    others = [item for item in current if item["uid"] not in uids and (item["kind"], item["name"]) not in names]
    if any(item.get("controller") for item in others):
        return others
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    scaled_down = ordinal not in ordinals(stateful_set)
    if scaled_down and policy.get("whenScaled") == "Delete":
        return [*others, controller_reference(pod)] if pod["metadata"].get("uid") else others
    return [*others, controller_reference(stateful_set)] if policy.get("whenDeleted") == "Delete" else others


def is_stale(stateful_set: Object, claim: Object, pod_name: str) -> bool:
    """Whether a claim still belongs to an earlier pod of that name and is about to be collected with it."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    owners: list[dict[str, Any]] = claim["metadata"].get("ownerReferences") or []
    return policy.get("whenScaled") == "Delete" and any(
        item["kind"] == "Pod" and item["name"] == pod_name for item in owners
    )


def _volumes(stateful_set: Object, ordinal: int, present: list[Object]) -> list[Object]:
    """The template's volumes, of which those named like a claim template are the claims."""
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    named = {item["metadata"]["name"] for item in templates}
    own = [
        {
            "name": item["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, item, ordinal)},
        }
        for item in templates
    ]
    return own + [volume for volume in present if volume["name"] not in named]
