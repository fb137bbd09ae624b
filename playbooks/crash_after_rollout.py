"""A new revision that crashes while an earlier one is known to work: roll back to the last good one.

Certain only if the present revision has never been well, has no ready pod now, and another has ready pods or
was recorded as well. That it is the previous number says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence, Revision
from incidents.incident import Round
from incidents.proposals import Diagnosis, Needs, Opinion, Proposal, Risk, RollBack, Silent
from incidents.symptoms import Symptom

FAMILY = "crash-after-rollout"
_CRASHES = (Symptom.CRASH_LOOP, Symptom.RUN_ERROR)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion when only the present revision crashes and another one is good."""
    crashes = [f for f in evidence.health.findings if f.symptom in _CRASHES and f.pod]
    if not crashes:
        return Silent("no pod of the present revision crashes")
    if Symptom.OOM_KILLED in evidence.health.symptoms:
        return Silent("containers are killed for their memory; that is another family")
    if any(revision.digest == evidence.present and revision.good for revision in evidence.revisions):
        return Silent("the present revision was well before: what broke it came from elsewhere")
    good = evidence.last_good
    if good is None:
        return Silent("no other revision is known to work")
    return _opinion(evidence, good, symptom=crashes[0].symptom, container=crashes[0].container)


def _opinion(evidence: Evidence, good: Revision, *, symptom: Symptom, container: str) -> Opinion:
    basis = f"has {good.ready} ready pods now" if good.ready else "was seen well before"
    return Opinion(
        Diagnosis(
            family=FAMILY,
            cause=f"container {container} has crashed since the last rollout",
            confidence=0.93,
            rests_on=("the present revision has never been well", f"revision {good.number} {basis}"),
        ),
        Proposal(
            target=evidence.subject.ref,
            action=RollBack(replica_set=good.name, digest=good.digest),
            ends=symptom,
            reason=f"roll back to revision {good.number}, the last one known to work",
            risk=Risk.LOW,
            confidence=0.93,
            author=f"playbook/{FAMILY}",
        ),
    )
