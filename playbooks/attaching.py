"""Volumes that are bound and all the same not there: held by another node, not mounted, not made larger.

Rules: pkg/controller/volume/attachdetach (``Multi-Attach error for volume``), pkg/kubelet/volumemanager (``unmounted
volumes=[...]``) and the resize conditions of a claim. Asked by the family of storage. Whatever would help here takes a
volume away from somebody, so that it is told: with the pod that holds it, where that is said.
"""

from __future__ import annotations

import re

from incidents.evidence import Evidence
from incidents.proposals import Diagnosis
from incidents.snapshot import is_ready
from incidents.symptoms import Symptom

_HELD = re.compile(r'Multi-Attach error for volume "(?P<volume>[^"]+)"(?P<by>[^\n]*)')
_UNMOUNTED = re.compile(r"unmounted volumes=\[(?P<names>[^\]]+)\]")
_REASONS = frozenset({"FailedAttachVolume", "FailedMount", "FailedMapVolume", "FailedMountOnFilesystemMismatch"})
_NOT_LARGER = " cannot be made larger: "  # incidents/object_health.py


def explained(evidence: Evidence, family: str) -> Diagnosis | None:
    """What is known of a volume that is bound and not there; None where nothing of the kind is said."""
    findings = [one.detail for one in evidence.health.findings if one.symptom is Symptom.CLAIM_PENDING]
    for said in findings:
        if _NOT_LARGER in said:
            return Diagnosis(family=family, cause=f"PersistentVolumeClaim {said}", confidence=0.92, rests_on=(said,))
    waiting = {f"Pod/{pod['metadata']['name']}" for pod in evidence.snapshot.current_pods if not is_ready(pod)}
    lines = [one for one in evidence.events if one.reason in _REASONS and one.about in waiting]
    for line in reversed(lines):  # the newest come last
        if held := _HELD.search(line.message):
            cause = f"volume {held['volume']} of {line.about} is still attached elsewhere: {held['by'].strip(' .')}"
            return Diagnosis(family=family, cause=cause[:300], confidence=0.9, rests_on=(line.message[:300],))
    for line in reversed(lines):
        if names := _UNMOUNTED.search(line.message):
            cause = f"volume {names['names']} of {line.about} is not mounted: {line.message}"
            return Diagnosis(family=family, cause=cause[:300], confidence=0.6, rests_on=(line.message[:300],))
    return None
