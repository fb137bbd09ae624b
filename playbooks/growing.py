"""How a claim is made larger: once to twice its size, where its class, its volume and the quotas let it be.

Rules: a bound claim may only grow, and only with ``allowVolumeExpansion`` of its class
(plugin/pkg/admission/storage/persistentvolume/resize; pkg/apis/core/validation, ValidatePersistentVolumeClaimUpdate);
quotas count ``requests.storage``, of all claims and of one class (pkg/quota/v1/evaluator/core). Growing cannot be taken
back, so that this is always asked. Where it is not to be had, a person is told why, with the commands that would do it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from incidents.evidence import Evidence
from incidents.object_health import claims_of
from incidents.objects import QUOTA, STORAGE_CLASS, VOLUME, Manifest, reference
from incidents.proposals import Diagnosis, Opinion, Risk, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.symptoms import Symptom
from playbooks.by_hand import all_names, merged
from playbooks.claims import of_template
from playbooks.confidence import CERTAIN, SUGGESTED
from playbooks.edits import named, opinion

STEP = 2
PATH = "/spec/resources/requests/storage"

_GO_ON = ("Deployment", "StatefulSet", "DaemonSet", "Pod")  # their containers are started again where they were
_UNDER_WAY = ("Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError")
_NEVER_LARGER = ("hostPath", "local", "nfs")  # sources that nobody resizes (pkg/volume: not expandable)


def sizes(claim: Manifest) -> tuple[str, str]:
    """What a claim asks for, and what it has, as they are written."""
    asked = ((claim.get("spec", {}).get("resources") or {}).get("requests") or {}).get("storage")
    return str(asked or ""), str((claim.get("status", {}).get("capacity") or {}).get("storage") or "")


def grown(evidence: Evidence, claim: Manifest, told: Diagnosis, *, ends: Symptom, sure: bool) -> Silent | Opinion:
    """The claim at twice its size, or why not. Raises UnreadableQuantity.

    ``sure``: that it is this claim; else what else is known of the subject comes first.
    """
    size = _next_size(claim)
    if (prevented := _prevented(evidence, claim)) is not None:
        because, by_hand = prevented
        return Silent(because, _with(told, by_hand))
    if evidence.subject.kind not in _GO_ON:
        return Silent("what has ended does not go on by itself when there is room", _with(told, _by_hand(claim, size)))
    asking = _asked(evidence, claim, told, size, ends=ends, confidence=CERTAIN if sure else SUGGESTED)
    return _blaming(asking) if sure and not _had_another(evidence, claim) else asking


def commands(evidence: Evidence, claim: Manifest) -> tuple[str, ...]:
    """What a person would type to make a claim twice as large; none where something stands in the way."""
    try:
        return () if _prevented(evidence, claim) is not None else _by_hand(claim, _next_size(claim))
    except UnreadableQuantity:
        return ()


def _next_size(claim: Manifest) -> str:
    return format_bytes(STEP * max(map(parse_bytes, sizes(claim))))


def _prevented(evidence: Evidence, claim: Manifest) -> tuple[str, tuple[str, ...]] | None:
    """Why a claim cannot become as large, with the commands that would let it; None where it can."""
    asked, has = map(parse_bytes, sizes(claim))
    size = _next_size(claim)
    patch = _by_hand(claim, size)
    if because := _under_way(claim, asked > has):
        return because, ()
    if because := _unable(evidence, claim):
        return because, _class_by_hand(evidence, claim, patch)
    for quota, key, least in _in_the_way(evidence, claim, parse_bytes(size) - asked):
        because = f"ResourceQuota {quota} leaves it no room to become {size}: {key} would have to be {least}"
        return because, (*_quota_by_hand(claim, quota, key, least), *patch)
    return None


def _asked(
    evidence: Evidence, claim: Manifest, told: Diagnosis, size: str, *, ends: Symptom, confidence: float
) -> Opinion:
    name, (asked, _) = str(claim["metadata"]["name"]), sizes(claim)
    fixed = of_template(evidence.snapshot.workload, name)  # a StatefulSet's templates of claims cannot be changed
    later = "; pods that come later still get claims of the template's size" if fixed else ""
    never = f"that cannot be taken back, a claim never shrinks{later}"
    return opinion(
        evidence,
        SetField(path=PATH, expected=asked, value=size),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, f"StorageClass {claim['spec']['storageClassName']} allows its claims to grow"),
        ends=ends,
        reason=f"make claim {name} larger, from {asked} to {size}: {never}",
        confidence=confidence,
        risk=Risk.MEDIUM,
        target=reference(claim),
    )


def _blaming(answer: Opinion) -> Opinion:
    """The same, with which no change of the subject is of any use: an earlier revision finds the same volume full."""
    blaming = msgspec.structs.replace(answer.diagnosis, blames=answer.proposal.target)
    return msgspec.structs.replace(answer, diagnosis=blaming)


def _had_another(evidence: Evidence, claim: Manifest) -> bool:
    """Whether the last good revision kept its data elsewhere."""
    if evidence.last_good is None:
        return False
    return str(claim["metadata"]["name"]) in claims_of(evidence.template) - claims_of(evidence.last_good.template)


def _under_way(claim: Manifest, waits: bool) -> str:
    status = claim.get("status", {})
    kinds = [
        str(one.get("type"))
        for one in status.get("conditions") or ()
        if one.get("type") in _UNDER_WAY and one.get("status") == "True"
    ]
    states = [*kinds, *map(str, (status.get("allocatedResourceStatuses") or {}).values())]
    if status.get("phase") != "Bound":
        return "it is not bound"
    told = f" ({', '.join(states)})" if states else ""
    return f"it is being made larger already{told}" if states or waits else ""


def _class(evidence: Evidence, claim: Manifest) -> Manifest | None:
    return named(evidence.listed(STORAGE_CLASS.kind), str(claim.get("spec", {}).get("storageClassName") or ""))


def _unable(evidence: Evidence, claim: Manifest) -> str:
    """Why nothing makes its volume larger; empty where something does."""
    wanted, found = claim.get("spec", {}).get("storageClassName"), _class(evidence, claim)
    if found is None:
        return f"nothing is known of its StorageClass {wanted or '(none)'}"
    if found.get("allowVolumeExpansion") is not True:
        return f"its StorageClass {wanted} does not allow claims to grow (allowVolumeExpansion)"
    volume = named(evidence.listed(VOLUME.kind), str(claim["spec"].get("volumeName"))) or {}
    source = next((one for one in _NEVER_LARGER if one in (volume.get("spec") or {})), "")
    return f"nothing makes a volume of its kind larger ({source})" if source else ""


def _in_the_way(evidence: Evidence, claim: Manifest, more: int) -> Iterator[tuple[str, str, str]]:
    """Quotas that have no room for so many bytes more: name, key, and the least that would do."""
    wanted = claim.get("spec", {}).get("storageClassName")
    keys = ("requests.storage", f"{wanted}.storageclass.storage.k8s.io/requests.storage")
    for quota in evidence.listed(QUOTA.kind) or ():
        hard, used = (quota.get("status", {}).get(which) or {} for which in ("hard", "used"))
        for key in keys:
            if key in hard and parse_bytes(used.get(key, "0")) + more > parse_bytes(hard[key]):
                yield str(quota["metadata"]["name"]), key, format_bytes(parse_bytes(used.get(key, "0")) + more)


def _with(told: Diagnosis, commands: tuple[str, ...]) -> Diagnosis:
    return msgspec.structs.replace(told, by_hand=commands)


def _by_hand(claim: Manifest, size: str) -> tuple[str, ...]:
    name, namespace = claim["metadata"]["name"], claim["metadata"].get("namespace")
    if not all_names((name, namespace)):
        return ()
    wanted = {"spec": {"resources": {"requests": {"storage": size}}}}
    meaning = f"makes claim {name} larger, for good: a claim never shrinks"
    return merged(meaning, "pvc", name, wanted, namespace=str(namespace))


def _class_by_hand(evidence: Evidence, claim: Manifest, then: tuple[str, ...]) -> tuple[str, ...]:
    """The command that lets claims of its class grow, and the one that uses it; none where it lacks something else."""
    found = _class(evidence, claim)
    if found is None or found.get("allowVolumeExpansion") is True or not all_names((found["metadata"]["name"],)):
        return ()
    name = found["metadata"]["name"]
    meaning = f"lets all claims of class {name} grow, if {found.get('provisioner') or 'its provisioner'} can do that"
    return (*merged(meaning, "storageclass", name, {"allowVolumeExpansion": True}), *then)


def _quota_by_hand(claim: Manifest, quota: str, key: str, least: str) -> tuple[str, ...]:
    namespace = claim["metadata"].get("namespace")
    if not all_names((quota, namespace)):
        return ()
    meaning = f"allows the namespace more, just enough for claim {claim['metadata']['name']}: {key} {least}"
    return merged(meaning, "resourcequota", quota, {"spec": {"hard": {key: least}}}, namespace=str(namespace))
