"""Volumes that never come, or are full: a claim that is not there or stays unbound, a volume that no node can reach.

Rules: pkg/scheduler/framework/plugins/volumebinding (``persistentvolumeclaim "x" not found``, ``unbound immediate
PersistentVolumeClaims``, ``didn't match PersistentVolume's node affinity``) and volumezone (``no available volume
zone``, by the volume's labels), and pkg/controller/volume/persistentvolume (``storageclass.storage.k8s.io "x" not
found``). A misspelt claim is corrected to the one claim like it that no pod mounts; nothing is written that could touch
data, so that everything else is told with the object that stands in the way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.object_health import claims_of
from incidents.objects import CLAIM, NODE, STORAGE_CLASS, VOLUME, Manifest, reference
from incidents.proposals import Diagnosis, Needs, Opinion, Recreate, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import full
from playbooks.attaching import considered, explained
from playbooks.claims import other_claim
from playbooks.confidence import ONLY_ONE_FITS
from playbooks.edits import named, opinion, wanting
from playbooks.neighbours import nearest
from playbooks.volumes import unfit

FAMILY = "storage"
SYMPTOMS = (Symptom.UNSCHEDULABLE, Symptom.CLAIM_PENDING, *full.ENDS)
SUBJECTS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", CLAIM.kind, STORAGE_CLASS.kind)

_WAITING = (Symptom.UNSCHEDULABLE, Symptom.CLAIM_PENDING)
_NOT_FOUND = re.compile(r'persistentvolumeclaim "(?P<name>[a-z0-9.-]+)" not found')
_UNBOUND = re.compile(r"unbound immediate PersistentVolumeClaims")
_ELSEWHERE = re.compile(r"volume node affinity conflict|PersistentVolume's node affinity|no available volume zone")
_PLACES = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")  # labels of a volume that bind it to nodes
_TELLING = 0.92  # a claim explains why no node takes a pod; that no node does explains nothing


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first claim that keeps pods from being placed."""
    findings = [found for found in evidence.health.findings if found.symptom in _WAITING]
    said = "\n".join(found.detail for found in findings)
    pending = any(found.symptom is Symptom.CLAIM_PENDING for found in findings)
    missing = _NOT_FOUND.search(said)
    if not (missing or pending or _UNBOUND.search(said) or _ELSEWHERE.search(said)):
        answer = considered(evidence, FAMILY) or full.considered(evidence, rounds, FAMILY)
        return answer or _bound(evidence, "no volume is waited for")
    if evidence.subject.kind == STORAGE_CLASS.kind:
        cause = f"claims of StorageClass {evidence.subject.name} stay unbound"
        return Silent("what provisions its volumes is for a person to look at", _told(cause, said))
    if needs := wanting(evidence, CLAIM.kind):
        return needs
    if missing:
        told = _told(f"PersistentVolumeClaim {missing['name']} does not exist", said)
        return other_claim(evidence, missing["name"], told, family=FAMILY)
    if _ELSEWHERE.search(said):
        return _elsewhere(evidence, said)
    return _unbound(evidence, said)


def _bound(evidence: Evidence, otherwise: str) -> Silent:
    """Where every claim has its volume: what keeps that from being there, or as large as is asked for."""
    told = explained(evidence, FAMILY)
    return Silent(otherwise if told is None else "what a volume holds, and how large it is, is for people", told)


def _told(cause: str, said: str, *more: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=_TELLING, rests_on=(said[:240], *more))


def _ours(evidence: Evidence) -> list[Manifest]:
    """The claims that the subject is, or that its pods mount."""
    if evidence.subject.kind == CLAIM.kind:
        return [evidence.snapshot.workload]
    names = dict.fromkeys(name for pod in evidence.snapshot.current_pods for name in sorted(claims_of(pod)))
    found = (named(evidence.listed(CLAIM.kind), name) for name in names)
    return [claim for claim in found if claim is not None]


def _unbound(evidence: Evidence, said: str) -> Silent | Needs | Opinion:
    waiting = [claim for claim in _ours(evidence) if claim.get("status", {}).get("phase") != "Bound"]
    if not waiting:
        return _bound(evidence, "all of its claims are bound by now")
    if needs := wanting(evidence, STORAGE_CLASS.kind, VOLUME.kind):
        return needs
    causes = [_why_unbound(evidence, claim) for claim in waiting]
    told = _told("; ".join(causes), said)
    if len(waiting) > 1 or not (meant := _meant_class(evidence, waiting[0])):
        return Silent("there is no one StorageClass that it can have meant", told)
    return _other_class(evidence, waiting[0], meant, told) or Silent("a volume may be meant for it as it is", told)


def _meant_class(evidence: Evidence, claim: Manifest) -> str | None:
    """The one StorageClass of whose name a claim's class is a slip of the keyboard."""
    wanted = claim.get("spec", {}).get("storageClassName")
    there = [item["metadata"]["name"] for item in evidence.listed(STORAGE_CLASS.kind) or ()]
    return nearest(wanted, there) if wanted and wanted not in there else None


def _other_class(evidence: Evidence, claim: Manifest, meant: str, told: Diagnosis) -> Opinion | None:
    """An unbound claim, which holds nothing, made anew with the class that it meant.

    Not where volumes have its class by name alone, as those that are made by hand may, nor where a StatefulSet would
    make it again from its own template.
    """
    metadata, wanted = claim["metadata"], claim["spec"]["storageClassName"]
    volumes = evidence.listed(VOLUME.kind)
    by_hand = volumes is None or any((one.get("spec") or {}).get("storageClassName") == wanted for one in volumes)
    if by_hand or metadata.get("ownerReferences") or evidence.subject.kind == "StatefulSet":
        return None
    name = metadata["name"]
    symptom = next(found.symptom for found in evidence.health.findings if found.symptom in _WAITING)
    return opinion(
        evidence,
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"{meant} is the one StorageClass with a name like {wanted}", f"{name} is unbound"),
        ends=symptom,
        reason=f"make the claim {name} anew with StorageClass {meant} in place of {wanted}",
        confidence=ONLY_ONE_FITS,
        target=None if evidence.subject.kind == CLAIM.kind else reference(claim),
        action=Recreate(edits=(SetField(path="/spec/storageClassName", expected=wanted, value=meant),)),
    )


def _why_unbound(evidence: Evidence, claim: Manifest) -> str:
    name, wanted = claim["metadata"]["name"], claim.get("spec", {}).get("storageClassName")
    against = unfit(claim, evidence.listed(VOLUME.kind) or ())
    because = f" ({against})" if against else ""
    if evidence.listed(STORAGE_CLASS.kind) is None:
        return f"PersistentVolumeClaim {name} is not bound{because}"
    there = [item["metadata"]["name"] for item in evidence.listed(STORAGE_CLASS.kind) or ()]
    if wanted and wanted not in there:
        meant = nearest(wanted, there)
        like = f"; {meant} is the one like it" if meant else ""
        return f"PersistentVolumeClaim {name} wants StorageClass {wanted}, which does not exist{like}{because}"
    if wanted == "":
        return f"PersistentVolumeClaim {name} wants no StorageClass, and no volume that is there fits it{because}"
    if wanted is None:
        return f"PersistentVolumeClaim {name} names no StorageClass, and there is no default one"
    return f"PersistentVolumeClaim {name} is not bound: StorageClass {wanted} has provisioned no volume{because}"


def _elsewhere(evidence: Evidence, said: str) -> Silent | Needs:
    """Volumes that only certain nodes reach."""
    if needs := wanting(evidence, VOLUME.kind, NODE.kind):
        return needs
    bound = [str(claim.get("spec", {}).get("volumeName")) for claim in _ours(evidence)]
    volumes = [volume for name in bound if (volume := named(evidence.listed(VOLUME.kind), name)) is not None]
    told = [
        f"volume {item['metadata']['name']} can only be reached from nodes with {' or '.join(reach)}"
        for item in volumes
        if (reach := [_demand(evidence, *one) for one in _reach(item)])
    ]
    return Silent("a volume is where it is", _told("; ".join(told) or "its volumes are bound to other nodes", said))


def _reach(volume: Manifest) -> list[tuple[str, str, str]]:
    """What a volume asks of a node, by its node affinity or by its own labels: key, operator and values of each."""
    required = (volume.get("spec", {}).get("nodeAffinity") or {}).get("required") or {}
    demands = [
        (str(one.get("key")), str(one.get("operator")), ", ".join(map(str, one.get("values") or ())))
        for term in required.get("nodeSelectorTerms") or ()
        for one in term.get("matchExpressions") or ()
    ]
    labels = volume["metadata"].get("labels") or {}
    return demands or [(key, "In", ", ".join(labels[key].split("__"))) for key in _PLACES if key in labels]


def _demand(evidence: Evidence, key: str, operator: str, values: str) -> str:
    """A demand, and of a place, which few nodes are in, what the nodes that there are have instead."""
    text = f"{key} {operator} {values}".strip()
    there = {(node["metadata"].get("labels") or {}).get(key) for node in evidence.listed(NODE.kind) or ()} - {None}
    return f"{text} (nodes have {', '.join(sorted(map(str, there))) or 'no such label'})" if key in _PLACES else text
