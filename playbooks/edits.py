"""Putting opinions together: one diagnosis and one proposal from the same confidence, so that families stay short."""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence, Want, WantKind
from incidents.objects import JOB, POD, Kind, Manifest, ObjectRef, reference
from incidents.proposals import Action, Create, Diagnosis, Needs, Opinion, Proposal, Recreate, Risk, SetField
from incidents.symptoms import Symptom


def opinion(
    evidence: Evidence,
    *edits: SetField,
    family: str,
    cause: str,
    rests_on: Sequence[str],
    ends: Symptom,
    reason: str,
    confidence: float,
    risk: Risk = Risk.LOW,
    target: ObjectRef | None = None,
    action: Action | None = None,
) -> Opinion:
    """An opinion about the subject, or about ``target`` where the cause is another object beside it.

    Edits of a pod spec that cannot be edited in place have the subject made anew.
    """
    if action is None:
        action = made_anew(evidence, edits) if target is None else edits
        if isinstance(action, Recreate):
            reason = f"{reason}; for that the {evidence.subject.kind} is deleted and created again"
    return Opinion(
        Diagnosis(family=family, cause=cause, confidence=confidence, rests_on=tuple(rests_on)),
        Proposal(
            target=target or evidence.subject.ref,
            action=action,
            ends=ends,
            reason=reason,
            risk=risk,
            confidence=confidence,
            author=f"playbook/{family}",
        ),
    )


def made_anew(evidence: Evidence, edits: tuple[SetField, ...]) -> Action:
    """The edits as they can be made to the subject: of a Job's template, and of a Pod all but its images, not in place.

    Rules: pkg/apis/batch/validation (template: field is immutable), pkg/apis/core/validation, ValidatePodUpdate.
    """
    within = all(edit.path.startswith(evidence.pod_path + "/") for edit in edits)
    images = all(edit.path.endswith("/image") for edit in edits)
    immutable = evidence.subject.kind == JOB.kind or (evidence.subject.kind == POD.kind and not images)
    return Recreate(edits=edits) if edits and within and immutable else edits


def created(kind: Kind, namespace: str, name: str) -> tuple[ObjectRef, Create]:
    """An object that is named and missing, as a target and as what creates it: its name, and nothing in it."""
    metadata = {"namespace": namespace, "name": name}
    manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return reference(manifest), Create(manifest=manifest)


def wanting(evidence: Evidence, *kinds: str) -> Needs | None:
    """What has to be listed first (kinds of ``incidents.objects.LISTED``); None once everybody has been asked."""
    wants = tuple(want for kind in kinds if not evidence.asked(want := Want(WantKind.OBJECTS, kind)))
    return Needs(wants) if wants else None


def named(objects: Sequence[Manifest] | None, name: str) -> Manifest | None:
    """The object of that name among those that were listed."""
    return next((item for item in objects or () if item["metadata"]["name"] == name), None)
