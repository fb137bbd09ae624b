"""A new revision that crashes while an earlier one is known to work: roll back to the last good one.

Certain only if the present revision has never been well, has no pod that is Ready and has outlived its last run (one
that crashed at its start may have found what it lacked since, and what serves is not taken away), and another has ready
pods or was recorded as well. That it is the previous number says nothing. Where the present revision secures what the
earlier one left open, to go back is a suggestion: whoever closed it has to say. So it is where another image has run
with what outlasts its pods: what it has made of that, the earlier one may not be able to read.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import STATEFUL_SET
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.edits import opinion
from playbooks.last_good import ROLLED_BACK, basis, may_have_written, may_roll_back, never_well, serves_now
from playbooks.last_words import digest

FAMILY = "crash-after-rollout"
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.RUN_ERROR)
SUBJECTS = ROLLED_BACK
SURE = 0.93


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion when only the present revision crashes and another one is good."""
    crashes = [found for found in evidence.health.findings if found.symptom in SYMPTOMS and found.pod]
    if not crashes:
        return Silent("no pod of the present revision crashes")
    if Symptom.OOM_KILLED in evidence.health.symptoms:
        return Silent("containers are killed for their memory; that is another family")
    if not never_well(evidence):
        return Silent("the present revision was well before: what broke it came from elsewhere")
    good, name = evidence.last_good, crashes[0].container
    if good is None:
        return Silent("no other revision is known to work")
    cause = f"container {name} has crashed since the last rollout"
    rests_on = ("the present revision has never been well", basis(good), *digest(evidence, name)[:1])
    if serves_now(evidence):
        told = Diagnosis(family=FAMILY, cause=cause, confidence=SURE, rests_on=rests_on)
        return Silent("a pod of the present revision is ready just now: whether it stays so has to be seen first", told)
    sure = SURE if may_roll_back(evidence) else SUGGESTED
    if sure is SUGGESTED and evidence.subject.kind == STATEFUL_SET.kind:
        return Silent("what it keeps may be in a form by now that an earlier revision cannot read")
    written = may_have_written(evidence)
    return opinion(
        evidence,
        family=FAMILY,
        cause=cause,
        rests_on=rests_on,
        ends=crashes[0].symptom,
        reason=f"roll back to revision {good.number}, the last one known to work"
        + (f", which may not read what has been written to {written} since" if written else ""),
        confidence=sure,
        action=RollBack(replica_set=good.name, digest=good.digest),
    )
