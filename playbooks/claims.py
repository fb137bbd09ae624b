"""A claim by a name that nothing has: the one that was meant, if it is certain that it is nobody else's.

Rule: pkg/scheduler/framework/plugins/volumebinding (``persistentvolumeclaim "x" not found``). What a claim holds
belongs to whoever names it in a template, whether or not pods of that are there just now: a database that is scaled to
zero, a CronJob between two runs, a StatefulSet by its claim template. What carries another application's label, or the
name of another workload, is not what was meant. A claim that has its volume may hold what somebody wants back: it is
mounted without a person only where the last good revision did, or where it is this workload's by its label or name.
"""

from __future__ import annotations

from incidents.evidence import Evidence
from incidents.object_health import claims_of
from incidents.objects import CLAIM, POD, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.snapshot import pod_template
from incidents.symptoms import Symptom
from playbooks.belonging import (
    BESIDE,
    all_seen,
    beside,
    is_labelled_otherwise,
    is_only_ours,
    is_ours,
    own_names,
    said_twice,
)
from playbooks.confidence import ONLY_ONE_FITS, SEEN_WELL, SUGGESTED
from playbooks.edits import named, opinion, wanting
from playbooks.last_good import basis, good_value, never_well
from playbooks.neighbours import nearest

_PART = "app.kubernetes.io/component"  # two parts of one application share no volume


def other_claim(evidence: Evidence, wrong: str, told: Diagnosis, *, family: str) -> Silent | Needs | Opinion:
    """The claim meant by a name that is not there: that of the last good revision, or the one free claim like it.

    ``told``: what a person is told where there is none.
    """
    if needs := wanting(evidence, CLAIM.kind, POD.kind, *BESIDE):
        return needs
    nobody = Silent("there is no one free claim that can have been meant", told)
    volumes = [
        str(volume["name"])
        for volume in evidence.pod_spec.get("volumes") or ()
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == wrong
    ]
    claims = evidence.listed(CLAIM.kind)
    unread = evidence.listed(POD.kind) is None or not all_seen(evidence)
    if claims is None or unread or not volumes or named(claims, wrong) is not None or evidence.subject.kind == "Job":
        return nobody
    before = _before(evidence, volumes[0])
    meant = before or nearest(wrong, (item["metadata"]["name"] for item in claims))
    claim = named(claims, meant) if meant else None
    if meant is None or claim is None or not _free(evidence, claim):
        return nobody
    certain = SEEN_WELL if before else _certain(evidence, wrong, claim)
    if certain is None:
        return nobody
    path = f"{evidence.pod_path}/volumes"
    why = basis(evidence.last_good) if before and evidence.last_good else "the one claim here with a name like it"
    if certain == SUGGESTED:
        why = f"{why}, which nothing says is this workload's"
    return opinion(
        evidence,
        *(
            SetField(path=f"{path}[{name}]/persistentVolumeClaim/claimName", expected=wrong, value=meant)
            for name in volumes
        ),
        family=family,
        cause=told.cause,
        rests_on=(*told.rests_on, f"{meant}: {why}; nothing else mounts it"),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"mount the claim {meant} in place of {wrong}",
        confidence=certain,
    )


def _certain(evidence: Evidence, wrong: str, claim: Manifest) -> float | None:
    """How certain it is that a claim with a name like the wrong one is meant; None where it is another workload's."""
    others = beside(evidence)
    if is_ours(evidence, claim, others) is False:
        return None
    empty = claim.get("status", {}).get("phase") == "Pending"
    twice = said_twice(wrong, claim["metadata"]["name"], own_names(evidence))
    return ONLY_ONE_FITS if (empty or is_only_ours(evidence, claim, others)) and not twice else SUGGESTED


def _before(evidence: Evidence, volume: str) -> str | None:
    if not never_well(evidence):
        return None
    volumes = good_value(evidence, "/volumes") or ()
    found = (one.get("persistentVolumeClaim") or {} for one in volumes if one.get("name") == volume)
    return next((str(claim["claimName"]) for claim in found if claim.get("claimName")), None)


def _free(evidence: Evidence, claim: Manifest) -> bool:
    """Whether a claim is there to be mounted by this workload, and by nobody else."""
    metadata = claim["metadata"]
    if metadata.get("deletionTimestamp") or metadata.get("ownerReferences"):
        return False
    if claim.get("status", {}).get("phase") == "Lost" or is_labelled_otherwise(evidence, claim, _PART):
        return False
    name, own = str(metadata["name"]), {pod["metadata"]["name"] for pod in evidence.snapshot.pods}
    pods = (pod for pod in evidence.listed("Pod") or () if pod["metadata"]["name"] not in own)
    return not any(name in claims_of(pod) for pod in pods) and not any(_names(item, name) for item in beside(evidence))


def _names(workload: Manifest, claim: str) -> bool:
    """Whether a workload mounts the claim, by its template or by a template of claims."""
    if claim in claims_of({"spec": pod_template(workload).get("spec") or {}}):
        return True
    return of_template(workload, claim)


def of_template(workload: Manifest, claim: str) -> bool:
    """Whether a StatefulSet makes the claim of that name, for one of its pods, by a template of claims."""
    made = workload.get("spec", {}).get("volumeClaimTemplates") or ()
    begins = (f"{one.get('metadata', {}).get('name')}-{workload['metadata']['name']}-" for one in made)
    return any(claim.startswith(begin) and claim.removeprefix(begin).isdecimal() for begin in begins)
