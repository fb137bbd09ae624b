"""Rollouts that have passed their deadline while an earlier revision still serves: that revision is put back.

Rule: pkg/controller/deployment/progress.go (``ProgressDeadlineExceeded``). The last resort of all playbooks: what one
of them knows to correct is less of a change, and is surer. That the earlier revision has ready pods now, in the same
namespace at the same moment, says that it is the revision and not the surroundings that does not work; but not of
containers that end: what an earlier pod found at its start may be gone since, and why they end their family says.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.pod_health import has_failed
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, Silent
from incidents.symptoms import Symptom
from playbooks.attaching import held
from playbooks.confidence import LIKELY
from playbooks.edits import opinion
from playbooks.init import still_at_work
from playbooks.last_good import ROLLED_BACK, basis, may_roll_back
from playbooks.stepping_aside import on_the_nodes

FAMILY = "rollout"
SYMPTOMS = (Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)
SUBJECTS = ROLLED_BACK
_WORLD = frozenset({Symptom.CREATE_FORBIDDEN, Symptom.EVICTED, Symptom.OOM_KILLED, Symptom.CLAIM_PENDING})


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion where a new revision does not get ready in its time and the one before still serves."""
    stuck = [found for found in evidence.health.findings if found.symptom in SYMPTOMS]
    if not stuck:
        return Silent("no rollout has passed its deadline")
    told = Diagnosis(
        family=FAMILY, cause="its rollout has passed its deadline", confidence=0.5, rests_on=(stuck[0].detail[:240],)
    )
    good = evidence.last_good
    if good is None or not good.ready or not may_roll_back(evidence):
        return Silent("no earlier revision serves that could be put back", told)
    if _WORLD & evidence.health.symptoms or not evidence.snapshot.current_pods:
        return Silent("what keeps it from its pods lies outside of the revision", told)
    if held(evidence) is not None:
        return Silent("its new pod waits for a volume that another pod holds, whichever revision it is of", told)
    if on_the_nodes(evidence, FAMILY) is not None:
        return Silent("there is no room for one pod more than serve, of whichever revision", told)
    if any(revision.ready for revision in evidence.revisions if revision.digest == evidence.present):
        return Silent("some pods of the new revision are ready: it works", told)
    if any(has_failed(pod) for pod in evidence.snapshot.current_pods):
        return Silent("its containers end: what the earlier pods found when they started may be gone", told)
    if next(still_at_work(evidence), None) is not None:
        return Silent("an init container is at work: whether it waits or gets on, its own family says", told)
    return opinion(
        evidence,
        action=RollBack(replica_set=good.name, digest=good.digest),
        family=FAMILY,
        cause="its last rollout has not got ready within its deadline",
        rests_on=(stuck[0].detail[:240], f"{basis(good)}, in the same surroundings"),
        ends=stuck[0].symptom,
        reason=f"roll back to revision {good.number}, which still serves",
        confidence=LIKELY,
    )
